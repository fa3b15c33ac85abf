"""What heartbeats charge: plain players, players with counters, pauses, exempt titles."""

from datetime import timedelta

import pytest

from tests.viewing.rules.home import FILM, LESSON, NOON, SERIES, Home
from watchkeeper.viewing.policy_types import Policy
from watchkeeper.viewing.types import Enforcement, Outcome, PlayState, SliceKind

PLAYING, PAUSED, BUFFERING, ENDED = PlayState


class TestPlainPlayers:
    def test_the_first_heartbeat_credits_nothing(self) -> None:
        home = Home()
        answer = home.beat()
        assert answer.outcome is Outcome.STARTED
        assert home.counted_s == 0

    @pytest.mark.parametrize(("elapsed", "credited"), [(0, 0), (30, 30), (90, 90), (200, 90)])
    def test_a_playing_stretch_credits_at_most_90_seconds(
        self, elapsed: int, credited: int
    ) -> None:
        home = Home()
        session = home.beat().session
        assert session is not None
        home.wait(elapsed)
        assert home.beat(session=session.id).credited_ms == credited * 1000
        assert home.counted_s == credited

    def test_beyond_90_seconds_is_in_doubt_and_forgiven_for_300_seconds_a_day(self) -> None:
        home = Home()
        session = home.beat().session
        assert session is not None
        for _ in range(10):
            home.wait(150)
            home.beat(session=session.id)
        assert home.forgiven_s == 300
        assert home.counted_s == 1500 - 300

    def test_what_is_charged_of_doubt_lies_against_the_time_that_is_known(self) -> None:
        home = Home()
        session = home.beat().session
        assert session is not None
        for title in [FILM] * 6 + [SERIES, FILM]:
            home.wait(130)
            home.beat(session=session.id, title=title)
        assert home.forgiven_s == 300
        last = home.slices[session.id, 1]
        assert (last.starts_at, last.ends_at) == (home.now - timedelta(seconds=110), home.now)
        assert last.credited_ms == 110_000

    def test_ten_heartbeats_within_a_second_charge_that_second(self) -> None:
        home = Home()
        session = home.beat().session
        assert session is not None
        for _ in range(10):
            home.wait(0.1)
            home.beat(session=session.id)
        assert home.counted_s == 1

    @pytest.mark.parametrize("state", [PAUSED, BUFFERING])
    def test_the_first_300_seconds_of_a_pause_count(self, state: PlayState) -> None:
        home = Home()
        session = home.beat(state=state).session
        assert session is not None
        for _ in range(20):
            home.wait(31)
            home.beat(session=session.id, state=state)
        assert home.counted_s == 300

    def test_a_stretch_that_crosses_the_threshold_is_split_there(self) -> None:
        home = Home()
        session = home.beat(state=PAUSED).session
        assert session is not None
        home.wait(280)
        home.beat(session=session.id, state=PAUSED)
        home.wait(60)
        assert home.beat(session=session.id, state=PAUSED).credited_ms == 20_000
        (one,) = home.slices.values()
        assert one.ends_at == NOON + timedelta(seconds=300)

    def test_each_pause_has_its_own_300_seconds(self) -> None:
        home = Home()
        session = home.beat(state=PAUSED).session
        assert session is not None
        for state in (PLAYING, PAUSED, PLAYING):
            home.wait(299 if state is PLAYING else 10)
            home.beat(session=session.id, state=state)
        assert home.counted_s == 299 + 10 + 299

    def test_buffering_within_a_pause_is_the_same_pause(self) -> None:
        home = Home()
        session = home.beat(state=PAUSED).session
        assert session is not None
        for state in (BUFFERING, PAUSED):
            home.wait(200)
            home.beat(session=session.id, state=state)
        assert home.counted_s == 300

    def test_after_ended_nothing_counts(self) -> None:
        home = Home()
        session = home.beat(state=ENDED).session
        assert session is not None
        home.wait(60)
        home.beat(session=session.id)
        assert home.counted_s == 0

    def test_counters_in_a_plain_session_are_ignored(self) -> None:
        home = Home()
        session = home.beat().session
        assert session is not None
        home.wait(30)
        answer = home.beat(session=session.id, counters=(7, 0, 0))
        assert answer.ack_seq is None
        assert home.counted_s == 30


