"""A child's history of 90 days, complete, and how its cost grows with the number of sessions."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from bench.figures import Figure
from bench.harness import Bench, Outcome, Scenario
from bench.households import Household, registered_household
from bench.latency import LatencySummary
from bench.service import BenchError
from bench.watched import insert_past, insert_titles, make_titles, spread, watched_past

_DAYS = 90
_TITLES = 40
_SEED = 20_260_104
_ASKED_SESSIONS = 5_000
_SESSIONS = (50, 500, _ASKED_SESSIONS)
# A whole history is several pages; it is read fewer times than a page alone.
_PAGES_PER_READ = 10


@dataclass(slots=True)
class _Read:
    """One reading of a whole history, page by page."""

    sessions: int = 0
    minutes: float = 0.0
    seconds: float = 0.0
    page_seconds: list[float] | None = None


async def run(bench: Bench) -> Outcome:
    """Three children of one household with fifty, five hundred and five thousand sessions."""
    figures: list[Figure] = []
    async with registered_household(bench.service.address) as household:
        children = [await household.add_child(f"Child {n}") for n in range(len(_SESSIONS))]
        await household.elevate()
        for child, sessions in zip(children, _SESSIONS, strict=True):
            await _insert(bench, household, child, sessions)
        for child, sessions in zip(children, _SESSIONS, strict=True):
            figures += await _measure(bench, household, child, sessions)
    return Outcome(figures)


async def _insert(bench: Bench, household: Household, child: UUID, sessions: int) -> None:
    async with bench.connection() as connection:
        if connection is None:
            raise BenchError("the past can only be written into our own database")
        now, titles = datetime.now(UTC), make_titles(_TITLES, random.Random(_SEED))
        past = watched_past(
            household.household_id,
            [child],
            titles,
            before=now,
            sessions_on=spread(sessions, _DAYS),
        )
        await insert_titles(connection, titles, now)
        await insert_past(connection, past)


async def _measure(bench: Bench, household: Household, child: UUID, sessions: int) -> list[Figure]:
    today = datetime.now(UTC).date()
    dates = f"from_date={today - timedelta(days=_DAYS + 1)}&to_date={today}"
    path = f"/parental-controls/profiles/{child}/history?{dates}"
    count = max(10, bench.size.reads // _PAGES_PER_READ)
    first = await _read_all(household, path)
    if first.sessions != sessions:
        raise BenchError(f"the history has {first.sessions} of {sessions} sessions")
    async with bench.observed() as phase:
        reads = [await _read_all(household, path) for _ in range(count)]
    whole = LatencySummary.of_seconds(read.seconds for read in reads)
    pages = LatencySummary.of_seconds(page for read in reads for page in read.page_seconds or [])
    assert whole is not None
    assert pages is not None
    statements = round(phase.database.operations / pages.count, 2)
    budget: dict[str, Any] = {"must": 100, "aim": 30} if sessions == _ASKED_SESSIONS else {}
    name = f"{sessions} sessions"
    each = pages.count // count
    return [
        Figure(
            f"history.{sessions}_p95",
            f"p95, {name}, all {each} pages",
            whole.p95_ms,
            "ms",
            **budget,
        ),
        Figure(f"history.{sessions}_page_p95", f"p95 of a page, {name}", pages.p95_ms, "ms"),
        Figure(f"history.{sessions}_statements", f"statements a page, {name}", statements, ""),
    ]


async def _read_all(household: Household, path: str) -> _Read:
    read = _Read(page_seconds=[])
    cursor: str | None = ""
    while cursor is not None:
        page, seconds = await household.send(
            household.request("GET", f"{path}&cursor={cursor}" if cursor else path)
        )
        read.sessions += sum(len(day["sessions"]) for day in page["days"])
        read.seconds += seconds
        assert read.page_seconds is not None
        read.page_seconds.append(seconds)
        cursor = page["next_cursor"]
    return read


HISTORY = Scenario("history", "History of 90 days", run, is_own_only=True)
