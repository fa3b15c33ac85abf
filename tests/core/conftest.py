"""Databases of tests: the real thing, with settings of each test's own."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from tests.core.proxy import DatabaseProxy, proxy_before
from tests.harness.cluster import Cluster
from watchkeeper.core.config import DatabaseSettings
from watchkeeper.core.database import Database
from watchkeeper.core.metrics import Metrics

OpenDatabase = Callable[..., Any]


@pytest.fixture(scope="session")
async def empty_url(cluster: Cluster) -> AsyncIterator[str]:
    """A database without a schema, shared by tests that leave nothing behind."""
    async with cluster.database(migrated=False) as url:
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE SCHEMA wk; CREATE TABLE wk.notes (note text PRIMARY KEY)")
        await connection.close()
        yield url


@pytest.fixture
async def outsider(empty_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection beside the pool, that sees what has been committed."""
    connection = await asyncpg.connect(empty_url)
    await connection.execute("TRUNCATE wk.notes")
    yield connection
    await connection.close()


@pytest.fixture
async def proxy(empty_url: str) -> AsyncIterator[DatabaseProxy]:
    """A proxy in front of the shared database."""
    async with proxy_before(empty_url) as proxy:
        yield proxy


@asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[Database]:
    """A database that is opened and closed again; one connection ahead unless told otherwise."""
    defaults: dict[str, Any] = {"prewarm_connections": 1, "restart_wait_seconds": 5}
    database = Database(url, DatabaseSettings(**defaults | settings), metrics=Metrics())
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
async def database(empty_url: str, outsider: object) -> AsyncIterator[Database]:
    """The shared database through our own pool."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(opened(empty_url))
