"""The database of a command: a running embedded one, one started for the moment, or a URL."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from watchkeeper.cli.failures import CommandFailedError
from watchkeeper.cli.terminal import note
from watchkeeper.core.auth import TokenSigner
from watchkeeper.core.clock import DatabaseClock
from watchkeeper.core.database import Database
from watchkeeper.core.embedded import attached, default_data_dir
from watchkeeper.core.events import Subscriptions
from watchkeeper.core.floor import Floor
from watchkeeper.core.logging import configure_logging
from watchkeeper.core.metrics import Metrics
from watchkeeper.core.offload import Executor
from watchkeeper.core.realtime import Listener
from watchkeeper.core.schema import current_revision, migrate, newest_revision
from watchkeeper.core.secrets import Secrets, load_or_create_secrets
from watchkeeper.settings import Settings, load_settings


def command_settings(data_dir: Path | None) -> Settings:
    """The settings that every command reads; `data_dir` comes from its command line.

    Warnings are logged and nothing less: what a command does is said by the command.
    """
    settings = load_settings(os.environ, data_dir=data_dir)
    configure_logging(settings.logging.model_copy(update={"level": "warning"}))
    return settings


def data_dir_of(settings: Settings) -> Path:
    """The data folder that is meant, also when an external database needs it for secrets only."""
    return (settings.server.data_dir or default_data_dir()).expanduser()


def secrets_of(settings: Settings) -> Secrets:
    """The service's secrets, made at the first start."""
    path = settings.security.secrets_file or data_dir_of(settings) / "secrets" / "keys.json"
    secrets = load_or_create_secrets(path)
    if os.geteuid() == 0:
        # Made by root in somebody's folder: that somebody may start the service next.
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
    return secrets


@asynccontextmanager
async def database_url(settings: Settings) -> AsyncIterator[str]:
    """The URL of the database for the time of a command; see `core.embedded.attached`."""
    if settings.database.url is not None:
        yield settings.database.url.get_secret_value()
        return
    async with attached(data_dir_of(settings), on_progress=note) as url:
        yield url


@asynccontextmanager
async def opened_floor(
    settings: Settings, subscriptions: Subscriptions | None = None
) -> AsyncIterator[Floor]:
    """What use cases stand on, on an open and migrated database, for the time of a command.

    Embedded databases are migrated. Raises `CommandFailedError` when an external one's schema isn't
    current: whoever runs it decides when it is migrated.
    """
    async with database_url(settings) as url:
        if settings.database.url is None:
            await migrate(url)
        floor = _floor(settings, url, subscriptions or Subscriptions())
        try:
            await floor.database.open()
            await _check_schema(floor.database)
            yield floor
        finally:
            floor.hashing.close()
            await floor.database.close()


def _floor(settings: Settings, url: str, subscriptions: Subscriptions) -> Floor:
    """A floor without background tasks: a command hears no announcements."""
    metrics = Metrics()
    clock = DatabaseClock()
    secrets = secrets_of(settings)
    database = Database(
        url,
        settings.database.model_copy(update={"prewarm_connections": 1}),
        clock=clock,
        metrics=metrics,
        subscriptions=subscriptions,
    )
    hashing = Executor("hashing", threads=1, queue_limit=8, metrics=metrics)
    return Floor(
        clock=clock,
        database=database,
        metrics=metrics,
        secrets=secrets,
        signer=TokenSigner(secrets),
        hashing=hashing,
        listener=Listener(database.url),
    )


async def _check_schema(database: Database) -> None:
    async with database.engine.connect() as connection:
        revision = await connection.run_sync(current_revision)
    if revision != newest_revision():
        raise CommandFailedError(
            "The database hasn't been migrated to this version yet; run: watchkeeper migrate"
        )
