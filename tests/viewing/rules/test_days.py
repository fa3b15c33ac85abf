"""Viewing days: every zone, every reset hour, changes thrown in; no hole, no overlap."""

import os
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from watchkeeper.viewing.policy_types import DaySettings
from watchkeeper.viewing.rules.days import (
    SHORTEST_DAY,
    day_from,
    days_until,
    first_reset_from,
    last_reset_until,
    reset_instant,
)
from watchkeeper.viewing.types import ViewingDay

ZONES = sorted(available_timezones() - {"localtime", "Factory"})
HOUR = timedelta(hours=1)
# Steps of the clock in 1990-2040: summer time, and zones that moved by up to a whole date.
ODD_ZONES = (
    "Africa/Casablanca",
    "America/Caracas",
    "America/Sao_Paulo",
    "Antarctica/Casey",
    "Antarctica/Troll",
    "Antarctica/Vostok",
    "Asia/Pyongyang",
    "Australia/Lord_Howe",
    "Europe/Madrid",
    "Pacific/Apia",
    "Pacific/Fakaofo",
    "Pacific/Kiritimati",
    "Pacific/Kwajalein",
)


def local(year: int, month: int, day: int, hour: float, zone: str) -> datetime:
    naive = datetime(year, month, day) + timedelta(hours=hour)  # noqa: DTZ001 - made aware next
    return naive.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def assert_chain(days: Iterable[ViewingDay]) -> None:
    for before, after in pairwise(days):
        assert before.ends_at == after.starts_at
        assert before.label <= after.label


def shift_of(zone: str, day: ViewingDay) -> timedelta:
    """By how much the clock moved around a day: a longer day needs such a reason."""
    offsets = [
        (day.starts_at + timedelta(hours=hours)).astimezone(ZoneInfo(zone)).utcoffset()
        or timedelta()
        for hours in range(-24, 73, 1)
    ]
    return max(offsets) - min(offsets)


class TestResetInstant:
    def test_is_the_local_hour(self) -> None:
        assert reset_instant(date(2026, 1, 10), ZoneInfo("Europe/Madrid"), 6) == datetime(
            2026, 1, 10, 5, tzinfo=UTC
        )

    @pytest.mark.parametrize(
        ("zone", "on", "hour", "expected"),
        [
            # 02:00 to 03:00 is left out: the first instant after it.
            ("Europe/Madrid", date(2026, 3, 29), 2, datetime(2026, 3, 29, 1, tzinfo=UTC)),
            ("America/New_York", date(2026, 3, 8), 2, datetime(2026, 3, 8, 7, tzinfo=UTC)),
            # Midnight is left out in Beirut: the day starts at 01:00.
            ("Asia/Beirut", date(2026, 3, 29), 0, datetime(2026, 3, 28, 22, tzinfo=UTC)),
            # Half an hour is left out, 02:00 to 02:30.
            (
                "Australia/Lord_Howe",
                date(2026, 10, 4),
                2,
                datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
            ),
            # 02:00 to 03:00 comes twice: the first one.
            ("Europe/Madrid", date(2026, 10, 25), 2, datetime(2026, 10, 25, 0, tzinfo=UTC)),
            # 01:30 to 02:00 comes twice, 01:00 doesn't.
            ("Australia/Lord_Howe", date(2026, 4, 5), 1, datetime(2026, 4, 4, 14, tzinfo=UTC)),
        ],
    )
    def test_gaps_and_folds(self, zone: str, on: date, hour: int, expected: datetime) -> None:
        assert reset_instant(on, ZoneInfo(zone), hour) == expected

    @pytest.mark.parametrize("hour", range(24))
    def test_a_date_that_a_zone_left_out_has_none(self, hour: int) -> None:
        assert reset_instant(date(2011, 12, 30), ZoneInfo("Pacific/Apia"), hour) is None
        assert reset_instant(date(1993, 8, 21), ZoneInfo("Pacific/Kwajalein"), hour) is None
        assert reset_instant(date(2011, 12, 29), ZoneInfo("Pacific/Apia"), hour) is not None
        assert reset_instant(date(2011, 12, 31), ZoneInfo("Pacific/Apia"), hour) is not None


