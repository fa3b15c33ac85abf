"""The connection pool: its size, its limits, and what it does before a connection is used."""

import asyncio
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from tests.core.conftest import opened
from tests.core.proxy import DatabaseProxy
from tests.core.work import add_note, backend_of, in_use, read_one
from watchkeeper.core.config import DatabaseSettings
from watchkeeper.core.database import Database, UnitOfWork
from watchkeeper.core.metrics import Metrics
from watchkeeper.core.problems import DatabaseBusy, DatabaseUnavailable, PoolExhausted


async def count_backends(outsider: Any) -> int:
    count: int = await outsider.fetchval(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name = 'watchkeeper' AND datname = current_database()"
    )
    return count


async def test_connections_are_opened_before_the_service_is_ready(
    empty_url: str, outsider: Any
) -> None:
    database = Database(empty_url, DatabaseSettings(), metrics=Metrics())
    await database.open()
    assert await count_backends(outsider) == 10
    await database.close()


async def test_fifty_concurrent_requests_share_thirty_connections(
    empty_url: str, outsider: Any
) -> None:
    busiest = 0

    async def work(unit: UnitOfWork) -> int:
        nonlocal busiest
        busiest = max(busiest, in_use(database.engine))
        return await read_one(unit)

    async with opened(empty_url, prewarm_connections=10) as database:
        for _ in range(4):
            answers = await asyncio.gather(*(database.run(work) for _ in range(50)))
            assert answers == [1] * 50
        assert 10 < busiest <= 30
        assert in_use(database.engine) == 0


async def test_an_exhausted_pool_is_a_clear_refusal(empty_url: str) -> None:
    free = asyncio.Event()
    is_held = asyncio.Event()

    async def hold(unit: UnitOfWork) -> None:
        await read_one(unit)
        is_held.set()
        await free.wait()

    async with opened(empty_url, pool_size=1, max_overflow=0, pool_timeout_seconds=0.05) as one:
        holding = asyncio.create_task(one.run(hold))
        await is_held.wait()
        with pytest.raises(PoolExhausted) as caught:
            await one.run(read_one)
        free.set()
        await holding
        assert await one.run(read_one) == 1
    document = caught.value.body()
    assert document["type"] == "core/pool-exhausted"
    assert document["status"] == 503
    assert "all database connections are in use" in document["detail"]
    assert caught.value.headers()["Retry-After"] == "2"


async def test_a_pooled_connection_is_pinged_and_a_new_one_is_not(empty_url: str) -> None:
    async with opened(empty_url) as database:
        pings = database._metrics.database_pings._value
        before = pings.get()
        await database.run(read_one)
        assert pings.get() == before + 1
    async with opened(empty_url, pre_ping=False) as database:
        await database.run(read_one)
        assert database._metrics.database_pings._value.get() == 0


async def test_a_warm_unit_of_work_takes_four_round_trips(proxy: DatabaseProxy) -> None:
    # Ping, BEGIN, the statement, COMMIT; the pool's own ping would add two.
    async with opened(proxy.url) as database:
        await database.run(read_one)
        before = proxy.exchanges
        await database.run(read_one)
        assert proxy.exchanges - before == 4


async def test_a_cancelled_request_gives_its_connection_back(empty_url: str, outsider: Any) -> None:
    async def wait_in_the_server(unit: UnitOfWork) -> None:
        await add_note("half")(unit)
        is_waiting.set()
        await unit.execute(text("SELECT pg_sleep(30)"))

    async with opened(empty_url, pool_size=2, max_overflow=0) as database:
        for _ in range(3):
            is_waiting = asyncio.Event()
            task = asyncio.create_task(database.run(wait_in_the_server))
            await is_waiting.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert in_use(database.engine) == 0
        assert await asyncio.gather(*(database.run(read_one) for _ in range(2))) == [1, 1]
    assert await outsider.fetchval("SELECT count(*) FROM wk.notes") == 0


async def test_requests_cancelled_at_any_moment_leak_nothing(empty_url: str) -> None:
    async with opened(empty_url, pool_size=2, max_overflow=1) as database:
        for steps in range(40):
            tasks = [asyncio.create_task(database.run(read_one)) for _ in range(6)]
            for _ in range(steps):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert await asyncio.gather(*(database.run(read_one) for _ in range(6))) == [1] * 6
        assert in_use(database.engine) == 0