class TestPlayersWithCounters:
    def test_the_first_heartbeat_sets_the_baseline(self) -> None:
        home = Home()
        session = home.beat(counters=(5, 70_000, 3_000)).session
        assert session is not None
        home.wait(30)
        answer = home.beat(session=session.id, counters=(6, 100_000, 3_000))
        assert (answer.credited_ms, answer.ack_seq) == (30_000, 6)

    def test_nobody_is_charged_more_than_the_wall_time(self) -> None:
        home = Home()
        session = home.beat(counters=(1, 0, 0)).session
        assert session is not None
        home.wait(30)
        answer = home.beat(session=session.id, counters=(2, 3_600_000, 0))
        assert answer.credited_ms == 30_000
        assert home.written_off_s == 3_570
        assert answer.session is not None
        assert answer.session.is_flagged

    def test_a_little_jitter_is_no_suspicion(self) -> None:
        home = Home()
        session = home.beat(counters=(1, 0, 0)).session
        assert session is not None
        home.wait(29.5)
        answer = home.beat(session=session.id, counters=(2, 30_000, 0))
        assert answer.session is not None
        assert answer.session.written_off_ms == 500
        assert not answer.session.is_flagged

    def test_lost_heartbeats_heal(self) -> None:
        home = Home()
        session = home.beat(counters=(1, 0, 0)).session
        assert session is not None
        home.wait(150)
        home.beat(session=session.id, counters=(6, 150_000, 0))
        assert home.counted_s == 150

    def test_a_late_heartbeat_heals_with_the_next(self) -> None:
        home = Home()
        session = home.beat(counters=(1, 0, 0)).session
        assert session is not None
        home.wait(30)
        # The network held back what the player sent: its counters lag behind the clock.
        home.beat(session=session.id, counters=(2, 20_000, 0))
        home.wait(30)
        assert home.beat(session=session.id, counters=(3, 60_000, 0)).credited_ms == 40_000
        assert home.counted_s == 60
        (one,) = home.slices.values()
        assert (one.starts_at, one.credited_ms) == (NOON, 60_000)

    def test_the_bucket_holds_no_more_than_the_grace_and_45_seconds(self) -> None:
        home = Home()
        session = home.beat(counters=(1, 0, 0)).session
        assert session is not None
        home.wait(290)
        home.beat(session=session.id, counters=(9, 290_000, 0))
        assert home.counted_s == 165
        assert home.written_off_s == 125

    @pytest.mark.parametrize("seq", [1, 2])
    def test_a_late_or_repeated_seq_credits_and_stores_nothing(self, seq: int) -> None:
        home = Home()
        session = home.beat(counters=(1, 0, 0)).session
        assert session is not None
        home.wait(30)
        home.beat(session=session.id, counters=(2, 30_000, 0))
        home.wait(20)
        answer = home.beat(session=session.id, counters=(seq, 50_000, 0))
        assert answer.outcome is Outcome.DUPLICATE
        assert answer.ack_seq == 2
        assert answer.decision is not None
        assert home.counted_s == 30

    @pytest.mark.parametrize(
        ("quiet", "outcome"), [(152.999, Outcome.DUPLICATE), (153, Outcome.SESSION_ENDED)]
    )
    def test_only_repeating_itself_ends_after_the_grace_and_33_seconds(
        self, quiet: float, outcome: Outcome
    ) -> None:
        home = Home()
        session = home.beat(counters=(1, 0, 0)).session
        assert session is not None
        home.wait(quiet)
        answer = home.beat(session=session.id, counters=(1, 0, 0))
        assert answer.outcome is outcome
        assert not answer.has_writes

    def test_lower_counters_are_rebased_and_treated_as_plain(self) -> None:
        home = Home()
        session = home.beat(counters=(1, 500_000, 0)).session
        assert session is not None
        home.wait(30)
        answer = home.beat(session=session.id, counters=(2, 1_000, 0))
        assert answer.credited_ms == 30_000
        home.wait(30)
        answer = home.beat(session=session.id, counters=(3, 31_000, 0))
        assert answer.credited_ms == 30_000

    def test_rebasing_again_and_again_charges_the_wall_time_once(self) -> None:
        home = Home()
        session = home.beat(counters=(1, 500_000, 0)).session
        assert session is not None
        for seq in range(2, 22):
            home.wait(15)
            home.beat(session=session.id, counters=(seq, 0 if seq % 2 else 600_000, 0))
        assert home.counted_s == 300

    def test_a_heartbeat_without_counters_is_plain_and_not_charged_again(self) -> None:
        home = Home()
        session = home.beat(counters=(1, 0, 0)).session
        assert session is not None
        home.wait(30)
        home.beat(session=session.id)
        home.wait(30)
        home.beat(session=session.id, counters=(2, 60_000, 0))
        assert home.counted_s == 60

    def test_forgiven_time_is_not_charged_by_the_next_counters(self) -> None:
        home = Home()
        session = home.beat(counters=(1, 0, 0)).session
        assert session is not None
        home.wait(150)
        home.beat(session=session.id)
        assert (home.counted_s, home.forgiven_s) == (90, 60)
        home.wait(10)
        home.beat(session=session.id, counters=(2, 160_000, 0))
        assert home.counted_s == 100

    def test_a_pause_counts_300_seconds(self) -> None:
        home = Home()
        session = home.beat(counters=(1, 0, 0), state=PAUSED).session
        assert session is not None
        for beat in range(1, 15):
            home.wait(30)
            home.beat(session=session.id, counters=(beat + 1, 0, beat * 30_000), state=PAUSED)
        assert home.counted_s == 300

    def test_a_pause_ends_when_play_is_reported(self) -> None:
        home = Home()
        session = home.beat(counters=(1, 0, 0), state=PAUSED).session
        assert session is not None
        home.wait(150)
        home.beat(session=session.id, counters=(2, 0, 150_000), state=PLAYING)
        home.wait(30)
        home.beat(session=session.id, counters=(3, 30_000, 150_000), state=PAUSED)
        for beat in range(3):
            home.wait(150)
            paused_ms = 300_000 + beat * 150_000
            home.beat(session=session.id, counters=(4 + beat, 30_000, paused_ms), state=PAUSED)
        assert home.counted_s == 150 + 30 + 300

    def test_rounding_inside_a_pause_does_not_restart_it(self) -> None:
        home = Home()
        session = home.beat(counters=(1, 0, 0), state=PAUSED).session
        assert session is not None
        for beat in range(1, 41):
            home.wait(30)
            home.beat(session=session.id, counters=(beat + 1, beat, beat * 30_000), state=PAUSED)
        assert home.counted_s == pytest.approx(300, abs=0.05)

    def test_play_that_interrupted_a_pause_starts_it_anew(self) -> None:
        """The heartbeats that said so were lost; only the counters tell."""
        home = Home()
        session = home.beat(counters=(1, 0, 0), state=PAUSED).session
        assert session is not None
        paused_ms = 0
        for seq, played_ms in enumerate([0, 0, 5_000, 5_000, 5_000], start=2):
            home.wait(150)
            paused_ms += 150_000
            counters = (seq, played_ms, paused_ms - played_ms)
            home.beat(session=session.id, counters=counters, state=PAUSED)
        assert home.counted_s == 300 + 5 + 300

    def test_play_and_pause_of_one_stretch_share_the_bucket(self) -> None:
        home = Home()
        session = home.beat(counters=(1, 0, 0)).session
        assert session is not None
        home.wait(30)
        home.beat(session=session.id, counters=(2, 25_000, 25_000), state=PAUSED)
        assert home.counted_s == 30
        assert home.written_off_s == 20


