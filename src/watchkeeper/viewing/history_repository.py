"""Reads what was watched: the pages of a history, and the week of a household's children."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.queries import Queries
from watchkeeper.viewing.policy_records import policy_from_row
from watchkeeper.viewing.policy_types import DaySettings, Policy
from watchkeeper.viewing.records import day_from_row, from_json
from watchkeeper.viewing.rules.report import DateRange, HistoryEntry, WatchedTitle, WatchedTotal
from watchkeeper.viewing.types import DayState, ViewingDay

QUERIES = Queries("watchkeeper.viewing", "history.sql")


@dataclass(frozen=True, slots=True)
class HistorySubject:
    """What says which date is today for a profile; `last_day` is the newest that began."""

    day_settings: DaySettings
    last_day: ViewingDay | None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Entries of whole dates, in no order, and what each date came to.

    Totals are kept longer than entries, so they can't be added up from them. `left_out_on` is the
    newest date of the asked range that didn't fit, None when all did.
    """

    entries: tuple[HistoryEntry, ...]
    totals: dict[date, WatchedTotal]
    left_out_on: date | None


@dataclass(frozen=True, slots=True)
class Child:
    """A child as the report needs it."""

    profile_id: UUID
    name: str
    policy: Policy
    last_day: ViewingDay | None


@dataclass(frozen=True, slots=True)
class Children:
    """The children of a household in order of name, and how it draws its days."""

    day_settings: DaySettings
    children: tuple[Child, ...]


@dataclass(frozen=True, slots=True)
class ChildWeek:
    """What a child watched: its stored days in order, and its titles, most watched first."""

    days: tuple[DayState, ...] = ()
    titles: tuple[WatchedTitle, ...] = ()


async def find_history_subject(
    unit: UnitOfWork, household_id: UUID, profile_id: UUID, now: datetime
) -> HistorySubject | None:
    """The profile, None when the household has no such profile. Query cost: 1 statement."""
    row = (
        await unit.execute(
            QUERIES["find_history_subject"],
            {"household_id": household_id, "profile_id": profile_id, "now": now},
        )
    ).one_or_none()
    return HistorySubject(_day_settings(row), _last_day(row)) if row else None


async def read_history(
    unit: UnitOfWork, household_id: UUID, profile_id: UUID, dates: DateRange, at_most: int
) -> HistoryPage:
    """What a profile watched on `dates`, or on as many whole dates as hold `at_most` entries.

    The newest date is always given, however many entries it has. Query cost: 1 statement.
    """
    rows = (
        await unit.execute(
            QUERIES["read_history"],
            {
                "household_id": household_id,
                "profile_id": profile_id,
                "at_most": at_most,
                **_range_parameters(dates),
            },
        )
    ).all()
    return HistoryPage(
        entries=tuple(_entry(row) for row in rows if row.session_id is not None),
        totals=_totals(row for row in rows if row.session_id is None),
        left_out_on=rows[0].left_out_on if rows else None,
    )


async def list_children(unit: UnitOfWork, household_id: UUID, now: datetime) -> Children | None:
    """The household's children, None when there is no such household. Query cost: 1 statement."""
    rows = (
        await unit.execute(QUERIES["list_children"], {"household_id": household_id, "now": now})
    ).all()
    if not rows:
        return None
    return Children(
        day_settings=_day_settings(rows[0]),
        children=tuple(
            Child(
                profile_id=row.profile_id,
                name=row.profile_name,
                policy=policy_from_row(row),
                last_day=_last_day(row),
            )
            for row in rows
            if row.profile_id is not None
        ),
    )


async def read_week(
    unit: UnitOfWork,
    household_id: UUID,
    profile_ids: Sequence[UUID],
    dates: DateRange,
    titles: int,
) -> dict[UUID, ChildWeek]:
    """Days and most watched titles of some children. Query cost: 1 statement for any number."""
    rows = await unit.execute(
        QUERIES["read_week"],
        {
            "household_id": household_id,
            "profiles": list(profile_ids),
            "titles": titles,
            **_range_parameters(dates),
        },
    )
    return {
        row.profile_id: ChildWeek(
            days=tuple(day_from_row(day) for day in from_json(row.days) or ()),
            titles=tuple(WatchedTitle(name, ms) for name, ms in from_json(row.titles) or ()),
        )
        for row in rows
    }


def _range_parameters(dates: DateRange) -> dict[str, Any]:
    since_on, until_on = dates.starts_between()
    return {
        "first_on": dates.first_on,
        "last_on": dates.last_on,
        "since": datetime.combine(since_on, time(), UTC),
        "until": datetime.combine(until_on, time(), UTC),
    }


def _entry(row: Any) -> HistoryEntry:
    return HistoryEntry(
        label=row.label,
        session_id=row.session_id,
        title=row.title,
        started_at=row.started_at,
        credited_ms=row.credited_ms,
        is_educational=row.is_educational,
        device_type=row.device_type,
        device_name=row.device_name,
    )


def _totals(rows: Iterable[Any]) -> dict[date, WatchedTotal]:
    totals: dict[date, WatchedTotal] = {}
    for row in rows:
        before = totals.get(row.label, WatchedTotal())
        totals[row.label] = (
            replace(before, educational_ms=row.credited_ms)
            if row.is_educational
            else replace(before, counted_ms=row.credited_ms)
        )
    return totals


def _day_settings(row: Any) -> DaySettings:
    return DaySettings(row.timezone, row.reset_hour, frozenset(row.weekend_days))


def _last_day(row: Any) -> ViewingDay | None:
    return day_from_row(from_json(row.last_day)).day if row.last_day else None