class TestOneDay:
    @pytest.mark.parametrize(
        ("on", "hours"),
        [((2026, 6, 1), 24), ((2026, 3, 28), 23), ((2026, 10, 24), 25)],
    )
    def test_lasts_as_long_as_the_zone_says(self, on: tuple[int, int, int], hours: int) -> None:
        day = day_from(local(*on, 6, "Europe/Madrid"), DaySettings("Europe/Madrid", 6))
        assert day.ends_at - day.starts_at == hours * HOUR
        assert day.label == date(*on)

    def test_saturday_before_the_reset_is_still_friday(self) -> None:
        settings_ = DaySettings("Europe/Madrid", 6)
        (day,) = days_until((), settings_, local(2026, 11, 21, 5 + 59 / 60, "Europe/Madrid"))
        assert day.label.strftime("%A") == "Friday"
        (day,) = days_until((), settings_, local(2026, 11, 21, 6, "Europe/Madrid"))
        assert day.label.strftime("%A") == "Saturday"

    def test_a_late_reset_belongs_to_the_date_of_most_of_it(self) -> None:
        (day,) = days_until((), DaySettings("UTC", 20), datetime(2026, 11, 20, 21, tzinfo=UTC))
        assert day.label == date(2026, 11, 21)

    @pytest.mark.parametrize("hour", range(24))
    def test_a_skipped_date_gives_no_short_day(self, hour: int) -> None:
        start = datetime(2011, 12, 27, tzinfo=UTC)
        settings_ = DaySettings("Pacific/Apia", hour)
        (first,) = days_until((), settings_, start)
        days = days_until((first,), settings_, start + timedelta(days=8))
        assert {day.ends_at - day.starts_at for day in days} == {24 * HOUR}
        labels = [day.label for day in days]
        assert len(set(labels)) == len(labels)


