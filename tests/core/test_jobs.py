"""Durable jobs: stored with the change, run after it, tried again, dead at last, never lost."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import structlog
from sqlalchemy import text

from tests.core.conftest import opened
from tests.harness.budgets import query_budget
from tests.harness.clock import ManualClock
from tests.harness.jobs import figures_of, queue_is_empty, working
from watchkeeper.core import job_attempts
from watchkeeper.core.database import Database, UnitOfWork
from watchkeeper.core.jobs import (
    Job,
    JobRequest,
    Jobs,
    Payload,
    begin_period,
    enqueue,
    forget_finished,
    forget_household,
    read_figures,
)
from watchkeeper.core.metrics import Metrics
from watchkeeper.core.problems import Conflict


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with opened(database_url) as database:
        yield database


async def ask(database: Database, *requests: JobRequest) -> int:
    return await database.run(lambda unit: enqueue(unit, *requests))


async def execute(database: Database, statement: str, **parameters: Any) -> Any:
    async def work(unit: UnitOfWork) -> Any:
        return await unit.execute(text(statement), parameters)

    return await database.run(work)


class Calls:
    """A job's function that notes its payloads, and fails as often as it is told to."""

    def __init__(self, *failures: Exception) -> None:
        self.payloads: list[Payload] = []
        self._failures = list(failures)

    async def __call__(self, payload: Payload) -> None:
        self.payloads.append(payload)
        if self._failures:
            raise self._failures.pop(0)


async def test_a_job_is_stored_with_the_change_or_not_at_all(database: Database) -> None:
    async def changed_its_mind(unit: UnitOfWork) -> None:
        # Nothing else begins the transaction: the job itself must be inside.
        await enqueue(unit, JobRequest("count", {"number": 1}))
        raise Conflict

    with pytest.raises(Conflict):
        await database.run(changed_its_mind)
    assert (await figures_of(database)).waiting == 0
    calls = Calls()
    async with working(database, Job("count", calls)):
        await ask(database, JobRequest("count", {"number": 2, "at": uuid4()}))
        await queue_is_empty(database)
    assert [payload["number"] for payload in calls.payloads] == [2]


async def test_jobs_of_one_key_are_one_job(database: Database) -> None:
    with query_budget(at_most=2):
        same = [JobRequest("count", {"number": n}, key="the same") for n in range(3)]
        assert await ask(database, *same) == 1
        assert await ask(database, *same) == 0
    calls = Calls()
    async with working(database, Job("count", calls)):
        await queue_is_empty(database)
        assert await ask(database, same[2]) == 1
        await queue_is_empty(database)
    assert [payload["number"] for payload in calls.payloads] == [0, 2]


async def test_a_failed_job_is_tried_again_and_then_done(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_attempts, "FIRST_PAUSE", timedelta(milliseconds=1))
    calls, metrics = Calls(RuntimeError("a bug"), Conflict()), Metrics()
    with structlog.testing.capture_logs() as logs:
        async with working(database, Job("count", calls), metrics=metrics):
            await ask(database, JobRequest("count"))
            await queue_is_empty(database)
    assert len(calls.payloads) == 3
    assert [line["attempt"] for line in logs if line["event"] == "job.failed"] == [1, 2]
    shown = metrics.prometheus().decode()
    assert 'watchkeeper_jobs_total{job="count",outcome="retried"} 2.0' in shown
    assert 'watchkeeper_jobs_total{job="count",outcome="done"} 1.0' in shown


def test_pauses_grow_up_to_an_hour() -> None:
    pauses = [job_attempts.pause_after(attempts).total_seconds() for attempts in range(12)]
    assert pauses[:4] == [5, 10, 20, 40]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 3600


