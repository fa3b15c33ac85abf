"""Durable jobs: work that is stored with the change that asks for it, and done after the commit.

A narrow seam over the queue in the schema ``jobs`` (pgqueuer's tables, decision 21): domains
register what can be done, ask for it inside a unit of work, and know nothing of the library. A
job runs at least once, so it must be idempotent: by a unique key, or because a second run finds
nothing left to do. Payloads hold ids and dates, never names.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.job_queue import queries_of
from watchkeeper.core.metrics import Metrics

Payload = Mapping[str, Any]
Work = Callable[[Payload], Awaitable[object]]

ATTEMPTS = 10
"""Ten, with pauses of 5 s, 10 s … up to an hour between them: about 45 minutes of trouble."""
TIME_LIMIT = timedelta(minutes=15)
FORGET_EVERY = timedelta(hours=1)
DEAD_KEPT = timedelta(days=30)
LOG_KEPT = timedelta(days=1)

_HOUSEHOLD = "household_id"
# A period of another process's, whose clock was wrong, must not hold the job up for ever.
_CLAIM_PERIOD = text("""
    INSERT INTO jobs.periods AS p (name, starts_at) VALUES (:name, :starts_at)
    ON CONFLICT (name) DO UPDATE SET starts_at = EXCLUDED.starts_at
    WHERE p.starts_at < EXCLUDED.starts_at
       OR p.starts_at > EXCLUDED.starts_at + interval '1 day'
    RETURNING p.name
""")
_FORGET_HOUSEHOLD = text("""
    DELETE FROM jobs.pgqueuer WHERE headers ->> 'household_id' = :household_id
""")
# The queue keeps the server's time, whatever the rules of viewing time go by.
_FORGET_LOG = text("DELETE FROM jobs.pgqueuer_log WHERE created < now() - CAST(:kept AS interval)")
_FORGET_DEAD = text("""
    DELETE FROM jobs.pgqueuer WHERE status = 'failed' AND updated < now() - CAST(:kept AS interval)
""")
_FIGURES = text("""
    SELECT count(*) FILTER (WHERE status = 'queued' AND execute_after <= now()) AS waiting,
           count(*) FILTER (WHERE status = 'picked') AS running,
           count(*) FILTER (WHERE status = 'failed') AS dead,
           coalesce(extract(epoch FROM now() - min(execute_after)
               FILTER (WHERE status = 'queued' AND execute_after <= now())), 0) AS oldest_seconds
    FROM jobs.pgqueuer
""")


@dataclass(frozen=True, slots=True)
class Job:
    """Something that can be done: its name in the queue, and the function that does it.

    `every` makes it periodic: begun once in each such period over all processes together, with
    an empty payload. `attempts` and `time_limit` bound what a failing or hanging one costs.
    """

    name: str
    work: Work
    every: timedelta | None = None
    attempts: int = ATTEMPTS
    time_limit: timedelta = TIME_LIMIT

    def period_at(self, now: datetime) -> datetime:
        """The start of the period that contains `now`; periods are counted from 1970."""
        assert self.every is not None
        began = datetime(1970, 1, 1, tzinfo=UTC)
        return began + (now - began) // self.every * self.every


class Jobs:
    """The jobs that this process knows; filled once, when the service is put together."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    def register(self, job: Job) -> None:
        """Make a job known; raises `ValueError` for a name that is taken."""
        if job.name in self._jobs:
            raise ValueError(f"there is a job named {job.name} already")
        self._jobs[job.name] = job


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job that is asked for.

    A request whose `key` is that of a job that waits or runs is left out. What is about a
    household names it in the payload as ``household_id``, so that it can be forgotten with it.
    """

    name: str
    payload: Payload = field(default_factory=dict)
    key: str | None = None
    delay: timedelta = timedelta()


async def enqueue(unit: UnitOfWork, *requests: JobRequest) -> int:
    """Store jobs with everything else of the unit of work; returns how many weren't there yet.

    They are begun after the commit, at once if a worker is free. Query cost: 1 statement for any
    number, none for none. Source: ADR 21.
    """
    if not requests:
        return 0
    ids = await queries_of(unit).enqueue(
        [request.name for request in requests],
        [json.dumps(dict(request.payload), default=str).encode() for request in requests],
        [0] * len(requests),
        [request.delay for request in requests],
        [request.key for request in requests],
        [_headers(request.payload) for request in requests],
        on_conflict="skip",
    )
    return sum(job_id is not None for job_id in ids)


def _headers(payload: Payload) -> dict[str, str] | None:
    household_id = payload.get(_HOUSEHOLD)
    return None if household_id is None else {_HOUSEHOLD: str(household_id)}


async def begin_period(unit: UnitOfWork, job: Job, now: datetime) -> bool:
    """Ask for a periodic job unless its present period has begun; returns whether it did now.

    A period is claimed in the transaction that stores its job, so that it is begun once over all
    processes, and never lost. While the job of an earlier period waits or runs, there is no
    second one. Query cost: 1 statement, 2 when the period begins.
    """
    claimed = await unit.execute(_CLAIM_PERIOD, {"name": job.name, "starts_at": job.period_at(now)})
    if claimed.one_or_none() is None:
        return False
    await enqueue(unit, JobRequest(job.name, key=f"period:{job.name}"))
    return True


async def forget_household(unit: UnitOfWork, household_id: UUID) -> int:
    """Delete every job about a household, waiting, running or dead; returns how many there were.

    One that runs at this moment ends as if nothing had happened; its own statements must find
    that the household is gone. The queue's log has no ids of households. Query cost: 1 statement.
    """
    result = await unit.execute(_FORGET_HOUSEHOLD, {"household_id": str(household_id)})
    return int(result.rowcount)


async def forget_finished(unit: UnitOfWork) -> int:
    """Delete the queue's log after a day, and dead jobs after 30; returns how many rows went.

    Jobs that ended well are deleted when they end. Query cost: 2 statements.
    """
    log = await unit.execute(_FORGET_LOG, {"kept": LOG_KEPT})
    dead = await unit.execute(_FORGET_DEAD, {"kept": DEAD_KEPT})
    return int(log.rowcount) + int(dead.rowcount)


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """The queue of all processes: jobs that are due, that run, that died; age of the oldest due."""

    waiting: int
    running: int
    dead: int
    oldest_waiting_seconds: float


async def read_figures(unit: UnitOfWork, metrics: Metrics | None = None) -> QueueFigures:
    """Count the queue, and show it in `metrics`. Query cost: 1 statement."""
    row = (await unit.execute(_FIGURES)).one()
    figures = QueueFigures(row.waiting, row.running, row.dead, float(row.oldest_seconds))
    if metrics is not None:
        metrics.jobs_waiting.set(figures.waiting)
        metrics.jobs_dead.set(figures.dead)
        metrics.jobs_oldest_seconds.set(figures.oldest_waiting_seconds)
    return figures


def add_core_jobs(jobs: Jobs, floor: Floor) -> None:
    """Register what the queue does for itself."""
    jobs.register(
        Job(
            "jobs.forget-finished",
            lambda _: floor.database.run(forget_finished),
            every=FORGET_EVERY,
        )
    )