class TestChain:
    def test_nothing_is_made_while_a_day_contains_now(self) -> None:
        settings_ = DaySettings("UTC", 6)
        (day,) = days_until((), settings_, datetime(2026, 5, 1, 12, tzinfo=UTC))
        assert days_until((day,), settings_, day.ends_at - timedelta(milliseconds=1)) == ()
        (following,) = days_until((day,), settings_, day.ends_at)
        assert following.starts_at == day.ends_at

    def test_days_of_absence_are_made_in_order(self) -> None:
        settings_ = DaySettings("Europe/Madrid", 6)
        (first,) = days_until((), settings_, datetime(2026, 1, 1, 12, tzinfo=UTC))
        rest = days_until((first,), settings_, datetime(2026, 12, 31, 12, tzinfo=UTC))
        assert len(rest) == 364
        assert_chain((first, *rest))

    def test_a_change_takes_effect_with_the_next_day_of_at_least_20_hours(self) -> None:
        (day,) = days_until((), DaySettings("UTC", 6), datetime(2026, 5, 1, 12, tzinfo=UTC))
        later = DaySettings("UTC", 7)
        (following,) = days_until((day,), later, day.ends_at)
        assert following.ends_at - following.starts_at == 25 * HOUR
        sooner = DaySettings("UTC", 1)
        (following,) = days_until((day,), sooner, day.ends_at)
        assert following.ends_at - following.starts_at == 43 * HOUR

    def test_days_stored_ahead_by_a_wrong_clock_are_not_overlapped(self) -> None:
        settings_ = DaySettings("UTC", 6)
        (ahead,) = days_until((), settings_, datetime(2026, 5, 10, 12, tzinfo=UTC))
        other = DaySettings("UTC", 16)
        now = datetime(2026, 5, 10, 2, tzinfo=UTC)
        (day,) = days_until((ahead,), other, now)
        assert day.starts_at <= now < day.ends_at == ahead.starts_at
        assert days_until((day, ahead), other, datetime(2026, 5, 10, 7, tzinfo=UTC)) == ()

    @given(
        zone=st.sampled_from([*ZONES, *ODD_ZONES * 20]),
        hour=st.integers(0, 23),
        start=st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001
    )
    @settings(max_examples=150, deadline=None)
    @example(zone="Antarctica/Vostok", hour=3, start=datetime(1994, 10, 25))  # noqa: DTZ001
    @example(zone="Australia/Lord_Howe", hour=2, start=datetime(2026, 9, 20))  # noqa: DTZ001
    def test_any_zone_any_reset_hour(self, zone: str, hour: int, start: datetime) -> None:
        settings_ = DaySettings(zone, hour)
        now = start.replace(tzinfo=UTC)
        (first,) = days_until((), settings_, now)
        assert first.starts_at <= now < first.ends_at
        days = (first, *days_until((first,), settings_, now + timedelta(days=30)))
        assert_chain(days)
        for day in days:
            length = day.ends_at - day.starts_at
            assert length >= SHORTEST_DAY
            if length not in LENGTHS:
                assert abs(length - 24 * HOUR) <= max(shift_of(zone, day), 25 * HOUR - SHORTEST_DAY)
            assert day.starts_at <= last_reset_until(day.ends_at, settings_) == day.ends_at

    @given(
        changes=st.lists(
            st.tuples(
                st.sampled_from([*ZONES, *ODD_ZONES * 10]),
                st.integers(0, 23),
                st.floats(0, 5),
                st.floats(0, 5),
            ),
            min_size=2,
            max_size=8,
        ),
        start=st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001
    )
    @settings(max_examples=100, deadline=None)
    def test_changes_never_give_a_hole_or_a_second_allowance(
        self, changes: list[tuple[str, int, float, float]], start: datetime
    ) -> None:
        """Settings are changed at any time, also twice a day; days are made only now and then."""
        now = start.replace(tzinfo=UTC)
        stored: list[ViewingDay] = []
        for zone, hour, idle_days, watched_days in changes:
            settings_ = DaySettings(zone, hour)
            for pause in (idle_days, watched_days):
                stored += days_until(stored[-1:], settings_, now)
                assert stored[-1].starts_at <= now < stored[-1].ends_at
                now += timedelta(days=pause)
            stored += days_until(stored[-1:], settings_, now)
        assert_chain(stored)
        for day in stored:
            assert day.ends_at - day.starts_at >= SHORTEST_DAY
            longest = 44 * HOUR + HOUR + shift_of(day.timezone, day)
            assert day.ends_at - day.starts_at < longest
            assert first_reset_from(day.ends_at, DaySettings(day.timezone, day.reset_hour)) == (
                day.ends_at
            )


def distinct(zones: Iterable[str]) -> list[str]:
    """One name of each set of rules: links such as Europe/Busingen add nothing."""
    by_rules: dict[bytes, str] = {}
    for zone in zones:
        rules = resources.files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()
        by_rules.setdefault(rules, zone)
    return sorted(by_rules.values())


# Complete on request (WATCHKEEPER_ALL_ZONES=1, an hour); else the zones with odd clocks.
COMPLETE = "WATCHKEEPER_ALL_ZONES" in os.environ
LENGTHS = (23 * HOUR, 24 * HOUR, 25 * HOUR)


@pytest.mark.parametrize("zone", distinct(ZONES) if COMPLETE else ODD_ZONES)
def test_fifty_years_of_a_zone(zone: str) -> None:
    for hour in range(24) if COMPLETE else (2,):
        settings_ = DaySettings(zone, hour)
        (day,) = days_until((), settings_, datetime(1990, 1, 1, tzinfo=UTC))
        days = (day, *days_until((day,), settings_, datetime(2041, 1, 1, tzinfo=UTC)))
        assert_chain(days)
        for one in days:
            length = one.ends_at - one.starts_at
            if length not in LENGTHS:
                assert SHORTEST_DAY <= length <= 44 * HOUR
                assert shift_of(zone, one) > timedelta()