class TestExemption:
    def test_an_educational_title_is_counted_apart(self) -> None:
        home = Home(policy=Policy(weekday_limit_minutes=15))
        session = home.beat(title=LESSON).session
        assert session is not None
        home.wait(60)
        answer = home.beat(session=session.id, title=LESSON)
        assert (home.counted_s, home.exempt_s) == (0, 60)
        assert answer.decision is not None
        assert answer.decision.is_exempt
        assert answer.decision.remaining_ms is None
        assert answer.decision.allowance_remaining_ms == 15 * 60_000

    def test_only_while_the_exemption_is_on(self) -> None:
        home = Home(policy=Policy(weekday_limit_minutes=15, educational_exempt=False))
        session = home.beat(title=LESSON).session
        assert session is not None
        home.wait(60)
        answer = home.beat(session=session.id, title=LESSON)
        assert (home.counted_s, home.exempt_s) == (60, 0)
        assert answer.decision is not None
        assert not answer.decision.is_exempt

    def test_an_unknown_title_counts(self) -> None:
        home = Home(educational={})
        session = home.beat(title=LESSON).session
        assert session is not None
        home.wait(60)
        home.beat(session=session.id, title=None)
        home.wait(60)
        home.beat(session=session.id, title=None)
        assert (home.counted_s, home.exempt_s) == (120, 0)

    def test_a_stretch_is_charged_to_the_title_that_began_it(self) -> None:
        home = Home()
        session = home.beat(title=FILM).session
        assert session is not None
        for title in (LESSON, SERIES, SERIES):
            home.wait(20)
            home.beat(session=session.id, title=title)
        assert [
            (one.title_id, one.kind, one.credited_ms) for _, one in sorted(home.slices.items())
        ] == [
            (FILM, SliceKind.COUNTED, 20_000),
            (LESSON, SliceKind.EXEMPT, 20_000),
            (SERIES, SliceKind.COUNTED, 20_000),
        ]

    def test_an_exempt_title_plays_on_when_the_limit_is_used_up(self) -> None:
        home = Home(policy=Policy(weekday_limit_minutes=0))
        answer = home.beat(title=LESSON)
        assert answer.session is not None
        assert answer.decision is not None
        assert answer.decision.enforcement is Enforcement.ALLOWED
        home.wait(30)
        answer = home.beat(session=answer.session.id, title=FILM)
        assert answer.decision is not None
        assert answer.decision.enforcement is Enforcement.BLOCKED