async def test_a_job_that_always_fails_is_kept_as_dead_without_what_it_said(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_attempts, "FIRST_PAUSE", timedelta(milliseconds=1))
    calls, metrics = Calls(*[RuntimeError("Noa's secret")] * 5), Metrics()
    with structlog.testing.capture_logs():
        async with working(database, Job("count", calls, attempts=3), metrics=metrics):
            await ask(database, JobRequest("count", {"number": 1}))
            await queue_is_empty(database)
    assert len(calls.payloads) == 3
    figures = await database.run(lambda unit: read_figures(unit, metrics))
    assert (figures.dead, figures.waiting, figures.running) == (1, 0, 0)
    assert "watchkeeper_jobs_dead 1.0" in metrics.prometheus().decode()
    rows = await execute(
        database,
        "SELECT l::text FROM jobs.pgqueuer_log l UNION ALL SELECT q::text FROM jobs.pgqueuer q",
    )
    kept = [row[0] for row in rows]
    assert any("RuntimeError" in row for row in kept)
    assert not any("secret" in row for row in kept)


async def test_a_job_that_kills_its_processes_is_given_up(database: Database) -> None:
    """It never fails, so its attempts aren't counted; how often it was begun is."""
    calls = Calls()
    await ask(database, JobRequest("count"))
    await execute(
        database,
        "INSERT INTO jobs.pgqueuer_log (job_id, status, priority, entrypoint) "
        "SELECT 1, 'picked', 0, 'count' FROM generate_series(1, 5)",
    )
    with structlog.testing.capture_logs() as logs:
        async with working(database, Job("count", calls, attempts=3)):
            await queue_is_empty(database)
            assert calls.payloads == [{}], "six times are twice its attempts"
            await ask(database, JobRequest("count"))
            await queue_is_empty(database)
            assert len(calls.payloads) == 2
            await execute(
                database,
                "INSERT INTO jobs.pgqueuer_log (job_id, status, priority, entrypoint) "
                "SELECT 3, 'picked', 0, 'count' FROM generate_series(1, 6)",
            )
            await ask(database, JobRequest("count"))
            await queue_is_empty(database)
    assert len(calls.payloads) == 2
    assert "job.killed_its_processes" in {line["event"] for line in logs}
    assert (await figures_of(database)).dead == 1


async def test_a_job_that_hangs_is_ended_by_its_time_limit(database: Database) -> None:
    async def hang(_payload: Payload) -> None:
        await asyncio.Event().wait()

    job = Job("count", hang, attempts=1, time_limit=timedelta(milliseconds=10))
    with structlog.testing.capture_logs():
        async with working(database, job):
            await ask(database, JobRequest("count"))
            await queue_is_empty(database)
    assert (await figures_of(database)).dead == 1


async def test_a_stop_waits_for_jobs_and_gives_back_what_takes_too_long(
    database: Database,
) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow(_payload: Payload) -> None:
        begun.set()
        await may_end.wait()

    await ask(database, JobRequest("count"))
    with structlog.testing.capture_logs() as logs:
        async with working(database, Job("count", slow), stop_seconds=0.05):
            await begun.wait()
    assert "jobs.interrupted" in {line["event"] for line in logs}
    assert (await figures_of(database)).waiting == 1

    begun.clear()
    async with working(database, Job("count", slow)) as worker:
        await begun.wait()
        stopping = asyncio.create_task(worker.stop(within_seconds=20))
        await asyncio.sleep(0)
        may_end.set()
        await stopping
    figures = await figures_of(database)
    assert (figures.waiting, figures.running) == (0, 0)


async def test_the_job_of_a_killed_process_is_run_by_another(database: Database) -> None:
    await ask(database, JobRequest("count", {"number": 7}))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.core.job_process",
        database.url.render_as_string(hide_password=False),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"7\n"
    process.kill()
    await process.wait()
    assert (await figures_of(database)).running == 1

    calls = Calls()
    async with working(database, Job("count", calls), lost_after_seconds=1):
        await queue_is_empty(database)
    assert [payload["number"] for payload in calls.payloads] == [7]


