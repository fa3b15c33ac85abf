"""What history asks of the database: complete for any range, at a flat cost, by its index."""

import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.harness.budgets import query_budget
from tests.harness.cluster import Cluster
from tests.harness.service import Service, running_service
from tests.viewing.rows import (
    COUNTED,
    EXEMPT,
    Home,
    Piece,
    Watched,
    add_titles,
    at,
    day_states,
    write_viewing,
)
from watchkeeper.core.database import Database, UnitOfWork
from watchkeeper.viewing.history_repository import QUERIES, HistoryPage, read_history
from watchkeeper.viewing.policy_types import DaySettings
from watchkeeper.viewing.repository import ProfileKey
from watchkeeper.viewing.rules.days import day_from, last_reset_until
from watchkeeper.viewing.rules.report import DateRange, HistoryDay
from watchkeeper.viewing.service.history import History, HistoryRequest

NOW = at("2026-03-10 15:00")
TITLES = tuple(UUID(int=number) for number in range(1, 5))


@pytest.fixture(scope="module")
async def shared(cluster: Cluster) -> AsyncIterator[Service]:
    async with cluster.database() as url, running_service(url) as service:
        yield service


@pytest.fixture
async def home(shared: Service) -> Home:
    return await Home.settle(shared)


async def read_all(history: History, home: Home, wanted: DateRange) -> list[HistoryDay]:
    """All pages of a range, one after the other."""
    days: list[HistoryDay] = []
    newest_on: date | None = None
    while True:
        request = HistoryRequest(wanted.first_on, wanted.last_on, newest_on)
        answer = await history.read(home.key.household_id, home.key.profile_id, request)
        days.extend(answer.days)
        newest_on = answer.next_on
        if newest_on is None:
            return days


pieces = st.builds(
    Piece,
    st.sampled_from((*TITLES, None)),
    st.integers(1, 30 * 3600),
    st.sampled_from((COUNTED, EXEMPT)),
)
sessions_drawn = st.lists(
    st.tuples(st.integers(0, 12 * 24 * 60), st.lists(pieces, max_size=3)), max_size=25
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    drawn=sessions_drawn,
    first=st.integers(0, 14),
    length=st.integers(1, 14),
    page_days=st.integers(1, 5),
    page_entries=st.integers(1, 8),
)
async def test_the_pages_of_any_range_hold_everything_once(
    home: Home,
    drawn: list[tuple[int, list[Piece]]],
    first: int,
    length: int,
    page_days: int,
    page_entries: int,
) -> None:
    sessions = [Watched(NOW - timedelta(minutes=minutes), tuple(parts)) for minutes, parts in drawn]
    sessions = [session for session in sessions if session.ended_at <= NOW]
    states = await home.write(sessions, first=NOW - timedelta(days=13))
    wanted = DateRange(date(2026, 2, 24) + timedelta(days=first), date(2026, 2, 24))
    wanted = DateRange(wanted.first_on, wanted.first_on + timedelta(days=length - 1))

    history = History(home.family.service.floor, page_days=page_days, page_entries=page_entries)
    days = await read_all(history, home, wanted)

    assert [day.label for day in days] == list(wanted.newest_first())
    stored = {state.day.label: state for state in states}
    for day in days:
        state = stored.get(day.label)
        assert day.counted_ms == (state.counted_ms if state else 0)
        assert day.educational_ms == (state.exempt_ms if state else 0)
    keys = Counter(
        (day.label, entry.session_id, entry.started_at) for day in days for entry in day.entries
    )
    assert all(times == 1 for times in keys.values())
    silent = {session.id for session in sessions if not session.pieces}
    began = {state.day.label for state in states}
    assert silent >= {e.session_id for day in days for e in day.entries if not e.credited_ms}
    if wanted.first_on <= min(began) and wanted.last_on >= max(began):
        assert {e.session_id for day in days for e in day.entries} == {s.id for s in sessions}


async def test_days_with_the_same_label_are_shown_as_one_date(home: Home) -> None:
    """A household that moves from the far east of the date line to its far west has one twice."""
    east, west = DaySettings("Pacific/Kiritimati"), DaySettings("Etc/GMT+12")
    first = day_from(last_reset_until(at("2026-03-05 00:00"), east), east)
    second = day_from(first.ends_at, west)
    assert first.label == second.label
    through = Watched(second.starts_at - timedelta(minutes=10), (Piece(None, 1200),))
    later = Watched(second.starts_at + timedelta(hours=5), (Piece(None, 60, EXEMPT),))
    states = day_states((first, second), (through, later))
    await write_viewing(home.database, home.key, states, (through, later))

    history = History(home.family.service.floor)
    (day,) = await read_all(history, home, DateRange(first.label, first.label))
    assert (day.counted_ms, day.educational_ms) == (1_200_000, 60_000)
    assert [(entry.session_id, entry.started_at) for entry in day.entries] == [
        (later.id, later.started_at),
        (through.id, through.started_at),
    ]


