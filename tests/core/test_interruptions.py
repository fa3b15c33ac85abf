"""A server that restarts, dies or falls silent: what is repeated, and how long anyone waits."""

import asyncio
import time
from typing import Any

import pytest
from sqlalchemy import text

from tests.core.conftest import opened
from tests.core.proxy import CUT, DatabaseProxy
from tests.core.work import add_note, backend_of, in_use, read_one, turns_until
from watchkeeper.core.database import Database, UnitOfWork
from watchkeeper.core.problems import DatabaseBusy, DatabaseUnavailable

KILL_ALL = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE application_name = 'watchkeeper' AND datname = current_database()"
)


def retries(database: Database) -> float:
    value: float = database._metrics.database_retries._value.get()
    return value


async def test_the_first_work_after_a_restart_succeeds(empty_url: str, outsider: Any) -> None:
    async with opened(empty_url, prewarm_connections=5) as database:
        await outsider.fetchval(KILL_ALL)
        assert await asyncio.gather(*(database.run(read_one) for _ in range(5))) == [1] * 5
        # The ping found the dead connections; nobody's work had to be repeated for it.
        assert retries(database) == 0


async def test_the_first_work_after_a_restart_succeeds_without_the_ping(
    empty_url: str, outsider: Any
) -> None:
    async with opened(empty_url, pre_ping=False) as database:
        await database.run(read_one)
        await outsider.fetchval(KILL_ALL)
        await database.run(add_note("kept"))
    assert await outsider.fetchval("SELECT count(*) FROM wk.notes") == 1


async def test_work_that_is_interrupted_is_repeated_once(empty_url: str, outsider: Any) -> None:
    attempts = 0

    async def work(unit: UnitOfWork) -> int:
        nonlocal attempts
        attempts += 1
        await add_note(f"attempt {attempts}")(unit)
        if attempts == 1:
            await outsider.fetchval(f"SELECT pg_terminate_backend({await backend_of(unit)})")
        await read_one(unit)
        return attempts

    async with opened(empty_url) as database:
        assert await database.run(work) == 2
        assert retries(database) == 1
        assert in_use(database.engine) == 0
    assert [row["note"] for row in await outsider.fetch("SELECT * FROM wk.notes")] == ["attempt 2"]


async def test_work_that_is_interrupted_again_and_again_is_refused(
    empty_url: str, outsider: Any
) -> None:
    attempts = 0

    async def work(unit: UnitOfWork) -> None:
        nonlocal attempts
        attempts += 1
        await outsider.fetchval(f"SELECT pg_terminate_backend({await backend_of(unit)})")
        await read_one(unit)

    async with opened(empty_url) as database:
        with pytest.raises(DatabaseUnavailable):
            await database.run(work)
        assert in_use(database.engine) == 0
    assert attempts == 2


@pytest.mark.parametrize("is_replayable", [False, True])
@pytest.mark.parametrize("has_arrived", [False, True], ids=["lost", "arrived"])
async def test_an_interrupted_commit_is_repeated_only_when_that_is_safe(
    proxy: DatabaseProxy, outsider: Any, has_arrived: bool, is_replayable: bool
) -> None:
    """The answer to the first COMMIT never comes: whether it took place can't be known."""
    commits = 0

    def lose_commit(request: bytes) -> object:
        nonlocal commits
        commits += b"COMMIT" in request
        return CUT if b"COMMIT" in request and commits == 1 and not has_arrived else None

    def lose_answer(answer: bytes) -> object:
        return CUT if b"COMMIT" in answer and commits == 1 and has_arrived else None

    async def work(unit: UnitOfWork) -> str:
        await unit.execute(text("INSERT INTO wk.notes VALUES ('once') ON CONFLICT DO NOTHING"))
        return "done"

    async with opened(proxy.url) as database:
        await database.run(read_one)
        proxy.on_request, proxy.on_answer = lose_commit, lose_answer
        if is_replayable:
            assert await database.run(work, is_replayable=True) == "done"
        else:
            with pytest.raises(DatabaseUnavailable):
                await database.run(work)
        assert commits == (2 if is_replayable else 1)
        assert in_use(database.engine) == 0
    kept = await outsider.fetchval("SELECT count(*) FROM wk.notes")
    assert kept == (1 if has_arrived or is_replayable else 0)


