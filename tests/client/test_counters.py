"""The cumulative counters of a player."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.client.counters import PlayCounters
from watchkeeper.client.types import PlayState

SECOND = timedelta(seconds=1)
states = st.sampled_from(list(PlayState))
stretches = st.lists(st.tuples(states, st.timedeltas(timedelta(0), 700 * SECOND)), max_size=30)


@given(stretches, st.timedeltas(timedelta(0), 10**6 * SECOND))
def test_counters_hold_the_wall_time_of_each_state(
    history: list[tuple[PlayState, timedelta]], start: timedelta
) -> None:
    counters, now = PlayCounters(start), start
    for state, stretch in history:
        now += stretch
        counters.advance(now, state)
    spent = {state: timedelta(0) for state in PlayState}
    for state, stretch in history:
        spent[state] += stretch
    assert counters.played == spent[PlayState.PLAYING]
    assert counters.paused == spent[PlayState.PAUSED] + spent[PlayState.BUFFERING]
    assert counters.played <= counters.charged <= counters.played + counters.paused


@given(stretches)
def test_counters_never_go_back_even_if_the_clock_does(
    history: list[tuple[PlayState, timedelta]],
) -> None:
    counters = PlayCounters(1000 * SECOND)
    before = counters.reading(1)
    for state, instant in history:
        counters.advance(700 * SECOND + instant, state)
        after = counters.reading(1)
        assert after.played_ms >= before.played_ms
        assert after.paused_ms >= before.paused_ms
        before = after


def test_each_pause_is_charged_for_300_seconds_at_most() -> None:
    counters = PlayCounters(timedelta(0))
    counters.advance(200 * SECOND, PlayState.PAUSED)
    counters.advance(400 * SECOND, PlayState.BUFFERING)
    assert counters.charged == 300 * SECOND
    assert not counters.is_charging(PlayState.PAUSED)
    counters.advance(401 * SECOND, PlayState.PLAYING)
    counters.advance(500 * SECOND, PlayState.PAUSED)
    assert counters.charged == 400 * SECOND
    assert counters.is_charging(PlayState.PAUSED)
    assert not counters.is_charging(PlayState.ENDED)
