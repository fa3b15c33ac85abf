"""A worker for tests: on any database, with jobs of the test's own, and no time to lose."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text

from tests.harness.clock import ManualClock
from watchkeeper.core.clock import Clock
from watchkeeper.core.config import JobsSettings
from watchkeeper.core.database import Database, UnitOfWork
from watchkeeper.core.job_worker import JobWorker
from watchkeeper.core.jobs import Job, Jobs, QueueFigures, read_figures
from watchkeeper.core.metrics import Metrics

_UNFINISHED = text("SELECT count(*) FROM jobs.pgqueuer WHERE status IN ('queued', 'picked')")


async def _open() -> bool:
    return True


@asynccontextmanager
async def working(
    database: Database,
    *jobs: Job,
    clock: Clock | None = None,
    metrics: Metrics | None = None,
    lost_after_seconds: float = 30,
    stop_seconds: float = 5,
) -> AsyncIterator[JobWorker]:
    """A worker that is at work, stopped at the end of the block."""
    registry = Jobs()
    for job in jobs:
        registry.register(job)
    worker = JobWorker(
        registry,
        database,
        clock or ManualClock(),
        metrics or Metrics(),
        JobsSettings(lost_after_seconds=lost_after_seconds),
        is_open=_open,
        start_after_seconds=0,
    )
    worker.start()
    try:
        async with asyncio.timeout(20):
            await worker.is_working.wait()
        yield worker
    finally:
        await worker.stop(within_seconds=stop_seconds)


async def queue_is_empty(database: Database, *, within_seconds: float = 30) -> None:
    """Wait until no job waits or runs; dead ones don't count."""

    async def unfinished(unit: UnitOfWork) -> int:
        return int((await unit.execute(_UNFINISHED)).scalar_one())

    async with asyncio.timeout(within_seconds):
        while await database.run(unfinished):  # noqa: ASYNC110 - the queue has no event for it
            await asyncio.sleep(0.02)


async def figures_of(database: Database) -> QueueFigures:
    """The queue as it is."""
    return await database.run(read_figures)
