"""Credit at the edges of days, with a clock that was wrong, and for adults."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from tests.viewing.rules.home import FILM, LESSON, NOON, SERIES, Home
from watchkeeper.viewing.policy_types import DaySettings, Policy
from watchkeeper.viewing.types import EndReason, Enforcement, Outcome, PlayState

PLAYING, PAUSED = PlayState.PLAYING, PlayState.PAUSED


class TestDayEdges:
    def test_a_stretch_over_the_reset_is_split(self) -> None:
        home = Home(now=datetime(2026, 11, 19, 5, 59, 50, tzinfo=UTC))
        session = home.beat().session
        assert session is not None
        home.wait(30)
        home.beat(session=session.id)
        assert [home.days[start].counted_ms for start in sorted(home.days)] == [10_000, 20_000]
        assert [one.credited_ms for _, one in sorted(home.slices.items())] == [10_000, 20_000]

    def test_credit_short_of_the_stretch_lies_against_its_end(self) -> None:
        home = Home(now=datetime(2026, 11, 19, 5, 59, 50, tzinfo=UTC))
        session = home.beat(counters=(1, 0, 0)).session
        assert session is not None
        home.wait(30)
        home.beat(session=session.id, counters=(2, 15_000, 0))
        assert [home.days[start].counted_ms for start in sorted(home.days)] == [0, 15_000]

    def test_only_what_exceeds_the_elapsed_time_lies_before_the_reset(self) -> None:
        home = Home(now=datetime(2026, 11, 19, 5, 59, 0, tzinfo=UTC))
        session = home.beat(counters=(1, 0, 0)).session
        assert session is not None
        home.wait(60)
        home.beat(session=session.id, counters=(2, 20_000, 0))
        home.wait(10)
        home.beat(session=session.id, counters=(3, 60_000, 0))
        assert [home.days[start].counted_ms for start in sorted(home.days)] == [50_000, 10_000]

    def test_the_counted_part_of_a_pause_lies_at_its_beginning(self) -> None:
        home = Home(now=datetime(2026, 11, 19, 5, 55, 10, tzinfo=UTC))
        session = home.beat(state=PAUSED).session
        assert session is not None
        home.wait(280)
        home.beat(session=session.id, state=PAUSED)
        home.wait(60)
        home.beat(session=session.id, state=PAUSED)
        assert [home.days[start].counted_ms for start in sorted(home.days)] == [290_000, 10_000]

    @pytest.mark.parametrize(("before", "after"), [(PLAYING, PAUSED), (PAUSED, PLAYING)])
    def test_play_and_pause_of_one_stretch_lie_in_their_order(
        self, before: PlayState, after: PlayState
    ) -> None:
        """Of 40 s around the reset 10 s were played and 20 s paused, of which 10 s still count.
        The uncounted 10 s lie behind the counted part of the pause, in the new day."""
        home = Home(now=datetime(2026, 11, 19, 5, 59, 40, tzinfo=UTC))
        session = home.beat(counters=(1, 0, 0), state=before).session
        assert session is not None
        home.sessions[session.id] = replace(session, pause_counted_ms=290_000)
        home.wait(40)
        home.beat(session=session.id, counters=(2, 10_000, 20_000), state=after)
        charged = [home.days[start].counted_ms for start in sorted(home.days)]
        assert charged == [10_000, 10_000]

    @pytest.mark.parametrize(("first", "second"), [(FILM, SERIES), (LESSON, FILM), (FILM, LESSON)])
    def test_a_day_never_holds_more_than_has_passed_of_it(self, first: UUID, second: UUID) -> None:
        """Time that was held back before the reset can't be caught up twice after it."""
        home = Home(now=datetime(2026, 11, 19, 5, 58, tzinfo=UTC))
        session = home.beat(counters=(1, 0, 0), title=first).session
        assert session is not None
        home.wait(120)
        home.beat(session=session.id, counters=(2, 0, 0), title=first)
        home.wait(30)
        home.beat(session=session.id, counters=(3, 60_000, 0), title=second)
        home.wait(30)
        home.beat(session=session.id, counters=(4, 120_000, 0), title=second)
        old, new = (home.days[start] for start in sorted(home.days))
        assert old.counted_ms + old.exempt_ms == 30_000
        assert new.counted_ms + new.exempt_ms == 60_000
        assert new.written_off_ms == 30_000

    def test_the_new_day_decides(self) -> None:
        home = Home(
            policy=Policy(weekday_limit_minutes=15),
            now=datetime(2026, 11, 19, 5, 45, tzinfo=UTC),
        )
        session = home.beat().session
        assert session is not None
        for seconds in [60] * 14 + [55]:
            home.wait(seconds)
            answer = home.beat(session=session.id)
        assert answer.decision is not None
        assert answer.decision.remaining_ms == 5_000
        home.wait(30)
        answer = home.beat(session=session.id)
        assert answer.decision is not None
        # Five seconds of the old day were left, and the old day took exactly these.
        assert answer.decision.enforcement is Enforcement.WARNING_15
        assert answer.decision.used_ms == 25_000

    def test_days_of_absence_have_rows_too(self) -> None:
        home = Home()
        home.beat()
        home.wait(5 * 86_400)
        home.beat("tablet")
        assert len(home.days) == 6

    def test_a_zone_changed_in_mid_day_changes_the_next_day_only(self) -> None:
        home = Home(policy=Policy(weekday_limit_minutes=15))
        session = home.beat(counters=(1, 0, 0)).session
        assert session is not None
        home.day_settings = DaySettings("America/New_York", 20)
        home.wait(30)
        answer = home.beat(session=session.id, counters=(2, 30_000, 0))
        assert answer.decision is not None
        assert answer.decision.next_reset_at == datetime(2026, 11, 19, 6, tzinfo=UTC)
        assert len(home.days) == 1


