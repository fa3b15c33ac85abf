"""What a player is told, and when it is asked back."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.viewing.rules.home import FILM, LESSON, NOON, Home
from watchkeeper.viewing.policy_types import DaySettings, Policy
from watchkeeper.viewing.rules.credit import Claim
from watchkeeper.viewing.rules.decision import enforcement_at
from watchkeeper.viewing.rules.instants import Span
from watchkeeper.viewing.rules.placement import place_claims
from watchkeeper.viewing.types import Binding, Enforcement, Outcome, PlayState, Settlement

PLAYING, PAUSED, BUFFERING, ENDED = PlayState
MINUTE = 60_000


def limited(minutes: int, **settings: object) -> Home:
    """A child with so many minutes left of 15."""
    home = Home(policy=Policy(weekday_limit_minutes=15))
    home.today()
    if minutes != 15:
        home.grant(minutes - 15)
    for name, value in settings.items():
        setattr(home, name, value)
    return home


def session_of(answer: Settlement) -> UUID:
    assert answer.session is not None
    return answer.session.id


def told(answer: Settlement) -> Enforcement:
    assert answer.decision is not None
    return answer.decision.enforcement


class TestLimits:
    @pytest.mark.parametrize(
        ("weekend_days", "limit"), [({6, 7}, 60), ({3}, 90), (set(), 60), ({1, 2, 4}, 60)]
    )
    def test_the_days_label_decides(self, weekend_days: set[int], limit: int) -> None:
        home = Home(
            policy=Policy(weekday_limit_minutes=60, weekend_limit_minutes=90),
            day_settings=DaySettings("UTC", 6, frozenset(weekend_days)),
        )
        assert home.balance().limit_minutes == limit

    def test_a_lowered_limit_binds_at_once_and_shows_zero(self) -> None:
        home = Home(policy=Policy(weekday_limit_minutes=60))
        session = session_of(home.beat())
        for _ in range(20):
            home.wait(90)
            home.beat(session=session)
        home.policy = Policy(weekday_limit_minutes=15)
        answer = home.beat(session=session)
        assert told(answer) is Enforcement.BLOCKED
        assert answer.decision is not None
        assert answer.decision.remaining_ms == 0
        assert (answer.decision.reason, answer.decision.binding) == (Binding.LIMIT, Binding.LIMIT)
        home.policy = Policy(weekday_limit_minutes=120)
        answer = home.beat(session=session)
        assert told(answer) is Enforcement.ALLOWED
        assert answer.decision is not None
        assert answer.decision.reason is None

    def test_history_shows_the_limit_of_the_day(self) -> None:
        home = Home(policy=Policy(weekday_limit_minutes=60))
        home.beat()
        home.wait(86_400)
        home.policy = Policy(weekday_limit_minutes=30)
        home.beat()
        assert [home.days[start].limit_minutes for start in sorted(home.days)] == [60, 30]

    def test_unlimited_today(self) -> None:
        home = limited(0)
        assert home.balance().enforcement is Enforcement.BLOCKED
        decision = home.grant(None)
        assert decision.enforcement is Enforcement.ALLOWED
        assert decision.is_unlimited_override
        assert decision.remaining_ms is None
        assert home.cancel(None).enforcement is Enforcement.BLOCKED

    def test_a_grant_after_an_overrun_leaves_its_minutes(self) -> None:
        home = Home(policy=Policy(weekday_limit_minutes=60))
        session = session_of(home.beat())
        for _ in range(30):
            home.wait(60)
            home.beat(session=session)
        home.policy = Policy(weekday_limit_minutes=15)
        assert home.grant(10).remaining_ms == 10 * MINUTE
        assert home.grant(5).remaining_ms == 15 * MINUTE


class TestWarnings:
    @pytest.mark.parametrize(
        ("remaining_ms", "expected"),
        [
            (None, Enforcement.ALLOWED),
            (15 * MINUTE + 1, Enforcement.ALLOWED),
            (15 * MINUTE, Enforcement.WARNING_15),
            (5 * MINUTE + 1, Enforcement.WARNING_15),
            (5 * MINUTE, Enforcement.WARNING_5),
            (1, Enforcement.WARNING_5),
            (0, Enforcement.BLOCKED),
        ],
    )
    def test_thresholds(self, remaining_ms: int | None, expected: Enforcement) -> None:
        assert enforcement_at(remaining_ms, Policy()) is expected

    def test_thresholds_may_be_chosen(self) -> None:
        policy = Policy(warning_first_minutes=30, warning_second_minutes=10)
        assert enforcement_at(30 * MINUTE, policy) is Enforcement.WARNING_15
        assert enforcement_at(10 * MINUTE, policy) is Enforcement.WARNING_5

    def test_re_arm_when_time_is_given(self) -> None:
        home = limited(4)
        session = session_of(home.beat())
        assert told(home.beat(session=session)) is Enforcement.WARNING_5
        home.grant(60)
        assert told(home.beat(session=session)) is Enforcement.ALLOWED


class TestChargeFirst:
    def test_the_heartbeat_that_crosses_zero_is_charged(self) -> None:
        home = limited(1)
        session = session_of(home.beat())
        home.wait(80)
        answer = home.beat(session=session)
        assert answer.credited_ms == 80_000
        assert told(answer) is Enforcement.BLOCKED

    @pytest.mark.parametrize("with_counters", [False, True])
    @pytest.mark.parametrize("state", [PLAYING, PAUSED, ENDED])
    def test_unblocking_never_charges_blocked_time(
        self, with_counters: bool, state: PlayState
    ) -> None:
        """Also of a player that plays on although it was told to stop."""
        home = limited(0)
        played_ms = 0

        def beat(seq: int) -> Settlement:
            counters = (seq, played_ms, 0) if with_counters else None
            return home.beat(session=session, counters=counters, state=state)

        session = session_of(home.beat(counters=(1, 0, 0) if with_counters else None))
        for seq in range(2, 12):
            home.wait(30)
            played_ms += 30_000
            assert told(beat(seq)) is Enforcement.BLOCKED
        home.grant(15)
        home.wait(30)
        played_ms += 30_000
        assert told(beat(12)) is not Enforcement.BLOCKED
        assert home.counted_s == 0
        # Nothing of it comes back with the next heartbeat: the bucket was empty.
        home.wait(1)
        played_ms += 30_000
        beat(13)
        assert home.counted_s <= 1

    def test_a_blocked_answer_empties_the_bucket(self) -> None:
        home = limited(1)
        session = session_of(home.beat(counters=(1, 0, 0)))
        home.wait(120)
        answer = home.beat(session=session, counters=(2, 60_000, 0))
        assert told(answer) is Enforcement.BLOCKED
        assert answer.session is not None
        assert answer.session.bucket_ms == 0


class TestCadence:
    @given(st.floats(0, 1, exclude_max=True))
    def test_about_30_seconds_without_an_edge(self, jitter: float) -> None:
        beat = Home(jitter=jitter).beat().next_beat_ms
        assert beat is not None
        assert 27_000 <= beat < 33_000

    @given(st.floats(0, 1, exclude_max=True), st.integers(1, 32_999))
    def test_just_after_the_limit(self, jitter: float, left_ms: int) -> None:
        home = limited(1, jitter=jitter)
        session = session_of(home.beat())
        home.now += timedelta(milliseconds=60_000 - left_ms)
        beat = home.beat(session=session).next_beat_ms
        assert beat is not None
        if left_ms >= 400:
            assert left_ms + 100 <= beat < left_ms + 400
        else:
            assert 500 <= beat < 800

    @pytest.mark.parametrize(
        ("state", "title", "pause_counted_s", "is_edge"),
        [
            (PLAYING, FILM, 0, True),
            (PLAYING, LESSON, 0, False),
            (ENDED, FILM, 0, False),
            (PAUSED, FILM, 0, True),
            (BUFFERING, FILM, 0, True),
            (PAUSED, FILM, 280, True),
            (PAUSED, FILM, 281, False),
            (PAUSED, LESSON, 0, False),
        ],
    )
    def test_the_limit_is_an_edge_only_while_something_is_counted(
        self, state: PlayState, title: UUID, pause_counted_s: int, is_edge: bool
    ) -> None:
        home = limited(1)
        session_id = session_of(home.beat())
        home.wait(40)
        home.beat(session=session_id, state=PAUSED)
        paused = home.sessions[session_id]
        home.sessions[session_id] = replace(paused, pause_counted_ms=pause_counted_s * 1000)
        beat = home.beat(session=session_id, state=state, title=title).next_beat_ms
        assert beat == (20_250 if is_edge else 30_000)

    @given(st.floats(0, 1, exclude_max=True), st.integers(500, 32_999))
    def test_spread_after_the_day_reset(self, jitter: float, left_ms: int) -> None:
        home = Home(jitter=jitter)
        home.now = NOON + timedelta(hours=18) - timedelta(milliseconds=left_ms)
        beat = home.beat().next_beat_ms
        assert beat is not None
        assert left_ms <= beat < left_ms + 20_000

    def test_a_reset_before_the_limit_comes_first(self) -> None:
        home = limited(1, jitter=0.99)
        home.now = NOON + timedelta(hours=17, minutes=59, seconds=15)
        session = session_of(home.beat())
        home.wait(35)
        beat = home.beat(session=session).next_beat_ms
        assert beat is not None
        assert beat == 10_000 + 19_800

    def test_blocked_players_ask_every_30_seconds(self) -> None:
        home = limited(0, jitter=0.0)
        assert home.beat().next_beat_ms == 27_000

    def test_adults_have_no_edges(self) -> None:
        home = Home(is_child=False, now=NOON + timedelta(hours=17, minutes=59, seconds=59))
        assert home.beat().next_beat_ms == 30_000

    def test_a_repeating_player_is_asked_back_before_it_is_given_up(self) -> None:
        home = Home()
        session = session_of(home.beat(counters=(1, 0, 0)))
        home.wait(150)
        answer = home.beat(session=session, counters=(1, 0, 0))
        assert answer.outcome is Outcome.DUPLICATE
        assert answer.next_beat_ms == 3_000


class TestEdgesOfOpenHours:
    """Where credit lies when hours are closed; what windows and locks mean is another file's."""

    HOURS = (Span(0, 100), Span(200, 300))

    def test_nothing_after_the_end_of_a_window_is_charged(self) -> None:
        placed = place_claims([Claim(60, 120)], Span(60, 120), self.HOURS)
        assert placed == (Span(60, 100),)

    def test_credit_lies_against_the_end_of_the_window(self) -> None:
        placed = place_claims([Claim(10, 120)], Span(60, 120), self.HOURS)
        assert placed == (Span(90, 100),)

    def test_credit_is_split_around_closed_hours(self) -> None:
        placed = place_claims([Claim(60, 240)], Span(60, 240), self.HOURS)
        assert placed == (Span(80, 100), Span(200, 240))

    def test_only_the_excess_lies_before_the_stretch(self) -> None:
        placed = place_claims([Claim(30, 90)], Span(70, 90), self.HOURS)
        assert placed == (Span(60, 90),)
        placed = place_claims([Claim(30, 220)], Span(190, 220), self.HOURS)
        assert placed == (Span(200, 220),)

    @given(
        st.lists(st.integers(0, 80), min_size=1, max_size=2),
        st.integers(0, 300),
        st.integers(0, 150),
    )
    def test_never_more_than_claimed_and_never_in_closed_hours(
        self, amounts: list[int], start: int, length: int
    ) -> None:
        stretch = Span(start, start + length)
        placed = place_claims([Claim(one, stretch.end) for one in amounts], stretch, self.HOURS)
        assert sum(span.length_ms for span in placed) <= sum(amounts)
        for span in placed:
            assert any(span.overlap(opening) == span for opening in self.HOURS)
            assert span.end <= stretch.end
