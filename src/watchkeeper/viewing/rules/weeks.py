"""When a household's week is over: as soon as, for every child, the day labelled Sunday has ended.

Weeks are ISO weeks of labels, Monday to Sunday. Source: viewing time, sections 1 and 6.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from watchkeeper.viewing.policy_types import DaySettings
from watchkeeper.viewing.rules.days import day_from, days_until
from watchkeeper.viewing.rules.report import DateRange, label_at
from watchkeeper.viewing.types import ViewingDay

ONE_WEEK = timedelta(days=7)
LOOK_AGAIN_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class WeekPlan:
    """The week that is reported next, and what is known of the household's days.

    `week_on` is its Monday, None before the first look: then it is the week of `since`.
    `last_days` has an entry for each child, its newest day that has begun, None without one.
    Of the children's open sessions, `heard_at` is when the one that has been silent longest was
    heard last, None without any.
    """

    week_on: date | None
    since: datetime
    settings: DaySettings
    last_days: tuple[ViewingDay | None, ...]
    heard_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """Whether the week of `week_on` can be reported, and when to look next, which is later."""

    week_on: date
    is_over: bool
    look_at: datetime


def week_of(monday: date) -> DateRange:
    """Monday to Sunday."""
    return DateRange(monday, monday + ONE_WEEK - timedelta(days=1))


def look_at_week(plan: WeekPlan, now: datetime) -> Outlook:
    """Decide about the next week to be reported.

    Days that aren't stored are drawn from the last one with the present settings, as they will be
    when somebody watches, so a change that waits for the present day to end moves the week's end.
    An open session that was heard last before the week ended may still be charged for time within
    it: the report waits until it is heard again or closed as silent.
    """
    week_on = plan.week_on or _monday_of(label_at(None, plan.settings, plan.since))
    ends_at = _end_of(week_on, plan, now)
    if ends_at > now:
        return Outlook(week_on, is_over=False, look_at=ends_at)
    if plan.heard_at is not None and plan.heard_at < ends_at:
        return Outlook(week_on, is_over=False, look_at=now + LOOK_AGAIN_AFTER)
    return Outlook(week_on, is_over=True, look_at=_end_of(week_on + ONE_WEEK, plan, now))


def _monday_of(label: date) -> date:
    return label - timedelta(days=label.weekday())


def _end_of(week_on: date, plan: WeekPlan, now: datetime) -> datetime:
    """When the last child's day labelled Sunday ends; if that was long ago, any time since."""
    sunday = week_of(week_on).last_on
    lasts: Sequence[ViewingDay | None] = plan.last_days or (None,)
    return max(_start_after(sunday, last, plan.settings, now) for last in lasts)


def _start_after(
    label: date, last: ViewingDay | None, settings: DaySettings, now: datetime
) -> datetime:
    """When the first day with a later label begins, counted from the day that contains `now`."""
    days = days_until([last] if last else [], settings, now)
    day = days[-1] if days else last
    assert day is not None
    while day.label <= label:
        day = day_from(day.ends_at, settings)
    return day.starts_at
