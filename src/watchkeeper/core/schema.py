"""The database's schema: what version it has, and how it is brought up to date."""

import asyncio
from functools import cache
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from watchkeeper.core.urls import parse_database_url

log = structlog.get_logger(__name__)

# One number for all processes that may migrate the same database at once.
_ADVISORY_LOCK = 0x57_4B_4D_47
_TRY_LOCK_EVERY_SECONDS = 0.1
_MIGRATIONS = Path(__file__).parent.parent / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def newest_revision() -> str:
    """The revision that this version of the service works on."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def is_known_revision(revision: str) -> bool:
    """Whether this version has the migration; a newer version's isn't known to it."""
    return revision in _known_revisions()


@cache
def _known_revisions() -> frozenset[str]:
    script = ScriptDirectory.from_config(_config())
    return frozenset(entry.revision for entry in script.walk_revisions())


def current_revision(connection: Connection) -> str | None:
    """The revision of a database, or None when it has never been migrated."""
    return MigrationContext.configure(connection).get_current_revision()


async def migrate(url: str, revision: str = "head") -> tuple[str | None, str | None]:
    """Bring the schema to `revision`; waits its turn when another process is migrating.

    `revision` may be older than the present one, down to `base`; then migrations are undone.
    Indexes that are built concurrently run outside a transaction, so a failed migration can leave
    earlier revisions applied; running again goes on from there.
    Returns the revision before and after. Raises `NewerSchemaError`.
    """
    engine = create_async_engine(parse_database_url(url), poolclass=NullPool)
    try:
        async with engine.connect() as lock, engine.connect() as connection:
            await _wait_for_turn(lock)
            before = await connection.run_sync(current_revision)
            await connection.rollback()
            await connection.run_sync(_apply, before, revision)
            after = await connection.run_sync(current_revision)
            await connection.rollback()
    finally:
        await engine.dispose()
    if before != after:
        log.info("schema.migrated", before=before, after=after)
    return before, after


async def _wait_for_turn(connection: AsyncConnection) -> None:
    """Take the lock of the session, which is given back when the connection closes.

    It is tried again and again and outside a transaction: one that waited for it in the server
    would keep a concurrent index build of the process that migrates waiting for its end.
    """
    await connection.execution_options(isolation_level="AUTOCOMMIT")
    is_first = True
    while not (
        await connection.execute(text(f"SELECT pg_try_advisory_lock({_ADVISORY_LOCK})"))
    ).scalar_one():
        if is_first:
            log.info("schema.waiting", reason="another process is migrating this database")
            is_first = False
        await asyncio.sleep(_TRY_LOCK_EVERY_SECONDS)


def _apply(connection: Connection, current: str | None, wanted: str) -> None:
    if current is not None and not is_known_revision(current):
        raise NewerSchemaError(
            f"The database has revision '{current}', which this version doesn't know; "
            "it was migrated by a newer version of Watchkeeper."
        )
    config = _config()
    config.attributes["connection"] = connection
    is_undone = current is not None and wanted in _revisions_before(current)
    (command.downgrade if is_undone else command.upgrade)(config, wanted)


def _revisions_before(revision: str) -> set[str]:
    script = ScriptDirectory.from_config(_config())
    older = {entry.revision for entry in script.iterate_revisions(revision, "base")}
    return (older - {revision}) | {"base"}


class NewerSchemaError(Exception):
    """The database was migrated by a newer version; the message is one sentence."""
