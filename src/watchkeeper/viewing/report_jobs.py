"""The weekly report, delivered: found out to be due, asked for as a job, stored once.

A periodic job looks at the plans that are due (`viewing.report_plans`). For each week that is over
it asks for a job and moves the plan to the next week, in one transaction: from then on the
job is what guarantees the report. It stores the report as a notification, once for a household
and week, whatever is repeated. Source: viewing time, section 6; ADR 21.
"""

from datetime import date, datetime, timedelta
from uuid import UUID

import structlog

from watchkeeper.accounts.public import (
    NewNotification,
    NotificationKind,
    deliver,
    list_profiles,
)
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.jobs import Job, JobRequest, Jobs, Payload, enqueue
from watchkeeper.core.problems import NotFound
from watchkeeper.viewing.history_schemas import WeeklyReportResponse
from watchkeeper.viewing.report_repository import drop_plans, lock_due_plans, store_outlooks
from watchkeeper.viewing.repository import lock_viewers
from watchkeeper.viewing.rules.report import DateRange
from watchkeeper.viewing.rules.weeks import look_at_week, week_of
from watchkeeper.viewing.service.weekly_report import WeeklyReports

log = structlog.get_logger(__name__)

LOOK_EVERY = timedelta(minutes=1)
AT_MOST = 100
STORE = "viewing.weekly-report"


def add_jobs(jobs: Jobs, floor: Floor, reports: WeeklyReports) -> None:
    """Register the jobs of the weekly report."""
    jobs.register(Job("viewing.find-weeks", lambda _: ask_for_reports(floor), every=LOOK_EVERY))
    jobs.register(Job(STORE, lambda payload: store_report(floor, reports, payload)))


async def ask_for_reports(floor: Floor, *, at_most: int = AT_MOST) -> int:
    """Ask for the report of every week that is over; returns how many.

    Plans are looked at in transactions of `at_most`, oldest first, and each again as long as
    a week of its is over: after a time without any worker several may be. Query cost: 3 statements
    for `at_most` plans, 1 when none is due.
    """
    now = floor.clock.now()
    asked = 0

    async def work(unit: UnitOfWork) -> tuple[int, int]:
        return await _look_at_plans(unit, now, at_most)

    while True:
        looked_at, found = await floor.database.run(work)
        asked += found
        if not looked_at:
            break
    if asked:
        log.info("reports.asked_for", reports=asked)
    return asked


async def _look_at_plans(unit: UnitOfWork, now: datetime, at_most: int) -> tuple[int, int]:
    """How many plans were looked at, and how many reports asked for."""
    plans = await lock_due_plans(unit, now, at_most=at_most)
    outlooks = {
        household_id: look_at_week(plan, now)
        for household_id, plan in plans.items()
        if plan is not None
    }
    await store_outlooks(unit, outlooks)
    await drop_plans(unit, (household for household, plan in plans.items() if plan is None))
    due = [
        JobRequest(
            STORE,
            {"household_id": household_id, "week_on": outlook.week_on.isoformat()},
            key=f"{STORE}:{household_id}:{outlook.week_on}",
        )
        for household_id, outlook in outlooks.items()
        if outlook.is_over
    ]
    return len(plans), await enqueue(unit, *due)


async def store_report(floor: Floor, reports: WeeklyReports, payload: Payload) -> bool:
    """Store a household's report of one week as a notification; returns whether it is new.

    A household that is gone, or has no child any more, gets none. Locks the children's rows, so
    that one who is deleted meanwhile is in no report afterwards. Query cost: 5 statements.
    """
    household_id = UUID(payload["household_id"])
    week = week_of(date.fromisoformat(payload["week_on"]))
    now = floor.clock.now()

    async def work(unit: UnitOfWork) -> bool:
        children = [one.id for one in await list_profiles(unit, household_id) if one.is_child]
        try:
            await lock_viewers(unit, household_id, children)
            report = await reports.make_in(unit, household_id, week, now)
        except NotFound:
            return False
        if not report.children:
            return False
        content = WeeklyReportResponse.of(report).model_dump(mode="json")
        return await deliver(unit, _notification(household_id, week, content), now)

    return await floor.database.run(work, is_replayable=True)


def _notification(
    household_id: UUID, week: DateRange, content: dict[str, object]
) -> NewNotification:
    year, number, _weekday = week.first_on.isocalendar()
    return NewNotification(
        household_id=household_id,
        kind=NotificationKind.WEEKLY_REPORT,
        subject=f"{year}-W{number:02}",
        title=f"Weekly report, {spell(week)}",
        content=content,
        period=(week.first_on, week.last_on),
    )


def spell(week: DateRange) -> str:
    """A week for people: 9 to 15 March 2026, 30 March to 5 April 2026."""
    first, last = week.first_on, week.last_on
    begin = f"{first.day}"
    if first.month != last.month:
        begin += f" {first:%B}"
    if first.year != last.year:
        begin += f" {first.year}"
    return f"{begin} to {last.day} {last:%B} {last.year}"
