"""A generated week of rules, played by a child that knows no bedtime, against the plain model."""

from datetime import date, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.viewing.rules.home import Home
from tests.viewing.rules.week_model import MINUTE, Rules, Week
from watchkeeper.viewing.policy_types import DateOverride, DaySettings, Policy, Window
from watchkeeper.viewing.types import Enforcement, PlayState

# Weeks with clocks that go forward and back, by an hour and by half an hour, and without.
WEEKS = [
    ("Europe/Madrid", date(2026, 3, 26)),
    ("Europe/Madrid", date(2026, 10, 22)),
    ("America/New_York", date(2026, 3, 5)),
    ("Australia/Lord_Howe", date(2026, 4, 2)),
    ("Asia/Kathmandu", date(2026, 6, 1)),
    ("UTC", date(2026, 11, 18)),
]
STEP_MINUTES = 15

limits = st.sampled_from([None, 15, 60, 120, 480])
edges = st.one_of(
    st.integers(0, 1439), st.sampled_from([0, 60, 90, 120, 150, 180, 360, 420, 1200, 1320])
)
hours = st.lists(
    st.tuples(edges, edges.map(lambda edge: edge or 1440)).filter(lambda one: one[0] != one[1]),
    max_size=3,
)


@st.composite
def rules_of_a_week(draw: st.DrawFn) -> tuple[Rules, date]:
    zone, first = draw(st.sampled_from(WEEKS))
    dates = st.integers(0, 7).map(lambda number: first + timedelta(days=number))
    weekdays = st.integers(0, 6)
    rules = Rules(
        zone=zone,
        reset_hour=draw(st.integers(0, 23)),
        weekend=draw(st.sets(weekdays, max_size=3)),
        weekday_limit=draw(limits),
        weekend_limit=draw(limits),
        day_limits=draw(st.dictionaries(weekdays, limits, max_size=3)),
        windows=draw(st.fixed_dictionaries(dict.fromkeys(range(7), hours))),
        date_limits=draw(st.dictionaries(dates, limits, max_size=2)),
        date_windows=draw(st.dictionaries(dates, hours, max_size=2)),
    )
    return rules, first


happenings = st.one_of(
    st.tuples(st.just("grant"), st.integers(1, 90), st.booleans()),
    st.tuples(st.just("lock"), st.one_of(st.none(), st.integers(1, 600))),
    st.tuples(st.just("unlock")),
    st.tuples(st.just("rest"), st.integers(1, 60)),
)


def policy_of(rules: Rules) -> Policy:
    def windows(pairs: list[tuple[int, int]]) -> tuple[Window, ...]:
        return tuple(Window(*pair) for pair in pairs)

    overrides = {
        on: DateOverride(
            has_limit=on in rules.date_limits,
            limit_minutes=rules.date_limits.get(on),
            windows=windows(rules.date_windows[on]) if on in rules.date_windows else None,
        )
        for on in rules.date_limits.keys() | rules.date_windows.keys()
    }
    return Policy(
        weekday_limit_minutes=rules.weekday_limit,
        weekend_limit_minutes=rules.weekend_limit,
        # A heartbeat every quarter of an hour is enough with the longest grace.
        grace_seconds=900,
        day_limits={day + 1: limit for day, limit in rules.day_limits.items()},
        windows={day + 1: windows(pairs) for day, pairs in rules.windows.items() if pairs},
        overrides=overrides,
    )


class Watcher:
    """A child with a player that reports every quarter of an hour, and the model beside it."""

    def __init__(self, rules: Rules, first: date) -> None:
        # Dates before and behind are there so that the ones between are whole.
        self.week = Week(rules, first - timedelta(days=2))
        begin = self.week.begin + timedelta(days=2)
        weekend = frozenset(day + 1 for day in rules.weekend)
        self.home = Home(
            policy=policy_of(rules),
            day_settings=DaySettings(rules.zone, rules.reset_hour, weekend),
            now=begin,
            latest=begin,
        )
        self.session: Any = None
        self.seq = self.played_ms = 0
        self.may_play = False

    def beat(self) -> None:
        home = self.home
        self.seq += 1
        answer = home.beat(
            session=self.session,
            state=PlayState.PLAYING,
            counters=(self.seq, self.played_ms, 0),
        )
        assert answer.session is not None
        assert answer.decision is not None
        self.session = answer.session.id
        self.compare(answer.decision)
        self.may_play = answer.decision.enforcement is not Enforcement.BLOCKED

    @property
    def minute(self) -> int:
        return self.week.number_of(self.home.now)

    def compare(self, told: Any) -> None:
        week, now = self.week, self.minute
        day = week.day_of(now)
        binding, minutes = week.told(now)
        expected = (binding, None if minutes is None else minutes * 60_000, week.used[day] * 60_000)
        assert (told.binding, told.remaining_ms, told.used_ms) == expected, self.home.now
        assert (told.enforcement is Enforcement.BLOCKED) is (minutes == 0)
        assert told.next_reset_at == week.begin + MINUTE * week.resets[day + 1]
        assert told.limit_minutes == week.limit_of(day)

    def pass_time(self) -> None:
        """A quarter of an hour; a player that may play does, whatever the hour."""
        start = self.minute
        self.home.wait(STEP_MINUTES * 60)
        if self.may_play:
            self.played_ms += STEP_MINUTES * 60_000
            self.week.play(start, self.minute)

    def rest(self, quarters: int) -> None:
        """Nothing plays for a while, so the session falls silent."""
        self.home.end(self.session)
        self.session, self.may_play = None, False
        self.seq = self.played_ms = 0
        self.home.wait(quarters * STEP_MINUTES * 60)

    def happen(self, event: tuple[Any, ...]) -> None:
        now = self.minute
        match event:
            case ("grant", minutes, extends):
                self.home.grant(minutes, extends_window=extends)
                self.week.grant(now, minutes, extends=extends)
            case ("lock", minutes):
                until = None if minutes is None else self.home.now + MINUTE * minutes
                self.home.lock(until)
                self.week.lock(now, None if minutes is None else now + minutes)
            case ("unlock",):
                self.home.unlock()
                self.week.unlock(now)
            case ("rest", quarters) if self.session:
                self.rest(quarters)
        self.compare(self.home.balance())


@settings(max_examples=60, deadline=None)
@given(
    given_rules=rules_of_a_week(),
    events=st.dictionaries(st.integers(0, 24 * 4 * 7), happenings, max_size=20),
)
def test_a_week_of_rules_is_what_the_plain_model_says(
    given_rules: tuple[Rules, date], events: dict[int, tuple[Any, ...]]
) -> None:
    """Every answer of seven days (binding rule, remaining time, used time, limit, reset) and the
    charge of every day, in zones and weeks in which the clock goes forward and back."""
    watcher = Watcher(*given_rules)
    begin = watcher.minute
    while (quarter := (watcher.minute - begin) // STEP_MINUTES) < 24 * 4 * 7:
        watcher.beat()
        if quarter in events:
            watcher.happen(events[quarter])
        watcher.pass_time()
    watcher.beat()
    charged = {
        watcher.week.day_of(watcher.week.number_of(starts_at)): state.counted_ms
        for starts_at, state in watcher.home.days.items()
        if state.counted_ms
    }
    assert charged == {
        day: minutes * 60_000 for day, minutes in watcher.week.used.items() if minutes
    }