async def test_the_cost_is_flat(home: Home) -> None:
    await add_titles(home.database, {title: (f"Title {title.int}", None) for title in TITLES})
    budget: list[int] = []
    for count in (2, 40):
        start = NOW - timedelta(days=6)
        await home.write(
            [
                Watched(start + timedelta(hours=3 * n), (Piece(TITLES[n % 4], 600),))
                for n in range(count)
            ]
        )
        with query_budget(at_most=3) as spent:
            page = await home.read()
        budget.append(spent.operations)
        assert sum(len(day["sessions"]) for day in page["days"]) == count
    assert budget[0] == budget[1]


async def plan_of(database: Database, name: str, parameters: dict[str, Any]) -> Any:
    """The plan that PostgreSQL runs a named query with."""

    async def explain(unit: UnitOfWork) -> Any:
        statement = text(
            f"EXPLAIN (ANALYZE, VERBOSE, TIMING OFF, FORMAT JSON) {QUERIES.sources[name]}"
        )
        return (await unit.execute(statement, parameters)).scalar_one()

    found = await database.run(explain)
    return (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]


def nodes_of(plan: Any) -> list[Any]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in nodes_of(child))]


@pytest.fixture(scope="module")
async def busy_home(shared: Service) -> Home:
    """5 000 sessions in 90 days, and others of a brother, with fresh statistics."""
    home = await Home.settle(shared)
    await add_titles(home.database, {title: (f"Title {title.int}", None) for title in TITLES})
    rng = random.Random(7)
    brother = Home(home.family, ProfileKey(home.key.household_id, uuid4()))
    for child, count in ((home, 5000), (brother, 2000)):
        starts = (NOW - timedelta(minutes=rng.randrange(10, 90 * 24 * 60)) for _ in range(count))
        await child.write([Watched(start, (Piece(rng.choice(TITLES), 300),)) for start in starts])

    async def analyze(unit: UnitOfWork) -> None:
        for table in ("viewing.days", "viewing.sessions", "viewing.slices", "catalogue.titles"):
            await unit.execute(text(f"ANALYZE {table}"))

    await home.database.run(analyze)
    return home


async def test_of_5000_sessions_a_page_reads_only_its_own(busy_home: Home) -> None:
    parameters = {
        "household_id": busy_home.key.household_id,
        "profile_id": busy_home.key.profile_id,
        "first_on": date(2026, 2, 8),
        "last_on": date(2026, 3, 10),
        "since": NOW - timedelta(days=33),
        "until": NOW + timedelta(days=3),
        "at_most": 500,
    }
    nodes = nodes_of(await plan_of(busy_home.database, "read_history", parameters))
    scans = [node for node in nodes if "Relation Name" in node]
    indexes = {node.get("Index Name") for node in nodes}
    assert "sessions_by_start" in indexes, indexes
    assert "slices_by_day" in indexes, indexes
    assert not [
        node
        for node in scans
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in {"sessions", "slices"}
    ]
    by_start = next(node for node in nodes if node.get("Index Name") == "sessions_by_start")
    assert "started_at >=" in by_start["Index Cond"]
    assert "started_at <" in by_start["Index Cond"]
    titles = [node for node in scans if node["Relation Name"] == "titles"]
    assert titles
    for node in titles:
        columns = {column.split(".")[-1] for column in node["Output"]}
        assert columns <= {"id", "name", "household_id"}, columns


async def test_of_5000_sessions_every_one_is_given_in_pages_of_whole_dates(
    busy_home: Home,
) -> None:
    history = History(busy_home.family.service.floor)
    wanted = DateRange(date(2025, 12, 1), date(2026, 3, 10))
    days = await read_all(history, busy_home, wanted)
    assert len({entry.session_id for day in days for entry in day.entries}) == 5000
    assert sum(day.counted_ms for day in days) == 5000 * 300_000

    async def read(unit: UnitOfWork) -> HistoryPage:
        key = busy_home.key
        return await read_history(unit, key.household_id, key.profile_id, wanted, 500)

    page = await busy_home.database.run(read)
    assert page.left_out_on is not None
    per_day = Counter(entry.label for entry in page.entries)
    assert min(per_day) == page.left_out_on + timedelta(days=1)
    assert len(page.entries) >= 500 > len(page.entries) - per_day[min(per_day)]


@pytest.mark.parametrize("name", sorted(QUERIES.sources))
async def test_named_queries_are_accepted_by_the_database(shared: Service, name: str) -> None:
    """Prepared as they stand: columns, functions and types exist."""
    numbered = QUERIES[name].compile(dialect=shared.database.engine.dialect)

    async def prepare(unit: UnitOfWork) -> int:
        raw = await unit.connection.get_raw_connection()
        assert raw.driver_connection is not None
        statement = await raw.driver_connection.prepare(str(numbered))
        return len(statement.get_attributes())

    assert await shared.database.run(prepare) > 0