async def test_a_connection_is_replaced_at_its_age(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    async with opened(empty_url) as database:
        first = await database.run(backend_of)
        assert await database.run(backend_of) == first
        later = time.time() + database.settings.pool_recycle_seconds + 1
        monkeypatch.setattr("sqlalchemy.pool.base.time.time", lambda: later)
        assert await database.run(backend_of) != first


@pytest.mark.parametrize("size", [0, 7])
async def test_prepared_statements_are_kept_as_set(empty_url: str, size: int) -> None:
    async def statements(unit: UnitOfWork) -> int:
        for number in range(30):
            await unit.execute(text(f"SELECT {number} + :n"), {"n": 1})
        found = await unit.execute(text("SELECT count(*) FROM pg_prepared_statements"))
        return int(found.scalar_one())

    async with opened(empty_url, statement_cache_size=size) as database:
        kept = await database.run(statements)
        assert await database.run(backend_of) > 0
    # The cache is pruned when it is half over its size; the statement that counts is one more.
    assert size <= kept <= size * 1.5 + 1


async def test_limits_of_time_are_in_force(empty_url: str) -> None:
    async def limits(unit: UnitOfWork) -> tuple[str, ...]:
        return tuple(
            [
                str((await unit.execute(text(f"SHOW {name}"))).scalar_one())
                for name in ("statement_timeout", "lock_timeout", "TimeZone", "jit")
            ]
        )

    async with opened(empty_url) as database:
        assert await database.run(limits) == ("30s", "10s", "UTC", "off")


async def test_a_statement_that_runs_too_long_is_a_refusal(empty_url: str) -> None:
    async def slow(unit: UnitOfWork) -> None:
        await unit.execute(text("SELECT pg_sleep(30)"))

    async with opened(empty_url, statement_timeout_seconds=0.05) as database:
        with pytest.raises(DatabaseBusy, match="statement timeout") as caught:
            await database.run(slow)
        assert await database.run(read_one) == 1
    assert caught.value.headers()["Retry-After"] == "2"


async def test_a_lock_that_takes_too_long_is_a_refusal(empty_url: str, outsider: Any) -> None:
    async with opened(empty_url, lock_timeout_seconds=0.05) as database:
        async with outsider.transaction():
            await outsider.execute("LOCK TABLE wk.notes")
            with pytest.raises(DatabaseBusy, match="lock timeout"):
                await database.run(add_note("blocked"))
        await database.run(add_note("free"))


async def test_a_server_without_free_connections_is_a_clear_refusal(
    empty_url: str, outsider: Any
) -> None:
    name = await outsider.fetchval("SELECT current_database()")
    await outsider.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 1")
    try:
        settings = DatabaseSettings(restart_wait_seconds=0.1)
        database = Database(empty_url, settings, metrics=Metrics())
        with pytest.raises(PoolExhausted, match="too many connections"):
            await database.run(read_one)
        await database.close()
    finally:
        await outsider.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1")


async def test_a_wrong_password_is_said_at_the_start_and_refused_later(empty_url: str) -> None:
    user_part, _, rest = empty_url.partition("@")
    wrong = f"{user_part}x@{rest}"
    database = Database(wrong, DatabaseSettings(), metrics=Metrics())
    with pytest.raises(Exception, match="password authentication failed"):
        await database.open()
    with pytest.raises(DatabaseUnavailable, match="password authentication failed"):
        await database.run(read_one)
    await database.close()


async def test_a_statement_that_is_wrong_stays_an_error(database: Database) -> None:
    async def wrong(unit: UnitOfWork) -> None:
        await unit.execute(text("SELECT 1 / 0"))

    with pytest.raises(Exception, match="division by zero"):
        await database.run(wrong)
    assert in_use(database.engine) == 0


async def test_a_broken_constraint_can_be_told_apart(database: Database) -> None:
    await database.run(add_note("once"))
    with pytest.raises(Exception, match="notes_pkey") as caught:
        await database.run(add_note("once"))
    cause = caught.value.__cause__
    assert isinstance(cause.__cause__ if cause else None, asyncpg.UniqueViolationError)
