"""One request is one transaction: what is committed, when, and what happens after it."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from sqlalchemy import text

from tests.core.conftest import opened
from tests.core.work import add_note, in_use, read_one
from watchkeeper.core.database import Database, UnitOfWork
from watchkeeper.core.events import Subscriptions
from watchkeeper.core.metrics import Metrics, count_operations
from watchkeeper.core.problems import NotFound


async def notes(outsider: Any) -> list[str]:
    return [row["note"] for row in await outsider.fetch("SELECT note FROM wk.notes ORDER BY 1")]


async def test_the_result_is_returned_after_the_commit(database: Database, outsider: Any) -> None:
    await database.run(add_note("kept"))
    assert await notes(outsider) == ["kept"]


async def test_a_refusal_rolls_back(database: Database, outsider: Any) -> None:
    async def work(unit: UnitOfWork) -> None:
        await add_note("lost")(unit)
        raise NotFound

    with pytest.raises(NotFound):
        await database.run(work)
    assert await notes(outsider) == []
    assert in_use(database.engine) == 0


async def test_light_actions_run_in_order_once_it_is_committed(
    database: Database, outsider: Any
) -> None:
    seen: list[str] = []

    async def work(unit: UnitOfWork) -> None:
        unit.after_commit(lambda: seen.append("first"))
        unit.after_commit(lambda: seen.append("second"))
        await add_note("kept")(unit)
        assert seen == []

    await database.run(work)
    assert seen == ["first", "second"]
    assert await notes(outsider) == ["kept"]


async def test_light_actions_of_failed_work_never_run(database: Database) -> None:
    seen: list[str] = []

    async def work(unit: UnitOfWork) -> None:
        unit.after_commit(lambda: seen.append("ran"))
        raise NotFound

    with pytest.raises(NotFound):
        await database.run(work)
    assert seen == []


async def test_a_light_action_that_fails_takes_nothing_back(
    database: Database, outsider: Any
) -> None:
    seen: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError

    async def work(unit: UnitOfWork) -> str:
        unit.after_commit(fail)
        unit.after_commit(lambda: seen.append("ran"))
        await add_note("kept")(unit)
        return "answer"

    with structlog.testing.capture_logs() as logs:
        assert await database.run(work) == "answer"
    assert seen == ["ran"]
    assert await notes(outsider) == ["kept"]
    assert [line["event"] for line in logs] == ["database.after_commit_failed"]


async def test_notifications_are_sent_at_the_commit_and_once(
    database: Database, outsider: Any
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await outsider.add_listener("news", lambda *arguments: heard.put_nowait(arguments[-1]))

    async def work(unit: UnitOfWork) -> None:
        unit.notify("news", 'it\'s "new"')
        unit.notify("news", 'it\'s "new"')
        unit.notify("news", "second")
        await unit.send_notifications()
        # Whatever was sent before the commit would arrive before the answer to this.
        await outsider.execute("SELECT 1")
        assert heard.empty()

    await database.run(work)
    assert await heard.get() == 'it\'s "new"'
    assert await heard.get() == "second"
    await outsider.execute("SELECT 1")
    assert heard.empty()


async def test_failed_work_sends_no_notification(database: Database, outsider: Any) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await outsider.add_listener("news", lambda *arguments: heard.put_nowait(arguments[-1]))

    async def work(unit: UnitOfWork) -> None:
        unit.notify("news", "never")
        await unit.send_notifications()
        raise NotFound

    with pytest.raises(NotFound):
        await database.run(work)
    await outsider.execute("SELECT 1")
    assert heard.empty()


async def test_reactions_to_a_fact_share_the_transaction(empty_url: str, outsider: Any) -> None:
    @dataclass(frozen=True)
    class NoteTaken:
        note: str

    async def react(unit: UnitOfWork, fact: NoteTaken) -> None:
        await add_note(f"reaction to {fact.note}")(unit)

    subscriptions = Subscriptions()
    subscriptions.on(NoteTaken, react)
    async with opened(empty_url) as plain:
        database = Database(
            empty_url, plain.settings, metrics=Metrics(), subscriptions=subscriptions
        )
        await database.run(lambda unit: unit.announce(NoteTaken("a")))
        with pytest.raises(NotFound):
            await database.run(_announce_and_fail(NoteTaken("b")))
        await database.close()
    assert await notes(outsider) == ["reaction to a"]


def _announce_and_fail(fact: object) -> Any:
    async def work(unit: UnitOfWork) -> None:
        await unit.announce(fact)
        raise NotFound

    return work


async def test_statements_with_data_are_counted_at_the_driver(database: Database) -> None:
    async def work(unit: UnitOfWork) -> None:
        await read_one(unit)
        await unit.execute(
            text("INSERT INTO wk.notes VALUES (:note)"), [{"note": "a"}, {"note": "b"}]
        )

    metrics = database._metrics
    before = _counters(metrics)
    with count_operations(keep_statements=True) as count, count_operations() as inner:
        await database.run(work)
    # BEGIN, COMMIT and the ping are none; two executions of one statement are two.
    assert count.operations == inner.operations == 3
    assert count.transactions == 1
    assert count.statements is not None
    assert [statement.split()[0] for statement in count.statements] == ["SELECT", "INSERT"]
    assert [after - one for after, one in zip(_counters(metrics), before, strict=True)] == [
        3,
        1,
        1,
        1,
    ]


def _counters(metrics: Metrics) -> list[float]:
    return [
        counter._value.get()
        for counter in (
            metrics.database_operations,
            metrics.database_transactions,
            metrics.database_pings,
            metrics.database_checkouts,
        )
    ]


async def test_counts_of_concurrent_requests_are_their_own(database: Database) -> None:
    async def request(statements: int) -> int:
        async def work(unit: UnitOfWork) -> None:
            for _ in range(statements):
                await read_one(unit)

        with count_operations() as count:
            await database.run(work)
        return count.operations

    assert await asyncio.gather(*(request(n) for n in range(1, 9))) == list(range(1, 9))


async def test_parameters_stay_out_of_error_messages(database: Database) -> None:
    async def work(unit: UnitOfWork) -> None:
        await unit.execute(text("SELECT 1 / (length(:secret) - 6)"), {"secret": "hunter"})

    with pytest.raises(Exception, match="division by zero") as caught:
        await database.run(work)
    assert "hunter" not in str(caught.value)
