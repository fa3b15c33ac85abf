"""When a week is over: zones, clock changes, reset hours, pending changes, silent players."""

from datetime import date, datetime, timedelta

import pytest

from tests.viewing.rows import MADRID, at, draw_days
from watchkeeper.viewing.policy_types import DaySettings
from watchkeeper.viewing.rules.days import day_from
from watchkeeper.viewing.rules.weeks import LOOK_AGAIN_AFTER, Outlook, WeekPlan, look_at_week
from watchkeeper.viewing.types import ViewingDay

MONDAY = date(2026, 3, 9)
TUESDAY = at("2026-03-10 15:00")


def plan(
    settings: DaySettings = MADRID,
    *last_days: ViewingDay | None,
    week_on: date | None = MONDAY,
    since: datetime = TUESDAY,
    heard_at: datetime | None = None,
) -> WeekPlan:
    return WeekPlan(week_on, since, settings, last_days, heard_at)


@pytest.mark.parametrize(
    ("settings", "ends_at"),
    [
        # 06:00 on Monday 16 March, in each zone.
        (MADRID, "2026-03-16 05:00"),
        (DaySettings("America/Los_Angeles"), "2026-03-16 13:00"),
        (DaySettings("Pacific/Auckland"), "2026-03-15 17:00"),
        # With a reset in the evening, the day labelled Sunday begins on Sunday at 11 and ends on
        # Monday at 11: a label is the date of the middle.
        (DaySettings("Europe/Madrid", 11), "2026-03-16 10:00"),
        # From noon on, the middle is on the next date.
        (DaySettings("Europe/Madrid", 13), "2026-03-15 12:00"),
        (DaySettings("Europe/Madrid", 0), "2026-03-15 23:00"),
    ],
)
def test_the_week_ends_with_the_day_labelled_sunday(settings: DaySettings, ends_at: str) -> None:
    end = at(ends_at)
    before = look_at_week(plan(settings), end - timedelta(milliseconds=1))
    assert before == Outlook(MONDAY, is_over=False, look_at=end)
    after = look_at_week(plan(settings), end)
    assert (after.is_over, after.week_on) == (True, MONDAY)
    assert after.look_at.astimezone() >= end + timedelta(days=6, hours=23)


def test_clocks_go_forward_in_the_week() -> None:
    """29 March 2026 has 23 hours in Madrid; 06:00 comes an hour earlier by UTC."""
    monday = date(2026, 3, 23)
    outlook = look_at_week(plan(week_on=monday), at("2026-03-28 12:00"))
    assert outlook.look_at == at("2026-03-30 04:00")
    assert look_at_week(plan(week_on=monday), at("2026-03-30 04:00")).look_at == at(
        "2026-04-06 04:00"
    )


def test_a_change_of_the_reset_hour_moves_the_end() -> None:
    """Sunday's day began at 06:00 under the old settings and ends there; then the new ones hold."""
    sunday = draw_days(MADRID, at("2026-03-15 12:00"), at("2026-03-15 12:00"))[0]
    changed = DaySettings("Europe/Madrid", 9)
    outlook = look_at_week(plan(changed, sunday), at("2026-03-15 20:00"))
    assert outlook.look_at == at("2026-03-16 05:00")
    # Saved on Saturday: Sunday's day is the first with the new hour, and runs until 09:00.
    saturday = draw_days(MADRID, at("2026-03-14 12:00"), at("2026-03-14 12:00"))[0]
    outlook = look_at_week(plan(changed, saturday), at("2026-03-14 20:00"))
    assert outlook.look_at == at("2026-03-16 08:00")
    assert day_from(saturday.ends_at, changed).ends_at - saturday.ends_at == timedelta(hours=27)


def test_every_child_must_have_ended_sunday() -> None:
    """One child's day of before a change is longer than the day of a child that is new."""
    sunday = draw_days(MADRID, at("2026-03-15 12:00"), at("2026-03-15 12:00"))[0]
    earlier = DaySettings("Europe/Madrid", 3)
    alone = look_at_week(plan(earlier, None), at("2026-03-15 12:00")).look_at
    together = look_at_week(plan(earlier, None, sunday), at("2026-03-15 12:00")).look_at
    assert (alone, together) == (at("2026-03-16 02:00"), at("2026-03-16 05:00"))


def test_the_first_week_is_that_of_the_first_child() -> None:
    # Monday at 03:00 is still Sunday by the household's days.
    first = plan(week_on=None, since=at("2026-03-16 02:00"))
    assert look_at_week(first, at("2026-03-16 02:01")).week_on == MONDAY
    assert look_at_week(first, at("2026-03-16 02:01")).look_at == at("2026-03-16 05:00")
    # Nobody looked for a month: the first week isn't left out.
    late = look_at_week(first, at("2026-04-15 12:00"))
    assert (late.week_on, late.is_over) == (MONDAY, True)
    assert late.look_at <= at("2026-04-15 12:00")


def test_a_session_that_may_still_be_charged_is_waited_for() -> None:
    now = at("2026-03-16 05:01")
    waiting = look_at_week(plan(heard_at=at("2026-03-16 04:59")), now)
    assert waiting == Outlook(MONDAY, is_over=False, look_at=now + LOOK_AGAIN_AFTER)
    assert look_at_week(plan(heard_at=at("2026-03-16 05:00")), now).is_over