async def test_a_period_is_begun_once_over_all_processes(database: Database) -> None:
    clock = ManualClock()
    first, second = Calls(), Calls()
    every = timedelta(minutes=5)
    async with (
        working(database, Job("tidy", first, every=every), clock=clock),
        working(database, Job("tidy", second, every=every), clock=clock),
    ):
        for period in range(1, 4):
            async with asyncio.timeout(20):
                while len(first.payloads) + len(second.payloads) < period:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            await queue_is_empty(database)
            clock.advance(minutes=5)
        async with asyncio.timeout(20):
            while len(first.payloads) + len(second.payloads) < 4:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await queue_is_empty(database)
    assert len(first.payloads) + len(second.payloads) == 4


async def test_who_comes_second_finds_the_period_begun(database: Database) -> None:
    job, clock = Job("tidy", Calls(), every=timedelta(hours=1)), ManualClock()

    def begin(clock: ManualClock) -> Any:
        return database.run(lambda unit: begin_period(unit, job, clock.now()))

    assert sorted(await asyncio.gather(*(begin(clock) for _ in range(6)))) == [False] * 5 + [True]
    clock.advance(minutes=59)
    assert not await begin(clock)
    # The next period begins, but its job waits already.
    clock.advance(minutes=1)
    assert await begin(clock)
    assert (await figures_of(database)).waiting == 1
    # A process whose clock lags has nothing to begin; one that was a week ahead doesn't count.
    lagging = ManualClock(clock.now() - timedelta(hours=1))
    assert not await begin(lagging)
    assert await begin(ManualClock(clock.now() + timedelta(days=7)))
    assert await begin(clock)


async def test_the_jobs_of_a_household_go_with_it(database: Database) -> None:
    gone, stays = uuid4(), uuid4()
    await ask(
        database,
        JobRequest("count", {"household_id": gone, "number": 1}, key=f"count:{gone}"),
        JobRequest("count", {"household_id": stays}),
        JobRequest("count"),
    )
    await execute(database, "UPDATE jobs.pgqueuer SET status = 'failed' WHERE dedupe_key <> ''")
    assert await database.run(lambda unit: forget_household(unit, gone)) == 1
    rows = await execute(
        database,
        "SELECT l::text FROM jobs.pgqueuer_log l UNION ALL "
        "SELECT q::text || convert_from(payload, 'UTF8') FROM jobs.pgqueuer q",
    )
    kept = "\n".join(row[0] for row in rows)
    assert str(gone) not in kept
    assert str(stays) in kept


async def test_what_is_finished_is_forgotten_in_time(database: Database) -> None:
    calls = Calls()
    async with working(database, Job("count", calls)):
        await ask(database, JobRequest("count"))
        await queue_is_empty(database)
    await ask(database, JobRequest("count"), JobRequest("count"))
    assert await database.run(forget_finished) == 0
    log = "UPDATE jobs.pgqueuer_log SET created = created - interval '25 hours' WHERE job_id = 1"
    assert (await execute(database, log)).rowcount == 3
    await execute(
        database,
        "UPDATE jobs.pgqueuer SET status = 'failed', updated = now() - interval '31 days' "
        "WHERE id = 2",
    )
    assert await database.run(forget_finished) == 4
    assert (await figures_of(database)).waiting == 1


async def test_the_oldest_waiting_job_is_timed_from_when_it_was_due(database: Database) -> None:
    await ask(database, JobRequest("count"), JobRequest("count", delay=timedelta(hours=1)))
    await execute(
        database,
        "UPDATE jobs.pgqueuer SET execute_after = execute_after - interval '90 seconds' "
        "WHERE execute_after <= now()",
    )
    figures = await figures_of(database)
    assert figures.waiting == 1
    assert 90 <= figures.oldest_waiting_seconds < 100


def test_a_name_is_given_once() -> None:
    jobs = Jobs()
    jobs.register(Job("count", Calls()))
    with pytest.raises(ValueError, match="count"):
        jobs.register(Job("count", Calls()))