async def test_work_that_lost_against_another_transaction_is_repeated(
    empty_url: str, outsider: Any
) -> None:
    attempts = 0

    async def work(unit: UnitOfWork) -> int:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await unit.execute(text("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$"))
        return attempts

    async def never(unit: UnitOfWork) -> None:
        await unit.execute(text("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$"))

    async with opened(empty_url) as database:
        assert await database.run(work) == 2
        with pytest.raises(DatabaseBusy):
            await database.run(never)


async def test_requests_wait_for_a_server_that_restarts(proxy: DatabaseProxy) -> None:
    async with opened(proxy.url, prewarm_connections=3) as database:
        await proxy.go_away()
        requests = [asyncio.create_task(database.run(read_one)) for _ in range(60)]
        await turns_until(lambda: database._reconnection.is_under_way)
        before = proxy.connections
        await proxy.listen()
        assert await asyncio.gather(*requests) == [1] * 60
        # The one that tries, and no more than the pool may open.
        assert proxy.connections - before <= 31
        assert in_use(database.engine) == 0


async def test_a_server_that_stays_away_is_a_refusal_within_the_stated_wait(
    proxy: DatabaseProxy,
) -> None:
    async with opened(proxy.url, restart_wait_seconds=0.3, prewarm_connections=3) as database:
        await proxy.go_away()
        started = time.monotonic()
        results = await asyncio.gather(
            *(database.run(read_one) for _ in range(60)), return_exceptions=True
        )
        waited = time.monotonic() - started
        assert [type(result) for result in results] == [DatabaseUnavailable] * 60
        assert waited >= 0.3
        assert in_use(database.engine) == 0
        assert not database._reconnection.is_under_way
        await proxy.listen()
        assert await database.run(read_one) == 1


async def test_waiting_requests_try_the_server_one_at_a_time(
    proxy: DatabaseProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = 0

    async def connect(*_: object, **__: object) -> Any:
        nonlocal attempts
        attempts += 1
        raise ConnectionRefusedError

    async with opened(proxy.url, restart_wait_seconds=0.5) as database:
        await proxy.go_away()
        monkeypatch.setattr("watchkeeper.core.database.asyncpg.connect", connect)
        results = await asyncio.gather(
            *(database.run(read_one) for _ in range(200)), return_exceptions=True
        )
    assert [type(result) for result in results] == [DatabaseUnavailable] * 200
    # 30 that found it out, then one every tenth of a second: not 200 ten times a second.
    assert attempts <= 36


async def test_a_silent_server_is_found_out_by_the_ping(
    proxy: DatabaseProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchkeeper.core.connections._PING_TIMEOUT_SECONDS", 0.05)
    async with opened(proxy.url, connect_timeout_seconds=1, restart_wait_seconds=0.1) as database:
        proxy.is_silent = True
        with pytest.raises(DatabaseUnavailable):
            await database.run(read_one)
        proxy.is_silent = False
        await proxy.cut()
        assert await database.run(read_one) == 1
        assert in_use(database.engine) == 0


async def test_a_caller_that_goes_away_while_the_server_is_away_leaves_nothing(
    proxy: DatabaseProxy,
) -> None:
    async with opened(proxy.url) as database:
        await proxy.go_away()
        request = asyncio.create_task(database.run(read_one))
        await turns_until(lambda: database._reconnection.is_under_way)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await turns_until(lambda: not database._reconnection.is_under_way)
        assert in_use(database.engine) == 0
