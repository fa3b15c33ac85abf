"""Any history of calls, through the rules and through the plain model: both must agree."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.viewing.model import PlainModel
from tests.viewing.rules.home import FILM, LESSON, SERIES, Home
from watchkeeper.viewing.policy_types import Window
from watchkeeper.viewing.types import PlayState, Settlement

TITLES = {"film": FILM, "series": SERIES, "lesson": LESSON}
DEVICES = ("tv", "tablet")
START = datetime(2026, 11, 19, 5, 40, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

titles = st.sampled_from(sorted(TITLES))
states = st.sampled_from(["playing"] * 4 + ["paused", "buffering", "ended"])
short = st.integers(0, 70)
# Around the reset at 06:00, near which the histories begin; the last one passes midnight.
hours = st.sampled_from(
    [
        None,
        ((0, 24 * 60),),
        ((5 * 60 + 30, 5 * 60 + 45),),
        ((5 * 60 + 41, 5 * 60 + 43), (5 * 60 + 44, 6 * 60 + 10)),
        ((5 * 60, 6 * 60), (6 * 60 + 1, 6 * 60 + 3)),
        ((20 * 60, 5 * 60 + 50),),
    ]
)


class Histories(RuleBasedStateMachine):
    """Times are whole seconds, so that both accounts must agree to the second."""

    @initialize(
        limit=st.sampled_from([None, 15, 15, 30, 480]), grace=st.sampled_from([0, 30, 120, 900])
    )
    def open_home(self, limit: int | None, grace: int) -> None:
        self.home = Home(now=START)
        self.set_policy(limit, grace)
        self.model = PlainModel(
            limit=limit, grace=grace, free_titles=frozenset({"lesson"}), now=self.second()
        )
        self.names: list[str] = []

    def set_policy(self, limit: int | None, grace: int) -> None:
        policy = self.home.policy
        self.home.policy = replace(
            policy, weekday_limit_minutes=limit, weekend_limit_minutes=limit, grace_seconds=grace
        )

    def second(self) -> int:
        return int((self.home.now - EPOCH).total_seconds())

    def session(self, name: str) -> UUID:
        return UUID(name)

    def compare(self, answer: Settlement, outcome: str, title: str | None = None) -> None:
        assert answer.outcome.value == outcome
        if answer.decision is None or title is None:
            return
        told_now = (answer.decision.enforcement.value, answer.decision.reason)
        assert told_now == self.model.enforcement(title)
        remaining = self.model.remaining()
        told = answer.decision.allowance_remaining_ms
        assert told == (None if remaining is None else remaining * 1000)

    # Time.

    @rule(seconds=st.one_of(st.integers(0, 40), st.integers(0, 200), st.integers(250, 1100)))
    def wait(self, seconds: int) -> None:
        self.home.wait(seconds)
        self.model.now = self.second()

    @rule(before=st.integers(-5, 60))
    def wait_for_the_next_reset(self, before: int) -> None:
        now = self.home.now
        reset = now.replace(hour=6, minute=0, second=0)
        if reset <= now + timedelta(seconds=60):
            reset += timedelta(days=1)
        self.home.now = reset - timedelta(seconds=before)
        self.model.now = self.second()

    # Players.

    @rule(
        device=st.sampled_from(DEVICES),
        state=states,
        title=titles,
        counters=st.sampled_from([None, (3, 500, 40)]),
        has_key=st.booleans(),
    )
    def start(
        self,
        device: str,
        state: str,
        title: str,
        counters: tuple[int, int, int] | None,
        has_key: bool,
    ) -> None:
        start_key = f"key {len(self.names)}" if has_key else None
        answer = self.home.beat(
            device,
            PlayState(state),
            title=TITLES[title],
            counters=in_ms(counters),
            start_key=start_key,
        )
        assert answer.session is not None
        name = str(answer.session.id)
        self.names.append(name)
        outcome = self.model.start(name, device, state, title, counters, start_key)
        self.compare(answer, outcome, title)

    @precondition(lambda self: self.names)
    @rule(
        back=st.sampled_from([1, 1, 1, 1, 1, 1, 1, 2, 3]),
        is_foreign=st.sampled_from([False] * 12 + [True]),
        state=states,
        title=titles,
        seq=st.sampled_from([1, 1, 1, 1, 2, 0, -1]),
        played=st.one_of(short, st.none(), st.integers(-400, 400)),
        paused=short,
    )
    def beat(
        self,
        back: int,
        is_foreign: bool,
        state: str,
        title: str,
        seq: int,
        played: int | None,
        paused: int,
    ) -> None:
        """``played`` is the gain of the counters; None makes it as long as the stretch."""
        name = self.names[-min(back, len(self.names))]
        known = self.model.sessions[name]
        counters = None
        if known.counters is not None:
            gain = self.second() - known.last if played is None else played
            counters = (
                known.counters[0] + seq,
                max(0, known.counters[1] + gain),
                known.counters[2] + paused,
            )
        self.send(name, state, title, counters, is_foreign=is_foreign)

    @precondition(lambda self: self.names)
    @rule(state=states, title=titles)
    def beat_without_counters(self, state: str, title: str) -> None:
        self.send(self.names[-1], state, title, None)

    def send(
        self,
        name: str,
        state: str,
        title: str,
        counters: tuple[int, int, int] | None,
        *,
        is_foreign: bool = False,
    ) -> None:
        device = self.model.sessions[name].device
        if is_foreign:
            device = "phone"
        answer = self.home.beat(
            device,
            PlayState(state),
            session=self.session(name),
            title=TITLES[title],
            counters=in_ms(counters),
        )
        outcome = self.model.beat(name, device, state, title, counters)
        self.compare(answer, outcome, self.model.sessions[name].title)

    @precondition(lambda self: self.names and self.model.sessions[self.names[-1]].start_key)
    @rule(title=titles, rise=st.integers(0, 1), played=short)
    def start_again(self, title: str, rise: int, played: int) -> None:
        name = self.names[-1]
        known = self.model.sessions[name]
        counters = None
        if known.counters is not None:
            seq, before, paused = known.counters
            counters = (seq + rise, before + played, paused)
        answer = self.home.beat(
            known.device,
            title=TITLES[title],
            counters=in_ms(counters),
            start_key=known.start_key,
        )
        outcome = self.model.beat(name, known.device, "playing", title, counters, is_start=True)
        self.compare(answer, outcome, self.model.sessions[name].title)

    @precondition(lambda self: self.names)
    @rule(back=st.integers(1, 2), seq=st.sampled_from([None, 0, 1]), played=short, paused=short)
    def end(self, back: int, seq: int | None, played: int, paused: int) -> None:
        name = self.names[-min(back, len(self.names))]
        known = self.model.sessions[name]
        counters = None
        if known.counters is not None and seq is not None:
            before = known.counters
            counters = (before[0] + seq, before[1] + played, before[2] + paused)
        self.home.end(self.session(name), in_ms(counters))
        self.model.end(name, counters)

    @rule()
    def reap(self) -> None:
        self.home.reap()
        self.model.reap()

    # Guardians.

    @rule(minutes=st.one_of(st.integers(1, 20), st.integers(-20, -1), st.none()))
    def grant(self, minutes: int | None) -> None:
        self.home.grant(minutes)
        self.model.grant(minutes)

    @precondition(lambda self: self.model.day_at(self.model.now).grants)
    @rule(back=st.integers(0, 3))
    def cancel(self, back: int) -> None:
        grants = self.model.day_at(self.model.now).grants
        given = [minutes for minutes, _, cancelled in grants if not cancelled]
        minutes = given[-1 - back % len(given)]
        undone = [m for m, _, cancelled in grants if cancelled]
        if undone.count(None if minutes is None else -minutes) >= given.count(minutes):
            return
        self.home.cancel(minutes)
        self.model.grant(None if minutes is None else -minutes, cancelled=True)

    @rule(minutes=st.one_of(st.integers(1, 20), st.none()))
    def grant_with_hours(self, minutes: int | None) -> None:
        self.home.grant(minutes, extends_window=True)
        self.model.grant(minutes, extends=True)

    @rule(open_hours=hours)
    def change_hours(self, open_hours: tuple[tuple[int, int], ...] | None) -> None:
        windows = tuple(Window(*pair) for pair in open_hours or ())
        self.home.policy = replace(
            self.home.policy, windows={day: windows for day in range(1, 8) if windows}
        )
        self.model.hours = open_hours and tuple((a * 60, b * 60) for a, b in open_hours)

    @rule(seconds=st.one_of(st.none(), st.integers(1, 400)))
    def lock(self, seconds: int | None) -> None:
        self.home.lock(None if seconds is None else self.home.now + timedelta(seconds=seconds))
        self.model.lock(seconds)

    @rule()
    def unlock(self) -> None:
        self.home.unlock()
        self.model.unlock()

    @rule(limit=st.sampled_from([None, 15, 30, 480]))
    def change_limit(self, limit: int | None) -> None:
        self.set_policy(limit, self.model.grace)
        self.model.limit = limit

    # What both must agree on after every step.

    @invariant()
    def days_agree(self) -> None:
        for start, state in self.home.days.items():
            day = self.model.day_at(int((start - EPOCH).total_seconds()))
            kept = (state.counted_ms, state.exempt_ms, state.forgiven_ms)
            assert kept == (day.counted * 1000, day.exempt * 1000, day.forgiven * 1000)

    @invariant()
    def sessions_agree(self) -> None:
        for name, known in self.model.sessions.items():
            session = self.home.sessions[self.session(name)]
            assert session.total_ms == known.credited * 1000
            assert session.is_open is (known.over is None)
            assert session.bucket_ms == known.bucket * 1000

    def teardown(self) -> None:
        """What a silent end leaves open is charged like everything else."""
        self.home.wait(2000)
        self.model.now = self.second()
        self.reap()
        self.days_agree()


def in_ms(counters: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
    return None if counters is None else (counters[0], counters[1] * 1000, counters[2] * 1000)


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
