"""Rules of history and report: dates are complete, sums exact, pages leave nothing out."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.viewing.policy_types import DaySettings, Policy
from watchkeeper.viewing.rules.days import day_from, last_reset_until
from watchkeeper.viewing.rules.report import (
    DailyTotal,
    DateRange,
    HistoryEntry,
    WatchedTotal,
    average_daily_ms,
    average_limit_usage_percent,
    cut_after,
    fill_history,
    fill_totals,
    iso_week,
    label_at,
    last_days,
    next_newest,
    page_of,
)
from watchkeeper.viewing.types import DayState, Ledger, ViewingDay

MADRID = DaySettings("Europe/Madrid")
MONDAY = date(2026, 3, 9)
HOUR_MS = 3_600_000
# The zones that are farthest from UTC, one with a gap at midnight, one that skipped a date.
ZONES = (
    "Pacific/Kiritimati",
    "Etc/GMT+12",
    "Pacific/Apia",
    "America/Santiago",
    "Asia/Kathmandu",
    "Europe/Madrid",
    "UTC",
)
dates = st.dates(date(2000, 1, 1), date(2199, 12, 31))


def day_on(label: date, settings: DaySettings = MADRID) -> ViewingDay:
    noon = datetime(label.year, label.month, label.day, 12, tzinfo=UTC)
    return day_from(last_reset_until(noon, settings), settings)


def state_on(label: date, counted_ms: int = 0, **fields: object) -> DayState:
    values: dict[str, object] = {"limit_minutes": 120, "counted_ms": counted_ms, **fields}
    return DayState(day=day_on(label), **values)  # type: ignore[arg-type]


def entry(label: date, credited_ms: int, *, is_educational: bool = False) -> HistoryEntry:
    at = datetime(label.year, label.month, label.day, 12, tzinfo=UTC)
    return HistoryEntry(
        label,
        uuid4(),
        "A film",
        at + timedelta(milliseconds=credited_ms),
        credited_ms,
        is_educational,
        "tv",
        None,
    )


class TestDates:
    @given(
        hours=st.integers(0, 50 * 365 * 24),
        moves=st.lists(
            st.builds(DaySettings, st.sampled_from(ZONES), st.integers(0, 23)),
            min_size=1,
            max_size=6,
        ),
    )
    def test_a_range_of_dates_encloses_the_start_of_its_days(
        self, hours: int, moves: list[DaySettings]
    ) -> None:
        instant = datetime(1990, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
        starts_at = last_reset_until(instant, moves[0])
        for settings in moves:
            day = day_from(starts_at, settings)
            since_on, until_on = DateRange(day.label, day.label).starts_between()
            midnight = {
                on: datetime(on.year, on.month, on.day, tzinfo=UTC) for on in (since_on, until_on)
            }
            assert midnight[since_on] <= day.starts_at < midnight[until_on]
            starts_at = day.ends_at

    def test_both_orders_hold_the_same_dates(self) -> None:
        dates = DateRange(date(2026, 2, 27), date(2026, 3, 2))
        assert [day.day for day in dates.oldest_first()] == [27, 28, 1, 2]
        assert list(dates.newest_first()) == list(dates.oldest_first())[::-1]

    def test_a_reversed_range_has_no_length(self) -> None:
        assert DateRange(MONDAY, MONDAY).length == 1
        assert DateRange(MONDAY + timedelta(days=1), MONDAY).length == 0

    def test_the_last_days_end_today(self) -> None:
        assert last_days(MONDAY) == DateRange(date(2026, 3, 3), MONDAY)

    @pytest.mark.parametrize(
        ("year", "week", "first_on"),
        [
            (2026, 1, date(2025, 12, 29)),
            (2026, 47, date(2026, 11, 16)),
            (2026, 53, date(2026, 12, 28)),
        ],
    )
    def test_an_iso_week_runs_from_monday_to_sunday(
        self, year: int, week: int, first_on: date
    ) -> None:
        assert iso_week(year, week) == DateRange(first_on, first_on + timedelta(days=6))

    @pytest.mark.parametrize(("year", "week"), [(2025, 53), (2026, 0), (2026, 54), (0, 1)])
    def test_a_week_that_a_year_does_not_have_is_refused(self, year: int, week: int) -> None:
        with pytest.raises(ValueError, match=r"[Ww]eek|[Yy]ear"):
            iso_week(year, week)


class TestToday:
    def test_a_stored_day_says_its_own_label(self) -> None:
        """Also when the household has moved since: the day runs on in its old zone."""
        day = day_on(MONDAY)
        moved = DaySettings("Pacific/Kiritimati", reset_hour=0)
        assert label_at(day, moved, day.ends_at - timedelta(milliseconds=1)) == MONDAY

    def test_after_the_reset_it_is_the_next_date_though_nobody_watched(self) -> None:
        day = day_on(MONDAY)
        assert label_at(day, MADRID, day.ends_at) == date(2026, 3, 10)
        assert label_at(day, MADRID, day.ends_at + timedelta(days=40)) == date(2026, 4, 19)

    def test_before_the_reset_hour_it_is_still_yesterday(self) -> None:
        saturday_early = datetime(2026, 3, 7, 4, 59, tzinfo=UTC)  # 05:59 in Madrid
        assert label_at(None, MADRID, saturday_early) == date(2026, 3, 6)
        assert label_at(None, MADRID, saturday_early + timedelta(minutes=1)) == date(2026, 3, 7)


class TestHistory:
    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, HOUR_MS), st.booleans())))
    def test_every_date_is_there_once_and_holds_what_belongs_to_it(
        self, drawn: list[tuple[int, int, bool]]
    ) -> None:
        entries = [
            entry(MONDAY + timedelta(days=back), ms, is_educational=educational)
            for back, ms, educational in drawn
        ]
        shown = DateRange(MONDAY, MONDAY + timedelta(days=9))
        totals = {MONDAY: WatchedTotal(HOUR_MS, 5), MONDAY + timedelta(days=3): WatchedTotal()}
        days = fill_history(entries, totals, shown)
        assert [day.label for day in days] == list(shown.newest_first())
        for day in days:
            assert set(day.entries) == {one for one in entries if one.label == day.label}
            # A total stays when its entries are forgotten, so it isn't their sum.
            assert day.total == totals.get(day.label, WatchedTotal())
            starts = [one.started_at for one in day.entries]
            assert starts == sorted(starts, reverse=True)

    @given(first_on=dates, length=st.integers(1, 400), page_days=st.integers(1, 40), data=st.data())
    def test_pages_cover_a_range_once_wherever_they_are_cut(
        self, first_on: date, length: int, page_days: int, data: st.DataObject
    ) -> None:
        wanted = DateRange(first_on, min(date(2199, 12, 31), first_on + timedelta(days=length - 1)))
        seen: list[date] = []
        newest_on: date | None = wanted.last_on
        while newest_on is not None:
            page = page_of(wanted, newest_on, page_days)
            # A page always gives its newest date, so what is left out is older.
            back = data.draw(st.integers(1, page_days))
            left_out_on = page.last_on - timedelta(days=back) if back < page.length else None
            shown = cut_after(page, left_out_on)
            seen.extend(shown.newest_first())
            newest_on = next_newest(wanted, shown)
        assert seen == list(wanted.newest_first())


class TestReport:
    now = datetime(2026, 3, 15, 12, tzinfo=UTC)
    week = DateRange(MONDAY, date(2026, 3, 15))
    policy = Policy(weekday_limit_minutes=90, weekend_limit_minutes=None)

    def totals(self, *states: DayState, policy: Policy | None = None) -> Sequence[DailyTotal]:
        return fill_totals(states, self.week, policy or self.policy, MADRID, self.now)

    def test_dates_without_a_day_show_zeros_and_what_the_policy_says(self) -> None:
        totals = self.totals()
        assert [total.label for total in totals] == list(self.week.oldest_first())
        assert [total.limit_minutes for total in totals] == [90] * 5 + [None] * 2
        assert {total.counted_ms + total.educational_ms for total in totals} == {0}

    def test_a_past_day_keeps_its_limit_and_the_current_one_follows_the_policy(self) -> None:
        sunday = date(2026, 3, 15)
        totals = self.totals(state_on(MONDAY, HOUR_MS), state_on(sunday, HOUR_MS))
        assert (totals[0].limit_minutes, totals[0].counted_ms) == (120, HOUR_MS)
        assert (totals[6].limit_minutes, totals[6].counted_ms) == (None, HOUR_MS)

    def test_days_with_the_same_label_add_up_with_their_limits(self) -> None:
        twice = [state_on(MONDAY, HOUR_MS, exempt_ms=7), state_on(MONDAY, 5, exempt_ms=8)]
        total = self.totals(*twice)[0]
        assert (total.counted_ms, total.educational_ms, total.limit_minutes) == (
            HOUR_MS + 5,
            15,
            240,
        )

    def test_the_average_counts_days_on_which_nothing_was_watched(self) -> None:
        totals = self.totals(
            state_on(MONDAY, 7 * HOUR_MS), state_on(date(2026, 3, 10), exempt_ms=1)
        )
        assert average_daily_ms(totals) == HOUR_MS

    def test_the_percentage_leaves_out_unlimited_days(self) -> None:
        totals = self.totals(
            state_on(MONDAY, HOUR_MS),  # 50 % of 120 minutes
            state_on(date(2026, 3, 10), 3 * HOUR_MS),  # 150 %: overruns count in full
            state_on(date(2026, 3, 11), HOUR_MS, limit_minutes=None),
            state_on(date(2026, 3, 12), HOUR_MS, ledger=Ledger(unlimited_grants=1)),
            state_on(date(2026, 3, 13), 0),
        )
        assert average_limit_usage_percent(totals) == pytest.approx((50 + 150 + 0) / 3)
        assert totals[3].limit_minutes == 120

    def test_the_percentage_is_missing_when_no_day_had_a_limit(self) -> None:
        unlimited = Policy(weekday_limit_minutes=None, weekend_limit_minutes=None)
        assert average_limit_usage_percent(self.totals(policy=unlimited)) is None
