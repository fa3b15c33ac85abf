"""Limits of weekdays and dates, and grants that keep the hours open."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.viewing.rules.home import Home
from tests.viewing.rules.test_open_hours import at, bounded
from watchkeeper.viewing.policy_types import DateOverride, DaySettings, Policy
from watchkeeper.viewing.rules.days import day_from, days_until
from watchkeeper.viewing.types import Binding


class TestGrantsThatExtendTheWindow:
    def test_a_plain_grant_passes_neither_window_nor_lock(self) -> None:
        home = at(bounded("07:00-20:00", weekday_limit_minutes=60), "21:00")
        assert home.grant(30).reason is Binding.BEDTIME
        home.lock()
        assert home.grant(30, extends_window=True).reason is Binding.LOCKED

    @pytest.mark.parametrize(
        ("now", "minutes", "closes"),
        [
            ("19:50", 30, "18T20:30"),
            ("21:00", 30, "18T21:30"),
            ("19:50", None, "19T06:00"),
            ("21:00", None, "19T06:00"),
            ("19:50", 240, "19T00:00"),
        ],
    )
    def test_the_window_ends_later(self, now: str, minutes: int | None, closes: str) -> None:
        home = at(bounded("07:00-20:00"), now)
        decision = home.grant(minutes, extends_window=True)
        assert decision.blocks_at is not None
        assert decision.blocks_at.strftime("%dT%H:%M") == closes

    def test_not_beyond_the_day(self) -> None:
        home = bounded("07:00-20:00")
        home.now = datetime(2026, 11, 19, 5, 50, tzinfo=UTC)
        decision = home.grant(60, extends_window=True)
        assert decision.remaining_ms == 10 * 60_000

    def test_two_add_up_and_one_is_taken_back_from_the_end(self) -> None:
        home = at(bounded("07:00-20:00"), "19:50")
        home.grant(15, extends_window=True)
        first = home.extensions[-1]
        home.grant(30, extends_window=True)
        assert home.balance().remaining_ms == (10 + 45) * 60_000
        home.cancel(15, extension=first)
        assert home.balance().remaining_ms == (10 + 30) * 60_000

    def test_what_has_passed_stays_open(self) -> None:
        """Time that was watched in granted hours is charged, also when they are taken back."""
        home = at(bounded("07:00-20:00"), "21:00")
        home.grant(30, extends_window=True)
        extension = home.extensions[-1]
        session = home.beat().session
        assert session is not None
        home.wait(20)
        home.cancel(30, extension=extension)
        answer = home.beat(session=session.id)
        assert home.counted_s == 20
        assert answer.decision is not None
        assert answer.decision.reason is Binding.BEDTIME

    def test_open_hours_need_no_extension(self) -> None:
        home = Home()
        home.grant(30, extends_window=True)
        assert home.extensions == [None]
        assert home.today().extensions == ()


class TestLimitsOfDates:
    def test_a_weekdays_own_limit_comes_first(self) -> None:
        policy = Policy(60, 90, day_limits={3: 120, 6: None})
        assert Home(policy=policy).balance().limit_minutes == 120
        assert (
            Home(policy=policy, now=datetime(2026, 11, 19, 12, tzinfo=UTC)).balance().limit_minutes
            == 60
        )
        saturday = Home(policy=policy, now=datetime(2026, 11, 21, 12, tzinfo=UTC)).balance()
        assert saturday.limit_minutes is None
        sunday = Home(policy=policy, now=datetime(2026, 11, 22, 12, tzinfo=UTC)).balance()
        assert sunday.limit_minutes == 90

    @pytest.mark.parametrize(
        ("override", "limit"),
        [
            (DateOverride(has_limit=True, limit_minutes=240), 240),
            (DateOverride(has_limit=True), None),
            (DateOverride(windows=()), 60),
        ],
    )
    def test_an_override_comes_before_all(self, override: DateOverride, limit: int | None) -> None:
        home = Home(
            policy=Policy(15, 15, day_limits={3: 60}, overrides={date(2026, 11, 18): override})
        )
        assert home.balance().limit_minutes == limit
        home.wait(24 * 3600)
        assert home.balance().limit_minutes == 15

    def test_of_two_days_with_one_label_the_first_has_the_override(self) -> None:
        """Whoever moves from Kiritimati to Pago Pago lives one date twice."""
        east = DaySettings("Pacific/Kiritimati", 6)
        one = day_from(datetime(2026, 11, 18, 16, tzinfo=UTC), east)
        two, *_ = days_until([one], DaySettings("Pacific/Pago_Pago", 5), one.ends_at)
        assert one.label == two.label
        assert (one.is_first_with_label, two.is_first_with_label) == (True, False)
        override = {one.label: DateOverride(has_limit=True, limit_minutes=480)}
        home = Home(policy=Policy(60, 60, overrides=override), day_settings=east)
        home.now = one.starts_at + timedelta(hours=1)
        assert home.today().limit_minutes == 480
        home.day_settings = DaySettings("Pacific/Pago_Pago", 5)
        home.now = one.ends_at + timedelta(hours=1)
        assert home.today().limit_minutes == 60
