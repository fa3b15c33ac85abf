"""The database, and the unit of work: one request or job is one transaction.

A use case hands its work to `Database.run` as a function. The work sees one connection; the
transaction is committed before `run` returns, and so before any answer is sent. Because the work
is a function, it can be run again when a server restart interrupted it before anything was
committed (07, Database).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection

from watchkeeper.core.clock import RESYNC_AFTER_SECONDS, ClockReading, DatabaseClock
from watchkeeper.core.config import DatabaseSettings
from watchkeeper.core.connections import create_engine
from watchkeeper.core.events import Subscriptions
from watchkeeper.core.interruptions import (
    CONNECT_FAILURES,
    DRIVER_FAILURES,
    describe,
    is_conflict,
    is_connection_lost,
    problem_of,
)
from watchkeeper.core.metrics import Metrics
from watchkeeper.core.problems import DatabaseUnavailable, PoolExhausted, Problem
from watchkeeper.core.reconnection import Patience, Reconnection
from watchkeeper.core.urls import driver_arguments, parse_database_url

log = structlog.get_logger(__name__)
T = TypeVar("T")

# Of several readings of the clock the quickest counts: half its round trip bounds the error.
_CLOCK_READINGS = 3
_WORTH_A_WARNING = timedelta(seconds=1)


class UnitOfWork:
    """One transaction, as the work of a use case sees it."""

    def __init__(self, connection: AsyncConnection, subscriptions: Subscriptions) -> None:
        self.connection = connection
        self._subscriptions = subscriptions
        self._after_commit: list[Callable[[], None]] = []
        self._notifications: dict[tuple[str, str], None] = {}

    async def execute(self, statement: Any, parameters: Any = None) -> Any:
        """Run one statement; see `AsyncConnection.execute`."""
        return await self.connection.execute(statement, parameters)

    async def announce(self, fact: object) -> None:
        """Tell other domains a fact; their reactions run in this transaction."""
        await self._subscriptions.announce(self, fact)

    def notify(self, channel: str, payload: str) -> None:
        """Send a NOTIFY to every process when this transaction commits; duplicates fold."""
        self._notifications[channel, payload] = None

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run a light, in-process action once the transaction has been committed."""
        self._after_commit.append(action)

    def take_notifications(self) -> list[tuple[str, str]]:
        """The notifications so far, channel and payload, for a statement that sends them along."""
        pairs = list(self._notifications)
        self._notifications.clear()
        return pairs

    async def send_notifications(self) -> None:
        """Queue the notifications in the transaction; PostgreSQL sends them at commit."""
        pairs = self.take_notifications()
        if not pairs:
            return
        await self.connection.execute(
            text(
                "SELECT pg_notify(c, p) FROM "
                "unnest(CAST(:channels AS text[]), CAST(:payloads AS text[])) AS n (c, p)"
            ),
            {
                "channels": [channel for channel, _ in pairs],
                "payloads": [payload for _, payload in pairs],
            },
        )

    def run_after_commit(self) -> None:
        """Run the light actions in the order in which they were added.

        What was committed stays committed, so an action that fails is logged and nothing else.
        """
        for action in self._after_commit:
            try:
                action()
            except Exception:
                log.exception("database.after_commit_failed")


Work = Callable[[UnitOfWork], Awaitable[T]]


@dataclass(slots=True)
class _Progress:
    """How far one attempt at a unit of work got."""

    is_committing: bool = False


