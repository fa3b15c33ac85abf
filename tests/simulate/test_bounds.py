"""What a child may be charged, for players whose every request is known."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from uuid import UUID

import pytest

from watchkeeper.client import PlayState
from watchkeeper.simulate.bounds import (
    CLOCKS_DRIFT,
    FORGIVEN_A_DAY,
    ROUNDING,
    Expectation,
    expect,
)
from watchkeeper.simulate.evidence import Arrival, Call, Delivery, Evidence, RequestKey, Stamp
from watchkeeper.simulate.interval import Interval
from watchkeeper.simulate.judgement import Charges, Summary, Verdict

FILM, LESSON = UUID(int=1), UUID(int=2)
WAY = 0.01
ACCEPTED, UNKNOWN, PASSED_OVER = Arrival.ACCEPTED, Arrival.UNKNOWN, Arrival.PASSED_OVER


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


class Story:
    """Requests of one child, as they arrived; each takes a hundredth of a second."""

    def __init__(self, *, grace: float = 120) -> None:
        self.evidence = Evidence(seconds(grace))
        self._numbers: Iterator[int] = count(1)

    def beat(
        self,
        session: str,
        at: float,
        watched: float,
        *,
        state: PlayState = PlayState.PLAYING,
        title: UUID = FILM,
        arrival: Arrival = ACCEPTED,
        is_playing: bool = True,
        way: float = WAY,
    ) -> None:
        stamp = Stamp(Call.BEAT, seconds(watched), state, title, is_playing)
        self._add(session, stamp, at, arrival, way)

    def end(self, session: str, at: float, watched: float, *, arrival: Arrival = ACCEPTED) -> None:
        stamp = Stamp(Call.END, seconds(watched), PlayState.ENDED, None, False)
        self._add(session, stamp, at, arrival, WAY)

    def _add(self, session: str, stamp: Stamp, at: float, arrival: Arrival, way: float) -> None:
        key = RequestKey(session, next(self._numbers))
        self.evidence.stamps[key] = stamp
        self.evidence.deliveries[key].append(Delivery(arrival, seconds(at), seconds(at + way)))

    def expected(self, now: float = 100) -> Expectation:
        return expect(self.evidence, {LESSON}, seconds(now))


def about(interval: Interval, low: float, high: float, *, slack: timedelta = ROUNDING) -> bool:
    """Whether the bounds are these, give or take the rounding that they allow for themselves."""
    return (
        seconds(low) - slack <= interval.low <= seconds(low)
        and seconds(high) <= interval.high <= seconds(high) + slack
    )


def test_what_was_watched_from_the_first_request_to_the_end_is_charged_exactly() -> None:
    story = Story()
    story.beat("a", 0, 0, is_playing=False)
    story.beat("a", 30, 30)
    story.end("a", 42, 42)
    expected = story.expected()
    assert about(expected.counted, 42, 42)
    assert about(expected.exempt, 0, 0)
    assert expected.forgiven.high == timedelta(0)


def test_each_title_is_charged_from_when_it_was_reported() -> None:
    story = Story()
    story.beat("a", 0, 0, is_playing=False)
    story.beat("a", 10, 10, title=LESSON)
    story.beat("a", 25, 25)
    story.end("a", 30, 30)
    expected = story.expected()
    assert about(expected.counted, 15, 15)
    assert about(expected.exempt, 15, 15)


def test_a_repeated_request_is_charged_once_and_counts_from_its_first_arrival() -> None:
    story = Story()
    story.beat("a", 0, 0, is_playing=False)
    story.beat("a", 10, 10)
    last = list(story.evidence.stamps)[-1]
    story.evidence.deliveries[last].append(Delivery(ACCEPTED, seconds(18), seconds(18.01)))
    story.beat("b", 20, 10, is_playing=False)
    # 10 s of the takeover, not 2: a repetition isn't a sign of life.
    assert about(story.expected(20).counted, 20, 20, slack=ROUNDING * 2 + CLOCKS_DRIFT * 2)


def test_what_was_passed_over_adds_nothing() -> None:
    story = Story()
    story.beat("a", 0, 0, is_playing=False)
    story.end("a", 10, 10)
    story.beat("a", 20, 20, arrival=PASSED_OVER)
    assert about(story.expected().counted, 10, 10)


@pytest.mark.parametrize(
    ("gap", "charged", "forgiven"),
    [(8, 8, 0), (30, 30, 0), (50, 30, 20), (149, 30, 119), (160, 30, 120), (290, 30, 120)],
)
def test_a_takeover_charges_30_seconds_and_forgives_the_rest_up_to_the_grace(
    gap: float, charged: float, forgiven: float
) -> None:
    story = Story(grace=120)
    story.beat("a", 0, 0, is_playing=False)
    story.beat("a", 10, 10)
    story.beat("b", 10 + gap, 10, is_playing=False)
    expected = story.expected(10 + gap)
    slack = ROUNDING * 2 + CLOCKS_DRIFT + seconds(2 * WAY)
    for bound in (expected.counted.low, expected.counted.high):
        assert abs(bound - seconds(10 + charged)) <= slack
    for bound in (expected.forgiven.low, expected.forgiven.high):
        assert abs(bound - seconds(forgiven)) <= slack


def test_a_paused_player_that_is_taken_over_leaves_nothing_unreported() -> None:
    story = Story()
    story.beat("a", 0, 0, is_playing=False)
    story.beat("a", 10, 10, state=PlayState.PAUSED)
    story.beat("b", 40, 10, is_playing=False)
    story.end("b", 41, 11)
    assert about(story.expected().counted, 11, 11, slack=ROUNDING * 2)


def test_a_lesson_that_is_taken_over_is_in_no_doubt() -> None:
    story = Story()
    story.beat("a", 0, 0, is_playing=False, title=LESSON)
    story.beat("a", 10, 10, title=LESSON)
    story.beat("b", 70, 10, is_playing=False)
    expected = story.expected()
    assert about(expected.exempt, 40, 40, slack=ROUNDING * 2)
    assert expected.forgiven.high == timedelta(0)


def test_doubt_beyond_300_seconds_a_day_is_charged() -> None:
    story = Story(grace=120)
    for number in range(4):
        at = number * 200.0
        story.beat(f"s{number}", at, number * 10, is_playing=False)
        story.beat(f"s{number}", at + 10, number * 10 + 10)
    story.beat("last", 800, 40, is_playing=False)
    expected = story.expected(800)
    # Four sessions of 10 s, 30 s of each takeover, and of 4 × 120 s of doubt 180 are charged.
    assert about(expected.counted, 40 + 120 + 180, 340, slack=seconds(1))
    assert expected.forgiven == Interval.exactly(FORGIVEN_A_DAY)


def test_a_session_that_fell_silent_is_all_doubt() -> None:
    story = Story(grace=120)
    story.beat("a", 0, 0, is_playing=False)
    story.beat("a", 10, 10)
    story.beat("b", 400, 10, is_playing=False)
    expected = story.expected(400)
    assert about(expected.counted, 10, 10, slack=ROUNDING * 2)
    assert about(expected.forgiven, 150, 150)


def test_a_last_request_without_an_answer_leaves_both_possibilities_open() -> None:
    story = Story()
    story.beat("a", 0, 0, is_playing=False)
    story.beat("a", 10, 10)
    story.beat("a", 20, 20, arrival=UNKNOWN)
    assert about(story.expected(21).counted, 10, 20)


def test_an_end_without_an_answer_may_have_spared_the_takeover() -> None:
    story = Story()
    story.beat("a", 0, 0, is_playing=False)
    story.end("a", 10, 10, arrival=UNKNOWN)
    story.beat("b", 25, 10, is_playing=False)
    # Either it ended with 10 s, or it was taken over after 25 s with none reported.
    assert about(
        story.expected(25).counted, 10, 25, slack=ROUNDING * 2 + CLOCKS_DRIFT + seconds(WAY)
    )


def test_an_end_that_came_after_the_takeover_adds_nothing() -> None:
    story = Story()
    story.beat("a", 0, 0, is_playing=False)
    story.beat("a", 10, 10, state=PlayState.PAUSED)
    story.beat("b", 20, 10, is_playing=False)
    story.end("a", 30, 25)
    story.end("b", 31, 21)
    assert about(story.expected().counted, 21, 21, slack=ROUNDING * 2)


def test_a_player_that_plays_while_its_session_begins_may_lose_the_first_way() -> None:
    story = Story()
    story.beat("a", 0, 0, is_playing=True, way=2)
    story.end("a", 10, 10)
    assert about(story.expected().counted, 8, 10)


def test_a_start_of_which_nobody_heard_may_have_taken_over_and_been_taken_over() -> None:
    story = Story()
    story.beat("a", 0, 0, is_playing=False, arrival=UNKNOWN)
    expected = story.expected()
    assert expected.counted.low == timedelta(0)
    assert expected.counted.high == seconds(60)


def verdict_of(story: Story, *, watched: float, counted: float, exempt: float = 0) -> Verdict:
    charges = Charges(seconds(counted), seconds(exempt), timedelta(0))
    return Verdict(UUID(int=9), seconds(120), seconds(watched), charges, story.expected())


@pytest.mark.parametrize(
    ("counted", "exempt", "beyond"),
    [(42, 0, 0), (43, 0, 1), (41, 0, -1), (0, 42, 42), (32, 10, -10)],
)
def test_a_charge_outside_of_the_bounds_is_named(
    counted: float, exempt: float, beyond: float
) -> None:
    story = Story()
    story.beat("a", 0, 0, is_playing=False)
    story.end("a", 42, 42)
    verdict = verdict_of(story, watched=42, counted=counted, exempt=exempt)
    assert abs(abs(verdict.beyond) - abs(seconds(beyond))) <= ROUNDING * 2
    assert verdict.is_within is (beyond == 0)


def test_one_wronged_child_makes_the_run_unfair_and_comes_first() -> None:
    story = Story()
    story.beat("a", 0, 0, is_playing=False)
    story.end("a", 42, 42)
    right = verdict_of(story, watched=42, counted=42)
    wronged = verdict_of(story, watched=42, counted=42.1)
    summary = Summary([right, right, wronged])
    assert not summary.is_fair
    assert summary.within == 2
    assert summary.worst(1) == [wronged]
    assert Summary([right]).is_fair
