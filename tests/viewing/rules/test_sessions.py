"""One stream per child: takeovers, start keys, silence, the end call and refusals."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from tests.viewing.rules.home import LESSON, NOON, Home
from watchkeeper.viewing.policy_types import Policy
from watchkeeper.viewing.types import EndReason, Enforcement, Outcome, PlayState, Session

PLAYING, PAUSED, BUFFERING, ENDED = PlayState


def start(home: Home, device_id: str = "tv", **named: str) -> Session:
    answer = home.beat(device_id, **named)  # type: ignore[arg-type]
    assert answer.outcome is Outcome.STARTED
    assert answer.session is not None
    return answer.session


class TestTakeover:
    def test_the_device_that_lost_is_told_by_whom(self) -> None:
        home = Home()
        lost = start(home)
        home.wait(10)
        answer = home.beat("tablet")
        assert [one.id for one in answer.superseded] == [lost.id]
        home.wait(10)
        told = home.beat("tv", session=lost.id)
        assert told.outcome is Outcome.SESSION_SUPERSEDED
        assert told.session is not None
        assert told.session.superseded_by_device_name == "the tablet"
        assert not told.has_writes

    @pytest.mark.parametrize(
        ("quiet", "counted", "forgiven"),
        [(0, 0, 0), (29, 29, 0), (30, 30, 0), (100, 30, 70), (150, 30, 120), (299, 30, 120)],
    )
    def test_charges_30_seconds_and_doubts_the_rest(
        self, quiet: int, counted: int, forgiven: int
    ) -> None:
        home = Home()
        lost = start(home)
        home.wait(quiet)
        start(home, "tablet")
        assert (home.counted_s, home.forgiven_s) == (counted, forgiven)
        ended = home.sessions[lost.id]
        assert ended.end_reason is EndReason.SUPERSEDED
        assert ended.ended_at == NOON + timedelta(seconds=counted)
        assert ended.forgiven_ms == forgiven * 1000

    def test_doubt_beyond_300_seconds_a_day_is_charged(self) -> None:
        home = Home()
        for _ in range(4):
            start(home)
            home.wait(150)
        start(home)
        assert home.forgiven_s == 300
        assert home.counted_s == 600 - 300

    def test_a_session_ends_at_the_end_of_what_was_charged(self) -> None:
        """Of the third doubt 60 s are forgiven and 60 s charged, next to the certain 30 s."""
        home = Home()
        for _ in range(3):
            third = start(home)
            began = home.now
            home.wait(150)
        start(home)
        (piece,) = (one for key, one in home.slices.items() if key[0] == third.id)
        assert (piece.starts_at, piece.credited_ms) == (began, 90_000)
        assert home.sessions[third.id].ended_at == piece.ends_at == began + timedelta(seconds=90)

    @pytest.mark.parametrize("state", [PAUSED, BUFFERING, ENDED])
    def test_a_session_that_did_not_play_costs_nothing(self, state: PlayState) -> None:
        home = Home()
        home.beat(state=state)
        home.wait(100)
        start(home, "tablet")
        assert (home.counted_s, home.forgiven_s) == (0, 0)

    def test_a_blocked_session_costs_nothing(self) -> None:
        home = Home(policy=Policy(weekday_limit_minutes=0))
        start(home)
        home.wait(100)
        start(home, "tablet")
        assert (home.counted_s, home.forgiven_s) == (0, 0)

    def test_an_exempt_title_uses_no_forgiveness(self) -> None:
        home = Home()
        home.beat(title=LESSON)
        home.wait(100)
        start(home, "tablet")
        assert (home.exempt_s, home.counted_s, home.forgiven_s) == (30, 0, 0)

    def test_also_the_same_device_takes_over_from_itself(self) -> None:
        home = Home()
        lost = start(home)
        home.wait(29)
        start(home)
        assert home.counted_s == 29
        assert home.beat(session=lost.id).outcome is Outcome.SESSION_SUPERSEDED

    def test_a_session_that_was_silent_ends_as_silent_with_or_without_the_reaper(self) -> None:
        homes = Home(), Home()
        for home in homes:
            start(home)
            home.wait(301)
        homes[0].reap()
        for home in homes:
            assert start(home, "tablet").is_open
            assert (home.counted_s, home.forgiven_s) == (0, 150)

    def test_a_device_renamed_meanwhile_shows_its_new_name(self) -> None:
        home = Home()
        session = start(home)
        home.sessions[session.id] = replace(session, device_name="the old name")
        told = home.beat(session=session.id).session
        assert told is not None
        assert told.device_name == "the tv"


class TestStartKey:
    def test_a_retry_is_the_same_session_and_supersedes_nothing(self) -> None:
        home = Home()
        first = start(home, start_key="k1")
        home.wait(3)
        answer = home.beat(start_key="k1")
        assert answer.outcome is Outcome.START_REPEATED
        assert answer.session == first
        assert answer.decision is not None
        assert len(home.sessions) == 1

    def test_a_retry_with_risen_counters_is_a_heartbeat(self) -> None:
        home = Home()
        home.beat(start_key="k1", counters=(1, 0, 0))
        home.wait(30)
        answer = home.beat(start_key="k1", counters=(2, 30_000, 0))
        assert answer.outcome is Outcome.ACCEPTED
        assert home.counted_s == 30

    def test_a_retry_after_a_takeover_does_not_take_it_back(self) -> None:
        home = Home()
        start(home, start_key="k1")
        start(home, "tablet", start_key="k1")
        assert home.beat(start_key="k1").outcome is Outcome.SESSION_SUPERSEDED

    def test_retrying_for_ever_is_not_free(self) -> None:
        home = Home()
        start(home, start_key="k1")
        home.wait(153)
        assert home.beat(start_key="k1").outcome is Outcome.SESSION_ENDED


class TestRefusals:
    def test_an_unknown_session(self) -> None:
        answer = Home().beat(session=uuid4())
        assert answer.outcome is Outcome.SESSION_UNKNOWN
        assert not answer.has_writes

    @pytest.mark.parametrize("is_over", [False, True])
    def test_another_devices_session(self, is_over: bool) -> None:
        home = Home()
        session = start(home)
        if is_over:
            home.end(session.id)
        answer = home.beat("tablet", session=session.id)
        assert answer.outcome is Outcome.DEVICE_CONFLICT
        assert not answer.has_writes


class TestSilence:
    @pytest.mark.parametrize(("grace", "limit"), [(0, 300), (120, 300), (240, 300), (900, 960)])
    def test_closes_a_session(self, grace: int, limit: int) -> None:
        home = Home(policy=Policy(weekday_limit_minutes=None, grace_seconds=grace))
        session = start(home)
        home.wait(limit - 0.001)
        assert not home.reap().has_writes
        home.wait(0.001)
        answer = home.reap()
        assert [one.id for one in answer.changed_sessions] == [session.id]
        late = home.beat(session=session.id)
        assert late.outcome is Outcome.SESSION_ENDED
        assert home.forgiven_s == min(grace + 30, 300)

    def test_the_heartbeat_that_comes_too_late_closes_it_too(self) -> None:
        home = Home()
        session = start(home)
        home.wait(300)
        assert home.beat(session=session.id).outcome is Outcome.SESSION_ENDED
        ended = home.sessions[session.id]
        assert (ended.end_reason, ended.ended_at) == (EndReason.SILENT, NOON)

    def test_ends_at_the_last_heartbeat_and_what_was_charged(self) -> None:
        home = Home()
        for _ in range(2):
            start(home)
            home.wait(300)
        assert home.forgiven_s == 150
        session = start(home)
        assert home.forgiven_s == 300
        began = home.now
        home.wait(300)
        home.reap()
        ended = home.sessions[session.id]
        assert ended.counted_ms == 150_000
        assert ended.ended_at == began + timedelta(seconds=150)


class TestEnd:
    def test_credits_the_tail(self) -> None:
        home = Home()
        session = start(home)
        home.wait(20)
        answer = home.end(session.id)
        assert answer.outcome is Outcome.CLOSED
        assert answer.session is not None
        assert answer.session.total_ms == 20_000
        assert answer.session.ended_at == home.now

    def test_credits_the_tail_by_counters(self) -> None:
        home = Home()
        session = home.beat(counters=(1, 0, 0)).session
        assert session is not None
        home.wait(20)
        home.end(session.id, counters=(2, 12_000, 8_000))
        assert home.counted_s == 20

    @pytest.mark.parametrize("counters", [None, (1, 0, 0), (0, 99_000, 0)])
    def test_old_counters_do_not_make_the_tail_free(
        self, counters: tuple[int, int, int] | None
    ) -> None:
        home = Home()
        session = home.beat(counters=(1, 0, 0)).session
        assert session is not None
        home.wait(25)
        home.end(session.id, counters=counters)
        assert home.counted_s == 25

    def test_may_be_repeated(self) -> None:
        home = Home()
        session = start(home)
        home.wait(20)
        first = home.end(session.id)
        home.wait(20)
        again = home.end(session.id)
        assert again.outcome is Outcome.CLOSED
        assert again.session == first.session
        assert not again.has_writes

    def test_of_a_session_that_was_silent_ends_it_as_silent(self) -> None:
        home = Home()
        session = start(home)
        home.wait(1000)
        home.end(session.id)
        assert home.sessions[session.id].end_reason is EndReason.SILENT

    def test_of_an_unknown_session(self) -> None:
        assert Home().end(UUID(int=1)).outcome is Outcome.SESSION_UNKNOWN

    def test_a_heartbeat_after_it_is_refused(self) -> None:
        home = Home()
        session = start(home)
        home.end(session.id)
        assert home.beat(session=session.id).outcome is Outcome.SESSION_ENDED


class TestDecisionLog:
    def test_keeps_changes_only(self) -> None:
        home = Home(policy=Policy(weekday_limit_minutes=15))
        home.today()
        home.grant(-13)
        session = start(home)
        for _ in range(5):
            home.wait(30)
            home.beat(session=session.id)
        assert home.decisions == [(Enforcement.WARNING_5, "tv"), (Enforcement.BLOCKED, "tv")]

    def test_a_reload_is_no_change_and_another_device_is(self) -> None:
        home = Home()
        start(home)
        start(home)
        start(home, "tablet")
        assert home.decisions == [(Enforcement.ALLOWED, "tv"), (Enforcement.ALLOWED, "tablet")]
