"""When the weeks of households are to be reported."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.queries import Queries
from watchkeeper.viewing.policy_types import DaySettings
from watchkeeper.viewing.records import day_from_row
from watchkeeper.viewing.rules.weeks import ONE_WEEK, Outlook, WeekPlan

QUERIES = Queries("watchkeeper.viewing", "reports.sql")


async def lock_due_plans(
    unit: UnitOfWork, now: datetime, *, at_most: int
) -> dict[UUID, WeekPlan | None]:
    """Plans that are due by household, oldest first; None for a household that is gone.

    Locks them; those that another process has locked are left out. One statement.
    """
    rows = await unit.execute(QUERIES["lock_due_plans"], {"now": now, "at_most": at_most})
    return {row.household_id: _plan(row) for row in rows}


def _plan(row: Any) -> WeekPlan | None:
    if row.timezone is None:
        return None
    days = json.loads(row.last_days) if isinstance(row.last_days, str) else row.last_days
    return WeekPlan(
        week_on=row.next_week_on,
        since=row.since,
        settings=DaySettings(row.timezone, row.reset_hour, frozenset(row.weekend_days)),
        last_days=tuple(day_from_row(day).day if day else None for day in days),
        heard_at=row.heard_at,
    )


async def store_outlooks(unit: UnitOfWork, outlooks: Mapping[UUID, Outlook]) -> None:
    """Store which week is next and when to look at it. One statement, none for none."""
    if outlooks:
        await unit.execute(
            QUERIES["store_plans"],
            {
                "households": list(outlooks),
                "weeks": [
                    outlook.week_on + ONE_WEEK if outlook.is_over else outlook.week_on
                    for outlook in outlooks.values()
                ],
                "looks": [outlook.look_at for outlook in outlooks.values()],
            },
        )


async def drop_plans(unit: UnitOfWork, households: Iterable[UUID]) -> None:
    """Forget households that are gone. One statement, none for none."""
    gone = list(households)
    if gone:
        await unit.execute(QUERIES["drop_plans"], {"households": gone})


async def add_plan(unit: UnitOfWork, household_id: UUID, since: datetime) -> None:
    """Report a household from the week of `since` on, unless it is reported. One statement."""
    await unit.execute(QUERIES["add_plan"], {"household_id": household_id, "since": since})


async def look_anew(unit: UnitOfWork, household_id: UUID) -> None:
    """Find out again when the household's week ends. One statement."""
    await unit.execute(QUERIES["look_anew"], {"household_id": household_id})


async def drop_plan_of_childless(unit: UnitOfWork, household_id: UUID, without: UUID) -> None:
    """Report a household no more when it has no child but `without`. One statement."""
    await unit.execute(
        QUERIES["drop_plan_of_childless"], {"household_id": household_id, "profile_id": without}
    )
