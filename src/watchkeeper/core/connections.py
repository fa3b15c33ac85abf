"""The engine: its pool and connections, validated before use and counted at the driver."""

from typing import Any
from uuid import uuid4

import asyncpg
from sqlalchemy import URL, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from watchkeeper.core import metrics as counting
from watchkeeper.core.config import DatabaseSettings
from watchkeeper.core.metrics import Metrics

# An idle server answers within a millisecond; one that is silent for this long is unreachable.
_PING_TIMEOUT_SECONDS = 2.0
_IDLE_IN_TRANSACTION_MS = 60_000
_IS_NEW = "watchkeeper_is_new"


def create_engine(
    url: URL, settings: DatabaseSettings, metrics: Metrics, *, echo: bool = False
) -> AsyncEngine:
    """The engine for `url`; nothing is connected yet. `echo` logs every statement."""
    engine = create_async_engine(
        url,
        echo=echo,
        # Parameters are names, addresses and hashes: they don't belong in error messages.
        hide_parameters=not echo,
        pool_size=settings.pool_size,
        max_overflow=settings.max_overflow,
        pool_timeout=settings.pool_timeout_seconds,
        pool_recycle=settings.pool_recycle_seconds,
        # The connection that was used last is the likeliest to be warm in every cache.
        pool_use_lifo=True,
        connect_args=_connect_arguments(settings),
    )
    if settings.pre_ping:
        _validate_before_use(engine, metrics)
    _count_at_the_driver(engine, metrics)
    return engine


def _connect_arguments(settings: DatabaseSettings) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "timeout": settings.connect_timeout_seconds,
        # SQLAlchemy keeps statements that it prepares, asyncpg those of `executemany`.
        "prepared_statement_cache_size": settings.statement_cache_size,
        "statement_cache_size": settings.statement_cache_size,
        "server_settings": {
            "application_name": "watchkeeper",
            "timezone": "UTC",
            # Compiling takes longer than any of our statements runs.
            "jit": "off",
            "statement_timeout": f"{settings.statement_timeout_seconds * 1000:.0f}",
            "lock_timeout": f"{settings.lock_timeout_seconds * 1000:.0f}",
            "idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION_MS),
        },
    }
    if settings.statement_cache_size == 0:
        # Whoever turns the cache off has a pooler that hands sessions from client to client.
        arguments["prepared_statement_name_func"] = lambda: f"watchkeeper_{uuid4().hex}"
    return arguments


def _validate_before_use(engine: AsyncEngine, metrics: Metrics) -> None:
    """Ask a pooled connection for a sign of life in one round trip.

    The pool's own pre-ping begins and rolls back a transaction around its ping and has no time
    limit. Without an answer all pooled connections are taken for lost, as after a restart.
    """

    def remember_new(_connection: Any, record: Any) -> None:
        record.info[_IS_NEW] = True

    def ping(connection: Any, record: Any, _proxy: Any) -> None:
        if record.info.pop(_IS_NEW, False):
            return
        metrics.database_pings.inc()
        try:
            connection.run_async(_ping)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise InvalidatePoolError from error

    event.listen(engine.sync_engine, "connect", remember_new)
    event.listen(engine.sync_engine, "checkout", ping)


async def _ping(connection: "asyncpg.Connection[Any]") -> None:
    try:
        # The driver stumbles over an empty statement; this one selects nothing.
        await connection.execute("SELECT", timeout=_PING_TIMEOUT_SECONDS)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        # A silent server wouldn't answer a polite goodbye either.
        connection.terminate()
        raise


def _count_at_the_driver(engine: AsyncEngine, metrics: Metrics) -> None:
    def on_statement(
        _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
    ) -> None:
        executions = len(parameters) if many else 1
        metrics.database_operations.inc(executions)
        counting.record_statement(statement, executions)

    def on_begin(_connection: Any) -> None:
        metrics.database_transactions.inc()
        counting.record_transaction()

    def on_checkout(_driver: Any, _record: Any, _proxy: Any) -> None:
        metrics.database_checkouts.inc()

    event.listen(engine.sync_engine, "before_cursor_execute", on_statement)
    event.listen(engine.sync_engine, "begin", on_begin)
    event.listen(engine.sync_engine, "checkout", on_checkout)
