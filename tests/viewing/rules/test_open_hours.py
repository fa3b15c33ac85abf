"""Windows, overrides of dates, locks and the hours that grants open."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.viewing.rules.home import FILM, LESSON, Home
from watchkeeper.viewing.policy_types import DateOverride, DaySettings, Policy, Stretch, Window
from watchkeeper.viewing.rules.days import day_from, last_reset_until
from watchkeeper.viewing.rules.instants import from_ms
from watchkeeper.viewing.rules.open_hours import open_hours
from watchkeeper.viewing.types import Binding, Enforcement, PlayState

MADRID = ZoneInfo("Europe/Madrid")
EVERY_DAY = tuple(range(1, 8))


def window(text: str) -> Window:
    """For instance ``07:00-20:00``."""
    start, end = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
    return Window(start, end)


def windows(*texts: str) -> dict[int, tuple[Window, ...]]:
    """The same windows on every weekday."""
    return dict.fromkeys(EVERY_DAY, tuple(map(window, texts)))


def local(text: str, zone: ZoneInfo = MADRID) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def hours_of(day_of: str, policy: Policy, *, reset_hour: int = 6) -> list[str]:
    """The open hours of the viewing day that contains a local instant, in local time."""
    settings = DaySettings("Europe/Madrid", reset_hour)
    day = day_from(last_reset_until(local(day_of), settings), settings)
    return [
        "-".join(from_ms(edge).astimezone(MADRID).strftime("%d %H:%M") for edge in span)
        for span in open_hours(day, policy)
    ]


class TestWindows:
    @pytest.mark.parametrize(
        ("set_windows", "expected"),
        [
            # The day of Tuesday the 10th runs to Wednesday 06:00, when Wednesday's windows hold.
            ({}, ["10 06:00-11 06:00"]),
            (windows("07:00-20:00"), ["10 07:00-10 20:00"]),
            (windows("14:00-16:00", "18:00-20:00"), ["10 14:00-10 16:00", "10 18:00-10 20:00"]),
            (windows("14:00-16:00", "16:00-20:00"), ["10 14:00-10 20:00"]),
            (windows("14:00-17:00", "16:00-20:00"), ["10 14:00-10 20:00"]),
            (windows("20:00-02:00"), ["10 20:00-11 02:00"]),
            (windows("05:00-07:00"), ["10 06:00-10 07:00", "11 05:00-11 06:00"]),
            (windows("00:00-24:00"), ["10 06:00-11 06:00"]),
            ({2: (window("07:00-20:00"),)}, ["10 07:00-10 20:00", "11 00:00-11 06:00"]),
            ({3: (window("07:00-20:00"),)}, ["10 06:00-11 00:00"]),
            ({1: (window("22:00-07:30"),)}, ["10 06:00-11 06:00"]),
            (
                {1: (window("22:00-07:30"),), 2: (window("09:00-10:00"),)},
                ["10 06:00-10 07:30", "10 09:00-10 10:00", "11 00:00-11 06:00"],
            ),
        ],
    )
    def test_hours_of_a_day(
        self, set_windows: dict[int, tuple[Window, ...]], expected: list[str]
    ) -> None:
        assert hours_of("2026-03-10T12:00", Policy(windows=set_windows)) == expected

    @pytest.mark.parametrize(
        ("override", "expected"),
        [
            (DateOverride(has_limit=True), ["10 07:00-10 20:00"]),
            (DateOverride(windows=()), ["10 06:00-11 00:00"]),
            (DateOverride(windows=(window("10:00-23:00"),)), ["10 10:00-10 23:00"]),
            (DateOverride(windows=(window("10:00-01:00"),)), ["10 10:00-11 01:00"]),
        ],
    )
    def test_overrides_of_a_date(self, override: DateOverride, expected: list[str]) -> None:
        policy = Policy(windows=windows("07:00-20:00"), overrides={date(2026, 3, 10): override})
        assert hours_of("2026-03-10T12:00", policy) == expected
        assert hours_of("2026-03-12T12:00", policy) == ["12 07:00-12 20:00"]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            # On 29 March 2026 the clock goes from 02:00 to 03:00.
            ("01:00-02:30", ["29 01:00-29 03:00"]),
            ("02:30-04:00", ["29 03:00-29 04:00"]),
            ("02:10-02:50", []),
        ],
    )
    def test_an_edge_in_a_gap_is_the_first_instant_after_it(
        self, text: str, expected: list[str]
    ) -> None:
        policy = Policy(windows=windows(text))
        assert hours_of("2026-03-29T01:30", policy, reset_hour=0) == expected

    def test_an_edge_in_a_fold_is_its_first_occurrence(self) -> None:
        settings = DaySettings("Europe/Madrid", 0)
        day = day_from(local("2026-10-25T00:00"), settings)
        (hours,) = open_hours(day, Policy(windows=windows("01:00-02:30")))
        assert from_ms(hours.end) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
        assert (hours.end - hours.start) == 90 * 60_000

    def test_local_times_are_read_in_the_zone_of_the_day(self) -> None:
        home = bounded("07:00-20:00")
        home.now = datetime(2026, 3, 10, 19, 30, tzinfo=UTC)
        home.today()
        home.day_settings = DaySettings("America/New_York", 6)
        assert home.balance().remaining_ms == 30 * 60_000

    def test_a_date_that_the_zone_left_out_has_no_hours(self) -> None:
        settings = DaySettings("Pacific/Apia", 6)
        day = day_from(last_reset_until(datetime(2011, 12, 30, 9, tzinfo=UTC), settings), settings)
        spans = open_hours(day, Policy(windows=windows("20:00-22:00")))
        assert [from_ms(span.end) - from_ms(span.start) for span in spans] == [timedelta(hours=2)]


def bounded(*texts: str, **policy: Any) -> Home:
    """A child with windows in UTC and no limit."""
    return Home(
        policy=Policy(
            **{"weekday_limit_minutes": None, "weekend_limit_minutes": None}
            | policy
            | {"windows": windows(*texts)}
        )
    )


def at(home: Home, text: str) -> Home:
    home.now = datetime.fromisoformat(f"2026-11-18T{text}").replace(tzinfo=UTC)
    return home


class TestDecision:
    @pytest.mark.parametrize(
        ("now", "enforcement", "left_minutes"),
        [
            ("06:59:59", Enforcement.BLOCKED, 0),
            ("07:00:00", Enforcement.ALLOWED, 13 * 60),
            ("19:44:59", Enforcement.ALLOWED, 15 + 1 / 60),
            ("19:45:00", Enforcement.WARNING_15, 15),
            ("19:55:00", Enforcement.WARNING_5, 5),
            ("20:00:00", Enforcement.BLOCKED, 0),
        ],
    )
    def test_bedtime(self, now: str, enforcement: Enforcement, left_minutes: float) -> None:
        decision = at(bounded("07:00-20:00"), now).balance()
        assert decision.enforcement is enforcement
        assert decision.binding is Binding.BEDTIME
        assert decision.remaining_ms == round(left_minutes * 60_000)
        is_blocked = enforcement is Enforcement.BLOCKED
        assert decision.reason is (Binding.BEDTIME if is_blocked else None)

    @pytest.mark.parametrize(
        ("now", "blocks_at", "opens_at"),
        [
            ("06:30", "18T06:30", "18T07:00"),
            ("12:00", "18T20:00", None),
            ("21:00", "18T21:00", "19T07:00"),
        ],
    )
    def test_when_it_closes_and_opens(self, now: str, blocks_at: str, opens_at: str | None) -> None:
        decision = at(bounded("07:00-20:00"), now).balance()
        shown = [
            one and one.strftime("%dT%H:%M") for one in (decision.blocks_at, decision.opens_at)
        ]
        assert shown == [blocks_at, opens_at]

    @pytest.mark.parametrize(
        ("texts", "closes"),
        [
            # The day ends on the 19th at 06:00: hours that reach it go on with the next day's.
            (("04:00-06:00",), "19T06:00"),
            (("04:00-06:00", "06:00-08:00"), "19T08:00"),
            (("04:00-09:30",), "19T09:30"),
            (("00:00-24:00",), None),
        ],
    )
    def test_hours_that_reach_the_reset(self, texts: tuple[str, ...], closes: str | None) -> None:
        home = bounded(*texts)
        home.now = datetime(2026, 11, 19, 5, 0, tzinfo=UTC)
        blocks_at = home.balance().blocks_at
        assert (blocks_at and blocks_at.strftime("%dT%H:%M")) == closes

    def test_without_windows_nothing_closes(self) -> None:
        assert Home().balance().blocks_at is None

    def test_the_nearer_of_limit_and_bedtime_binds(self) -> None:
        home = at(bounded("07:00-20:00", weekday_limit_minutes=60), "18:30")
        assert home.balance().binding is Binding.LIMIT
        at(home, "19:30")
        assert home.balance().binding is Binding.BEDTIME
        assert home.balance().allowance_remaining_ms == 60 * 60_000

    def test_what_a_grant_helps_least_against_is_told(self) -> None:
        home = at(bounded("07:00-20:00", weekday_limit_minutes=0), "21:00")
        assert home.balance().reason is Binding.BEDTIME
        home.lock()
        assert home.balance().reason is Binding.LOCKED
        home.unlock()
        at(home, "12:00")
        assert home.balance().reason is Binding.LIMIT

    def test_adults_have_no_bedtime_and_no_locks(self) -> None:
        home = at(bounded("07:00-20:00"), "21:00")
        home.is_child = False
        home.lock()
        assert home.balance().enforcement is Enforcement.ALLOWED
        assert home.balance().blocks_at is None

    @pytest.mark.parametrize("title", [FILM, LESSON])
    def test_windows_and_locks_bind_exempt_titles_too(self, title: Any) -> None:
        home = at(bounded("07:00-20:00", weekday_limit_minutes=0), "19:59")
        answer = home.beat(title=title)
        assert answer.session is not None
        home.wait(80)
        closed = home.beat(session=answer.session.id, title=title)
        assert closed.decision is not None
        assert closed.decision.reason is Binding.BEDTIME
        assert home.exempt_s == (60 if title == LESSON else 0)
        at(home, "12:00")
        home.lock()
        locked = home.beat(title=title).decision
        assert locked is not None
        assert locked.reason is Binding.LOCKED


class TestCharging:
    """Nothing after a window's end or a lock is charged."""

    @pytest.mark.parametrize("with_counters", [False, True])
    def test_the_stretch_over_bedtime_is_charged_up_to_it(self, with_counters: bool) -> None:
        home = at(bounded("07:00-20:00"), "19:59:40")
        session = home.beat(counters=(1, 0, 0) if with_counters else None).session
        assert session is not None
        home.wait(45)
        counters = (2, 45_000, 0) if with_counters else None
        answer = home.beat(session=session.id, counters=counters)
        assert home.counted_s == 20
        assert answer.decision is not None
        assert answer.decision.enforcement is Enforcement.BLOCKED
        home.wait(30)
        home.beat(session=session.id, counters=(3, 75_000, 0) if with_counters else None)
        assert home.counted_s == 20

    def test_a_stretch_over_closed_hours_is_charged_on_both_sides(self) -> None:
        home = at(bounded("07:00-12:00", "12:01-20:00"), "11:59:50")
        session = home.beat().session
        assert session is not None
        home.wait(80)
        home.beat(session=session.id)
        assert home.counted_s == 20

    def test_a_lock_cuts_the_stretch_where_it_began(self) -> None:
        home = Home()
        session = home.beat().session
        assert session is not None
        home.wait(10)
        home.lock()
        home.wait(15)
        answer = home.beat(session=session.id)
        assert home.counted_s == 10
        assert answer.decision is not None
        assert answer.decision.reason is Binding.LOCKED

    def test_a_lock_that_was_released_between_two_heartbeats_still_cuts(self) -> None:
        home = Home()
        session = home.beat().session
        assert session is not None
        home.wait(10)
        home.lock()
        home.wait(8)
        home.unlock()
        home.wait(5)
        home.beat(session=session.id)
        assert home.counted_s == 15

    def test_unreported_time_is_neither_charged_nor_forgiven_after_bedtime(self) -> None:
        home = at(bounded("07:00-20:00"), "19:59:30")
        home.beat()
        home.wait(140)
        home.beat("tablet", state=PlayState.PLAYING)
        assert (home.counted_s, home.forgiven_s) == (30, 0)

    def test_a_long_stretch_over_bedtime_leaves_nothing_in_doubt(self) -> None:
        """The 90 s that a plain player is charged lie in the open hours; what is in doubt lies
        before them, and so not in the same time once more."""
        home = at(bounded("07:00-20:00"), "19:59:00")
        session = home.beat().session
        assert session is not None
        home.wait(140)
        home.beat(session=session.id)
        assert (home.counted_s, home.forgiven_s) == (60, 0)

    def test_the_next_heartbeat_is_spread_after_bedtime(self) -> None:
        home = at(bounded("07:00-20:00"), "19:59:50")
        beats = set()
        for jitter in (0.0, 0.5, 0.99):
            home.jitter = jitter
            beats.add(home.beat().next_beat_ms)
        assert beats == {10_000, 20_000, 29_800}


class TestLocks:
    def test_a_lock_ends_by_itself(self) -> None:
        home = Home()
        home.lock(until=home.now + timedelta(minutes=30))
        assert home.balance().reason is Binding.LOCKED
        assert home.balance().opens_at == home.now + timedelta(minutes=30)
        home.wait(30 * 60)
        assert home.balance().enforcement is Enforcement.ALLOWED

    def test_a_lock_that_ends_in_closed_hours_opens_with_them(self) -> None:
        home = at(bounded("07:00-20:00"), "19:00")
        home.lock(until=home.now + timedelta(hours=3))
        assert home.balance().opens_at == datetime(2026, 11, 19, 7, 0, tzinfo=UTC)


def test_stretches_are_half_open() -> None:
    home = Home()
    until = home.now + timedelta(seconds=1)
    home.policy = Policy(None, None, locks=(Stretch(home.now, until),))
    assert home.balance().reason is Binding.LOCKED
    home.now = until
    assert home.balance().reason is None