class Database:
    """The connection pool and the transactions on it."""

    def __init__(
        self,
        url: str,
        settings: DatabaseSettings,
        *,
        clock: DatabaseClock | None = None,
        metrics: Metrics,
        subscriptions: Subscriptions | None = None,
        echo: bool = False,
    ) -> None:
        self.url = parse_database_url(url)
        self.settings = settings
        self.subscriptions = subscriptions or Subscriptions()
        self.engine = create_engine(self.url, settings, metrics, echo=echo)
        self._clock = clock
        self._metrics = metrics
        self._reconnection = Reconnection(self._try_server)

    async def open(self) -> None:
        """Open the first connections and set the clock; ready only after this.

        Raises `DatabaseUnavailable` when the server stays away for `restart_wait_seconds`, and
        the driver's error when it refuses us, for instance for a wrong password.
        """
        wanted = max(1, min(self.settings.prewarm_connections, self.settings.pool_size))
        patience = Patience(self.settings.restart_wait_seconds)
        results = await asyncio.gather(
            *(self._connect(patience) for _ in range(wanted)), return_exceptions=True
        )
        for result in results:
            if isinstance(result, AsyncConnection):
                await result.close()
        for result in results:
            if isinstance(result, BaseException):
                await self.close()
                raise result
        await self.synchronise_clock()

    async def close(self) -> None:
        """Close every connection that isn't in use; the others when they are given back."""
        await self.engine.dispose()

    async def run(self, work: Work[T], *, is_replayable: bool = False) -> T:
        """Run `work` in one transaction and return its result after the commit.

        Interrupted work is run once more when nothing was committed; when the connection broke
        during the commit itself, only if `is_replayable` (the work is idempotent by key). Waits
        at most `pool_timeout_seconds` for a connection, and `restart_wait_seconds` for a server
        that went away.
        Raises `PoolExhausted`, `DatabaseBusy` or `DatabaseUnavailable` (503), or what `work`
        raises.
        """
        patience = Patience(self.settings.restart_wait_seconds)
        for is_last_attempt in (False, True):
            progress = _Progress()
            try:
                return await self._run_once(work, progress, patience)
            except DRIVER_FAILURES as error:
                if is_last_attempt or not _may_repeat(error, progress, is_replayable):
                    problem = problem_of(error)
                    if problem is None:
                        raise
                    raise problem from error
                log.warning("database.retry", error=describe(error))
                self._metrics.database_retries.inc()
        raise AssertionError("unreachable: the second attempt returns or raises")

    async def _run_once(self, work: Work[T], progress: _Progress, patience: Patience) -> T:
        connection = await self._connect_or_refuse(patience)
        self._metrics.pool_in_use.inc()
        try:
            unit = UnitOfWork(connection, self.subscriptions)
            result = await work(unit)
            await unit.send_notifications()
            progress.is_committing = True
            await connection.commit()
            # Before anything else is awaited: a caller that goes away now must not leave what
            # this process remembers behind what was committed.
            unit.run_after_commit()
        finally:
            self._metrics.pool_in_use.dec()
            # A cancelled request must still give its connection back whole.
            await asyncio.shield(_give_back(connection))
        return result

    async def _connect_or_refuse(self, patience: Patience) -> AsyncConnection:
        try:
            return await self._connect(patience)
        except PoolTimeoutError as error:
            raise PoolExhausted(log=str(error)) from error
        except CONNECT_FAILURES as error:
            # The server is there and refuses us: waiting wouldn't help.
            raise problem_of(error) or DatabaseUnavailable(log=describe(error)) from error

    async def _connect(self, patience: Patience) -> AsyncConnection:
        """Take a connection; waits for a restarting server as long as there is patience."""
        while True:
            if not self._reconnection.is_under_way:
                try:
                    return await self.engine.connect()
                except CONNECT_FAILURES as error:
                    if not is_connection_lost(error):
                        raise
                    log.warning("database.away", error=describe(error))
            try:
                await self._reconnection.wait(patience)
            except TimeoutError as error:
                raise DatabaseUnavailable(log="the database server doesn't answer") from error

    async def _try_server(self) -> None:
        connection = await asyncpg.connect(
            **driver_arguments(self.url), timeout=self.settings.connect_timeout_seconds
        )
        await connection.close()

    async def keep_clock(self) -> None:
        """Set the clock by the database every 60 s, for as long as the service runs."""
        while True:
            await asyncio.sleep(RESYNC_AFTER_SECONDS)
            try:
                await self.synchronise_clock()
            except Problem as problem:
                log.warning("clock.not_synchronised", reason=problem.log or problem.detail)

    async def synchronise_clock(self) -> None:
        """Set the clock by the database (03, section 3). Query cost: 3 small statements."""
        if self._clock is None:
            return

        async def read(unit: UnitOfWork) -> ClockReading:
            # The first reading also begins the transaction and prepares the statement.
            readings = [await _read_clock(unit) for _ in range(_CLOCK_READINGS)]
            return min(readings, key=lambda reading: reading.round_trip_seconds)

        correction = self._clock.set(await self.run(read))
        if abs(correction) >= _WORTH_A_WARNING:
            log.warning("clock.corrected", correction_ms=correction / timedelta(milliseconds=1))


async def _read_clock(unit: UnitOfWork) -> ClockReading:
    sent = time.monotonic()
    now = (await unit.execute(text("SELECT clock_timestamp()"))).scalar_one()
    received = time.monotonic()
    return ClockReading(now, (sent + received) / 2, received - sent)


def _may_repeat(error: BaseException, progress: _Progress, is_replayable: bool) -> bool:
    if is_conflict(error):
        return True
    return is_connection_lost(error) and (is_replayable or not progress.is_committing)


async def _give_back(connection: AsyncConnection) -> None:
    """Return the connection to the pool; what wasn't committed is rolled back."""
    try:
        await connection.close()
    except DRIVER_FAILURES as error:
        # The rollback met a server that went away; there is nothing left to roll back.
        log.info("database.rollback_failed", error=describe(error))
        await connection.invalidate()
        await connection.close()
