"""The weekly report: what each child of a household watched, beside what it was allowed."""

import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.metrics import count_operations
from watchkeeper.core.problems import NotFound
from watchkeeper.viewing.history_repository import (
    Child,
    Children,
    ChildWeek,
    list_children,
    read_week,
)
from watchkeeper.viewing.policy_types import DaySettings
from watchkeeper.viewing.rules.report import (
    DailyTotal,
    DateRange,
    WatchedTitle,
    average_daily_ms,
    average_limit_usage_percent,
    fill_totals,
    label_at,
    last_days,
)

MOST_WATCHED = 5


@dataclass(frozen=True, slots=True)
class ChildReport:
    """One child's seven dates in order, their averages, and what it watched most."""

    profile_id: UUID
    name: str
    totals: tuple[DailyTotal, ...]
    average_daily_ms: float
    average_limit_usage_percent: float | None
    most_watched: tuple[WatchedTitle, ...]


@dataclass(frozen=True, slots=True)
class WeeklyReport:
    """The children of a household in order of name; adults have a history only."""

    period: DateRange
    children: tuple[ChildReport, ...]


class WeeklyReports:
    """Makes weekly reports on one floor."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def make(self, household_id: UUID, week: DateRange | None = None) -> WeeklyReport:
        """The report of `week`, or of the seven dates that end today.

        Days on which nothing was watched are zero and count in the averages. Raises `NotFound`
        when there is no such household. Query cost: 2 statements for any number of children.
        Duration and statements go to the metrics. Source: viewing time, section 6.
        """
        started = time.perf_counter()
        now = self._floor.clock.now()

        async def work(unit: UnitOfWork) -> WeeklyReport:
            return await self.make_in(unit, household_id, week, now)

        with count_operations() as count:
            report = await self._floor.database.run(work, is_replayable=True)
        self._floor.metrics.weekly_report.observe(time.perf_counter() - started)
        self._floor.metrics.weekly_report_queries += count.operations
        return report

    @staticmethod
    async def make_in(
        unit: UnitOfWork, household_id: UUID, week: DateRange | None, now: datetime
    ) -> WeeklyReport:
        """The same inside a unit of work, for what stores a report. Raises `NotFound`."""
        household = await list_children(unit, household_id, now)
        if household is None:
            raise NotFound("We couldn't find that household.")
        period = week or _last_week(household, now)
        ids = [child.profile_id for child in household.children]
        weeks = await read_week(unit, household_id, ids, period, MOST_WATCHED)
        return WeeklyReport(
            period,
            tuple(
                _child_report(child, weeks[child.profile_id], period, household.day_settings, now)
                for child in household.children
            ),
        )


def _last_week(household: Children, now: datetime) -> DateRange:
    """The seven dates that end with the latest date that is today for any of the children."""
    lasts = [child.last_day for child in household.children] or [None]
    return last_days(max(label_at(last, household.day_settings, now) for last in lasts))


def _child_report(
    child: Child, week: ChildWeek, period: DateRange, settings: DaySettings, now: datetime
) -> ChildReport:
    totals = fill_totals(week.days, period, child.policy, settings, now)
    return ChildReport(
        profile_id=child.profile_id,
        name=child.name,
        totals=totals,
        average_daily_ms=average_daily_ms(totals),
        average_limit_usage_percent=average_limit_usage_percent(totals),
        most_watched=week.titles,
    )
