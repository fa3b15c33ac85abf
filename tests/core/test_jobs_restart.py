"""PostgreSQL dies and comes back under the worker: no job is lost, and the next one is run."""

import asyncio
import os
import signal

import structlog

from tests.core.conftest import opened
from tests.core.test_jobs import Calls, ask
from tests.core.test_restart import server  # noqa: F401 - a fixture
from tests.harness.jobs import figures_of, queue_is_empty, working
from watchkeeper.core.embedded import EmbeddedServer
from watchkeeper.core.jobs import Job, JobRequest, Payload, enqueue
from watchkeeper.core.schema import migrate


async def test_the_worker_outlives_the_death_of_the_server(
    server: EmbeddedServer,  # noqa: F811
) -> None:
    await migrate(server.dsn)
    begun, may_end, calls = asyncio.Event(), asyncio.Event(), Calls()

    async def slow(payload: Payload) -> None:
        begun.set()
        await may_end.wait()
        await calls(payload)

    async with opened(server.dsn, restart_wait_seconds=30) as database:
        with structlog.testing.capture_logs() as logs:
            async with working(database, Job("count", slow), lost_after_seconds=1):
                await ask(database, JobRequest("count", {"number": 0}))
                await begun.wait()
                os.kill(server.pid, signal.SIGKILL)
                # Asked for while the server goes away, beside one that runs; the key makes it safe
                # to ask again when the commit got no answer.
                request = JobRequest("count", {"number": 1}, key="the second")
                await database.run(lambda unit: enqueue(unit, request), is_replayable=True)
                may_end.set()
                await queue_is_empty(database, within_seconds=60)
        assert "jobs.connection_lost" in {line["event"] for line in logs}
        assert (await figures_of(database)).dead == 0
    # The first one's end couldn't be stored: it may have been run again, but not forgotten.
    assert {payload["number"] for payload in calls.payloads} == {0, 1}
