"""A real PostgreSQL for the tests: one cluster a worker, one cloned database a test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from watchkeeper.core.embedded import EmbeddedServer
from watchkeeper.core.schema import migrate
from watchkeeper.core.urls import driver_arguments, parse_database_url

_numbers = count(1)


def with_database(dsn: str, name: str) -> str:
    """The same server, another database."""
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(path=f"/{name}"))


class Cluster:
    """The worker's server and its migrated template."""

    TEMPLATE = "watchkeeper_template"

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        self.dsn = server.dsn
        self.admin_dsn = server.admin_dsn

    @classmethod
    async def start(cls, folder: Path) -> "Cluster":
        """Start the server and migrate the template that every test's database is cloned from."""
        cluster = cls(await EmbeddedServer.start(folder, durable=False))
        await cluster._admin(
            f"CREATE DATABASE {cls.TEMPLATE} OWNER watchkeeper TEMPLATE watchkeeper"
        )
        await migrate(with_database(cluster.dsn, cls.TEMPLATE))
        return cluster

    async def stop(self) -> None:
        """Stop the server."""
        await self.server.stop()

    @asynccontextmanager
    async def database(
        self, *, migrated: bool = True, like: str | None = None
    ) -> AsyncIterator[str]:
        """The URL of a fresh database, dropped afterwards.

        `like` is the URL of one that is copied with what is in it; nobody may be connected to it.
        """
        name = f"test_{next(_numbers)}"
        template = self.TEMPLATE if migrated else "template0"
        if like is not None:
            template = urlsplit(like).path.removeprefix("/")
        await self._admin(f"CREATE DATABASE {name} OWNER watchkeeper TEMPLATE {template}")
        try:
            yield with_database(self.dsn, name)
        finally:
            await self._admin(f"DROP DATABASE {name} WITH (FORCE)")

    async def _admin(self, statement: str) -> None:
        arguments = driver_arguments(parse_database_url(self.admin_dsn))
        connection = await asyncpg.connect(**arguments | {"database": "postgres"})
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
