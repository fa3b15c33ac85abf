"""The worker: runs durable jobs, and begins periodic ones, until it is told to stop.

It has one connection of its own, on which it listens, takes jobs and gives signs of life; the
jobs themselves use the pool. Whatever ends that connection, the worker opens another one. A job
whose process dies is taken by any worker once its signs of life stop.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog

from watchkeeper.core.background import BackgroundTasks
from watchkeeper.core.clock import Clock
from watchkeeper.core.config import JobsSettings
from watchkeeper.core.database import Database
from watchkeeper.core.interruptions import CONNECT_FAILURES, describe
from watchkeeper.core.jobs import Jobs, begin_period
from watchkeeper.core.metrics import Metrics
from watchkeeper.core.problems import Problem
from watchkeeper.core.urls import driver_arguments

if TYPE_CHECKING:
    from pgqueuer import QueueManager

log = structlog.get_logger(__name__)

# The first requests come before the first jobs.
_START_AFTER_SECONDS = 0.5
_RECONNECT_SECONDS = 1.0
_LOOK_AT_CLOCK_EVERY_SECONDS = 1.0
_STATEMENT_SECONDS = 10.0
# The safety net below NOTIFY, and how often lost jobs are looked for.
_POLL_SECONDS = 10.0
_COUNT_BEGUN = (
    "SELECT count(*) AS begun FROM jobs.pgqueuer_log WHERE job_id = $1 AND status = 'picked'"
)


class JobWorker:
    """Runs the jobs of `jobs` on one database."""

    def __init__(
        self,
        jobs: Jobs,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        settings: JobsSettings,
        *,
        is_open: Callable[[], Awaitable[bool]],
        start_after_seconds: float = _START_AFTER_SECONDS,
    ) -> None:
        """`is_open` says whether the schema is one that jobs may work on."""
        self._jobs = jobs
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._settings = settings
        self._is_open = is_open
        self._start_after_seconds = start_after_seconds
        self._tasks = BackgroundTasks()
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._manager: QueueManager | None = None
        self.is_working = asyncio.Event()

    def start(self) -> None:
        """Begin, a moment after this process's first requests could be answered."""
        self._tasks.start("jobs", self._work)
        self._tasks.start("periodic jobs", self._keep_time)

    async def stop(self, *, within_seconds: float) -> None:
        """Take no more jobs, and let those that run end; what doesn't is given back to the queue.

        Also before `start` and after a failed one.
        """
        self._stopping.set()
        if self._manager is not None:
            self._manager.shutdown.set()
            try:
                async with asyncio.timeout(within_seconds):
                    await self._ended.wait()
            except TimeoutError:
                log.warning("jobs.interrupted", waited_seconds=within_seconds)
        await self._tasks.stop()

    async def _work(self) -> None:
        await asyncio.sleep(self._start_after_seconds)
        await self._wait_until_open()
        await asyncio.to_thread(_import_library)
        try:
            while not self._stopping.is_set():
                try:
                    await self._work_on_a_connection()
                except (*CONNECT_FAILURES, _listener_failure()) as error:
                    log.warning("jobs.connection_lost", error=describe(error))
                finally:
                    self.is_working.clear()
                    self._manager = None
                await self._pause(_RECONNECT_SECONDS)
        finally:
            self._ended.set()

    async def _wait_until_open(self) -> None:
        while not await self._is_open():  # noqa: ASYNC110 - whoever migrates is another process
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _work_on_a_connection(self) -> None:
        connection = await self._connect()
        try:
            manager = self._manager = self._managing(connection)
            connection.add_termination_listener(lambda _: manager.shutdown.set())
            if self._stopping.is_set():
                return
            self.is_working.set()
            await manager.run(
                dequeue_timeout=timedelta(seconds=self._poll_seconds()),
                batch_size=max(1, self._settings.concurrency // 2),
                max_concurrent_tasks=self._settings.concurrency,
                shutdown_on_listener_failure=True,
                heartbeat_timeout=timedelta(seconds=self._settings.lost_after_seconds),
                # Its statistics are nobody's; ours are in the metrics.
                log_aggregation_interval=timedelta(),
            )
            if not self._stopping.is_set():
                log.warning("jobs.connection_lost", error="the server closed the connection")
        finally:
            connection.terminate()

    def _poll_seconds(self) -> float:
        return min(_POLL_SECONDS, self._settings.lost_after_seconds / 2)

    async def _connect(self) -> "asyncpg.Connection[Any]":
        limits = self._database.settings
        return await asyncpg.connect(
            **driver_arguments(self._database.url),
            timeout=limits.connect_timeout_seconds,
            command_timeout=_STATEMENT_SECONDS,
            statement_cache_size=limits.statement_cache_size,
            server_settings={
                "application_name": "watchkeeper-jobs",
                "timezone": "UTC",
                "jit": "off",
                "statement_timeout": f"{_STATEMENT_SECONDS * 1000:.0f}",
                "lock_timeout": f"{_STATEMENT_SECONDS * 1000:.0f}",
            },
        )

    def _managing(self, connection: "asyncpg.Connection[Any]") -> "QueueManager":
        from pgqueuer import AsyncpgDriver, QueueManager
        from pgqueuer.types import Channel

        from watchkeeper.core.job_attempts import Attempts
        from watchkeeper.core.job_queue import CHANNEL, queries_on

        driver = AsyncpgDriver(connection)

        async def count_begun(job_id: int) -> int:
            (row,) = await driver.fetch(_COUNT_BEGUN, job_id)
            return int(str(row["begun"]))

        manager = QueueManager(queries_on(driver), channel=Channel(CHANNEL))
        for job in self._jobs:
            manager.register_executor(job.name, Attempts(job, self._metrics, count_begun))
        return manager

    async def _keep_time(self) -> None:
        """Begin periodic jobs when their periods begin; the database is asked once a period."""
        await asyncio.sleep(self._start_after_seconds)
        await self._wait_until_open()
        begun: dict[str, datetime] = {}
        while not self._stopping.is_set():
            try:
                await self._begin_periods(begun)
            except Problem as problem:
                log.warning("jobs.postponed", reason=problem.log or problem.detail)
            await self._pause(_LOOK_AT_CLOCK_EVERY_SECONDS)

    async def _begin_periods(self, begun: dict[str, datetime]) -> None:
        now = self._clock.now()
        for job in self._jobs:
            if job.every is None or begun.get(job.name) == job.period_at(now):
                continue
            await self._database.run(partial(begin_period, job=job, now=now), is_replayable=True)
            begun[job.name] = job.period_at(now)


def _import_library() -> None:
    """In a thread, so that heartbeats don't wait for it."""
    import pgqueuer  # noqa: F401


def _listener_failure() -> type[Exception]:
    from pgqueuer.errors import FailingListenerError

    return FailingListenerError