class TestClockThatWasWrong:
    @pytest.mark.parametrize("counters", [None, (2, 60_000, 0)])
    def test_an_instant_in_the_future_is_reset_with_credit_0(
        self, counters: tuple[int, int, int] | None
    ) -> None:
        home = Home()
        session = home.beat(counters=counters and (1, 0, 0)).session
        assert session is not None
        home.wait(-3600)
        answer = home.beat(session=session.id, counters=counters)
        assert answer.outcome is Outcome.ACCEPTED
        assert home.counted_s == 0
        assert answer.session is not None
        assert answer.session.last_accepted_at == home.now
        home.wait(30)
        home.beat(session=session.id, counters=counters and (3, 90_000, 0))
        assert home.counted_s == 30

    def test_what_was_held_back_before_is_not_caught_up_after(self) -> None:
        home = Home()
        session = home.beat(counters=(1, 0, 0)).session
        assert session is not None
        home.wait(60)
        home.beat(session=session.id, counters=(2, 0, 0))
        home.wait(-3600)
        home.beat(session=session.id, counters=(3, 0, 0))
        home.wait(10)
        home.beat(session=session.id, counters=(4, 60_000, 0))
        assert home.counted_s == 10

    def test_a_takeover_from_the_future_charges_nothing(self) -> None:
        home = Home()
        first = home.beat().session
        assert first is not None
        home.wait(-60)
        home.beat("tablet")
        assert home.counted_s == 0
        assert home.sessions[first.id].ended_at == home.now

    def test_credit_from_the_future_is_left_alone(self) -> None:
        home = Home()
        session = home.beat().session
        assert session is not None
        for seconds in (60, -3600, 30):
            home.wait(seconds)
            home.beat(session=session.id)
        kept, new = (one for _, one in sorted(home.slices.items()))
        assert (kept.starts_at, kept.credited_ms) == (NOON, 60_000)
        assert (new.ends_at, new.credited_ms) == (home.now, 30_000)


class TestAdults:
    def test_are_counted_but_never_limited_or_superseded(self) -> None:
        home = Home(is_child=False, policy=Policy(weekday_limit_minutes=0))
        starts = home.beat("tv"), home.beat("tablet")
        assert [one.decision_entry for one in starts] == [None, None]
        tv, tablet = (one.session for one in starts)
        assert tv is not None
        assert tablet is not None
        for _ in range(3):
            home.wait(30)
            for one in (tv, tablet):
                answer = home.beat(one.device_id, session=one.id)
                assert answer.decision is not None
                assert answer.decision.enforcement is Enforcement.ALLOWED
                assert answer.decision.remaining_ms is None
                assert answer.decision_entry is None
        assert home.counted_s == 180

    def test_silence_costs_them_nothing(self) -> None:
        home = Home(is_child=False)
        session = home.beat().session
        assert session is not None
        home.wait(301)
        answer = home.beat(session=session.id)
        assert answer.outcome is Outcome.SESSION_ENDED
        assert home.sessions[session.id].end_reason is EndReason.SILENT
        assert (home.counted_s, home.forgiven_s) == (0, 0)
