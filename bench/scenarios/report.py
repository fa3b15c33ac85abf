"""The weekly report of a large family, and how its cost grows with children and with the past."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime

from bench.figures import Figure
from bench.harness import Bench, Outcome, Scenario
from bench.households import registered_household
from bench.latency import LatencySummary
from bench.service import BenchError
from bench.watched import insert_past, insert_titles, make_titles, watched_past

_PATH = "/parental-controls/weekly-report"
_TITLES = 40
_SEED = 20_260_103
_STATEMENTS_MUST, _STATEMENTS_AIM = 4, 3


@dataclass(frozen=True, slots=True)
class _Family:
    """`key` is None for the family that the budget speaks of."""

    children: int
    days: int
    sessions_a_day: int
    key: str | None = None

    @property
    def label(self) -> str:
        return f"{self.children} x {self.days} days x {self.sessions_a_day} sessions"


_ASKED = _Family(10, 30, 5)
_FAMILIES = (_Family(1, 30, 5, "small"), _ASKED, _Family(10, 300, 5, "large"))


async def run(bench: Bench) -> Outcome:
    """One report after the other over one connection; statements include the sign-in check."""
    figures: list[Figure] = []
    for family in _FAMILIES:
        figures += await _measure(bench, family)
    return Outcome(figures)


async def _measure(bench: Bench, family: _Family) -> list[Figure]:
    reads = bench.size.reads
    async with registered_household(bench.service.address) as household:
        children = [await household.add_child(f"Child {n}") for n in range(family.children)]
        await household.elevate()
        async with bench.connection() as connection:
            if connection is None:
                raise BenchError("the past can only be written into our own database")
            now, titles = datetime.now(UTC), make_titles(_TITLES, random.Random(_SEED))
            past = watched_past(
                household.household_id,
                children,
                titles,
                before=now,
                sessions_on=[family.sessions_a_day] * family.days,
            )
            await insert_titles(connection, titles, now)
            await insert_past(connection, past)
        request = household.request("GET", _PATH)
        report, _ = await household.send(request)
        if len(report["profiles"]) != family.children:
            raise BenchError("the report doesn't hold every child")
        async with bench.observed() as phase:
            latencies = [(await household.send(request))[1] for _ in range(reads)]
    summary = LatencySummary.of_seconds(latencies)
    assert summary is not None
    statements = round(phase.database.operations / reads, 2)
    if family.key is not None:
        key, label = f"report.{family.key}", family.label
        return [
            Figure(f"{key}_p95", f"p95, {label}", summary.p95_ms, "ms"),
            Figure(f"{key}_statements", f"statements, {label}", statements, ""),
        ]
    return [
        Figure("report.p95", f"p95, {family.label}", summary.p95_ms, "ms", must=50, aim=15),
        Figure(
            "report.statements",
            f"statements, {family.label}",
            statements,
            "",
            must=_STATEMENTS_MUST,
            aim=_STATEMENTS_AIM,
        ),
    ]


REPORT = Scenario("report", "Weekly report", run, is_own_only=True)
