"""One attempt at a durable job: done, tried again after a pause, or dead."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Context
from pgqueuer.domain.models import Job as Row
from pgqueuer.executors import AbstractEntrypointExecutor, EntrypointExecutorParameters

from watchkeeper.core.jobs import Job
from watchkeeper.core.metrics import Metrics
from watchkeeper.core.problems import Problem

log = structlog.get_logger(__name__)

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=1)
BEGUN_AT_MOST = 2
"""Times its attempts that a job is begun, those included that ended with their process."""

CountBegun = Callable[[int], Awaitable[int]]


class JobDiedError(Exception):
    """A job failed for the last time; the message is the name of its error and nothing else.

    The queue stores it. What the error itself says may be about a household and is in our log.
    """


def pause_after(attempts: int) -> timedelta:
    """How long the next attempt waits after `attempts` that failed before this one."""
    return min(FIRST_PAUSE * (1 << attempts), LONGEST_PAUSE)


class Attempts(AbstractEntrypointExecutor):
    """Makes the attempts at one job; what the queue calls an executor."""

    def __init__(self, job: Job, metrics: Metrics, count_begun: CountBegun) -> None:
        """`count_begun` says how often a row of the queue has been begun, this time included."""
        # A job that is dead stays in the queue, where it is counted and can be looked at.
        super().__init__(
            EntrypointExecutorParameters(concurrency_limit=0, func=_never, on_failure="hold")
        )
        self._job = job
        self._metrics = metrics
        self._count_begun = count_begun

    async def execute(self, job: Row, context: Context) -> None:
        """Run the job's function once; raises what makes the queue go on with it or give it up."""
        if await self._count_begun(job.id) > BEGUN_AT_MOST * self._job.attempts:
            # Its processes die before they can note a failure: it would take them down for ever.
            log.error("job.killed_its_processes", **self._named(job))
            self._count("dead")
            raise JobDiedError("ProcessDied")
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._job.time_limit.total_seconds()):
                await self._job.work(json.loads(job.payload or b"{}"))
        except asyncio.CancelledError:
            # The queue would take the job for called off and forget it.
            self._count("stopped")
            raise RetryRequested(reason="the worker stopped") from None
        except Problem as problem:
            log.warning("job.failed", reason=problem.log or problem.detail, **self._named(job))
            cause = type(problem).__name__
        except Exception as error:
            # An edge: the queue would keep the text of an error that nobody foresaw.
            log.exception("job.failed", **self._named(job))
            cause = type(error).__name__
        else:
            self._count("done")
            return
        finally:
            self._metrics.job_seconds.labels(self._job.name).observe(time.perf_counter() - began)
        # Outside of the handler: the queue stores the chain of errors with their texts.
        if job.attempts + 1 < self._job.attempts:
            self._count("retried")
            raise RetryRequested(pause_after(job.attempts), reason=cause)
        self._count("dead")
        raise JobDiedError(cause)

    def _count(self, outcome: str) -> None:
        self._metrics.jobs_run.labels(self._job.name, outcome).inc()

    def _named(self, job: Row) -> dict[str, object]:
        return {"job": self._job.name, "id": job.id, "attempt": job.attempts + 1}


async def _never(_row: Row) -> None:
    raise AssertionError("unreachable: attempts call the job's own function")
