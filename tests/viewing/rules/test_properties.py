"""What holds for every history: the bounds that loss, repetition, disorder and jitter keep to."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.viewing.rules.home import FILM, LESSON, Home
from watchkeeper.viewing.policy_types import DaySettings, Policy
from watchkeeper.viewing.types import Outcome, PlayState

PLAYING = PlayState.PLAYING
BEFORE_RESET = datetime(2026, 11, 19, 5, 50, tzinfo=UTC)

milliseconds = st.one_of(
    st.integers(0, 2_000), st.integers(0, 40_000), st.integers(0, 400_000), st.integers(0, 10**8)
)
steps = st.tuples(
    st.sampled_from(["start", "beat", "beat", "beat", "beat", "end", "reap", "grant", "zone"]),
    milliseconds,
    st.sampled_from(["tv", "tablet"]),
    st.sampled_from(PlayState),
    st.sampled_from([FILM, FILM, LESSON, None]),
    st.one_of(st.none(), st.tuples(st.integers(-1, 2), milliseconds, milliseconds)),
)


@settings(max_examples=120, deadline=None)
@given(
    history=st.lists(steps, max_size=40),
    is_child=st.booleans(),
    grace=st.sampled_from([0, 7, 120, 900]),
    limit=st.sampled_from([None, 0, 15, 480]),
)
def test_any_history_keeps_the_books_in_order(
    history: list[tuple[str, int, str, PlayState, UUID | None, tuple[int, int, int] | None]],
    is_child: bool,
    grace: int,
    limit: int | None,
) -> None:
    """After each call the store checks: slices = days = sessions, nothing above the wall time, one
    open session, no hole between days, no slice outside of its day or longer than itself."""
    home = Home(
        policy=Policy(limit, limit, grace_seconds=grace), is_child=is_child, now=BEFORE_RESET
    )
    home.today()
    for step, elapsed_ms, device_id, state, title, gains in history:
        home.now += timedelta(milliseconds=elapsed_ms)
        known = [one for one in home.sessions.values() if one.device_id == device_id]
        if step == "start" or not known:
            counters = None if gains is None else (1, gains[1], gains[2])
            home.beat(device_id, state, title=title, counters=counters)
        elif step in ("beat", "end"):
            last = known[-1]
            counters = None
            if gains is not None:
                counters = (last.seq + gains[0], last.played_ms + gains[1], gains[2])
            if step == "beat":
                home.beat(device_id, state, session=last.id, title=title, counters=counters)
            else:
                home.end(last.id, counters)
        elif step == "reap":
            home.reap()
        elif step == "grant":
            home.grant(elapsed_ms % 240 + 1)
        else:
            home.today()
            home.day_settings = DaySettings("Asia/Kathmandu", elapsed_ms % 24)
    home.today()
    if not is_child:
        return
    first, last_day = min(home.days), max(home.days)
    assert home.counted_s + home.exempt_s <= (home.now - BEFORE_RESET).total_seconds()
    assert first <= BEFORE_RESET
    assert home.now < home.days[last_day].day.ends_at


@given(
    delays=st.lists(st.integers(0, 5_000), min_size=4, max_size=60),
    fates=st.lists(st.sampled_from(["lost", "once", "once", "twice"]), min_size=60, max_size=60),
)
@settings(max_examples=150, deadline=None)
def test_loss_repetition_and_disorder_change_nothing_for_players_with_counters(
    delays: list[int], fates: list[str]
) -> None:
    """A heartbeat each 30 s that takes up to 5 s on its way, may be lost (never more than three in
    a row) or come twice, the second time 40 s later and so out of order. The charge is the play up
    to the last one that arrived; at most the delay of the first heartbeat is missing."""
    home = Home()
    arrivals: list[tuple[int, int]] = []
    lost_in_a_row = 0
    for seq, (delay, fate) in enumerate(zip(delays, fates, strict=False), start=1):
        sent_ms = (seq - 1) * 30_000
        is_edge = seq in (1, len(delays))
        lost_in_a_row = lost_in_a_row + 1 if fate == "lost" and not is_edge else 0
        if lost_in_a_row and lost_in_a_row <= 3:
            continue
        lost_in_a_row = 0
        arrivals.append((sent_ms + delay, seq))
        if fate == "twice":
            arrivals.append((sent_ms + delay + 40_000, seq))
    arrivals.sort()
    began = home.now
    session: UUID | None = None
    for at_ms, seq in arrivals:
        home.now = began + timedelta(milliseconds=at_ms)
        answer = home.beat(session=session, counters=(seq, (seq - 1) * 30_000, 0))
        assert answer.session is not None
        session = answer.session.id
    truth_ms = (len(delays) - 1) * 30_000
    charged_ms = round(home.counted_s * 1000)
    assert truth_ms - delays[0] <= charged_ms <= truth_ms


@given(
    gaps=st.lists(st.integers(1, 90_000), min_size=1, max_size=40),
    extra=st.lists(st.integers(0, 3), min_size=40, max_size=40),
)
@settings(max_examples=80, deadline=None)
def test_loss_and_repetition_change_nothing_for_plain_players(
    gaps: list[int], extra: list[int]
) -> None:
    """As long as no gap is above 90 s, the charge is the time from the first to the last one."""
    home = Home()
    session: UUID | None = None
    for gap, repeats in zip([0, *gaps], [0, *extra], strict=False):
        home.now += timedelta(milliseconds=gap)
        for _ in range(1 + repeats):
            answer = home.beat(session=session)
            assert answer.session is not None
            session = answer.session.id
    assert home.counted_s * 1000 == pytest.approx(sum(gaps))


@given(
    beats=st.lists(
        st.tuples(st.integers(0, 290_000), st.integers(-(10**7), 10**9), st.integers(0, 10**9)),
        max_size=30,
    )
)
@settings(max_examples=100, deadline=None)
def test_no_counters_charge_more_than_the_wall_time_of_the_session(
    beats: list[tuple[int, int, int]],
) -> None:
    home = Home()
    session = home.beat(counters=(0, 10**7, 0)).session
    assert session is not None
    wall_ms = 0
    for seq, (gap, played, paused) in enumerate(beats, start=1):
        home.now += timedelta(milliseconds=gap)
        wall_ms += gap
        known = home.sessions[session.id]
        counters = (seq, max(0, known.played_ms + played), known.paused_ms + paused)
        answer = home.beat(session=session.id, counters=counters)
        assert answer.outcome is Outcome.ACCEPTED
        assert home.sessions[session.id].total_ms <= wall_ms


@given(
    jump=st.integers(1, 10**7),
    after=st.lists(st.integers(0, 60_000), min_size=1, max_size=10),
    with_counters=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_a_clock_that_was_ahead_charges_nothing_for_the_jump_back(
    jump: int, after: list[int], with_counters: bool
) -> None:
    """The session goes on, the jump itself is credited nothing, what follows at most itself."""
    home = Home(now=datetime(2026, 11, 19, 9, tzinfo=UTC))
    session = home.beat(counters=(1, 0, 0) if with_counters else None).session
    assert session is not None
    home.now += timedelta(milliseconds=jump + 1000)
    first = home.beat(counters=(1, 0, 0) if with_counters else None).session
    assert first is not None
    charged_ms = round(home.counted_s * 1000)
    home.now -= timedelta(milliseconds=jump)
    played_ms = 0
    for seq, gap in enumerate(after, start=2):
        home.now += timedelta(milliseconds=gap)
        played_ms += gap
        answer = home.beat(
            session=first.id, counters=(seq, played_ms, 0) if with_counters else None
        )
        assert answer.outcome is Outcome.ACCEPTED
    gained_ms = round(home.counted_s * 1000) - charged_ms
    assert gained_ms <= sum(after)


@given(
    granted=st.lists(st.integers(-60, 60).filter(bool), max_size=5),
    watched=st.lists(st.integers(1, 90), max_size=10),
)
@settings(max_examples=80, deadline=None)
def test_grants_never_change_usage(granted: list[int], watched: list[int]) -> None:
    with_grants, without = Home(), Home()
    for home in (with_grants, without):
        session = home.beat().session
        assert session is not None
        for index, seconds in enumerate(watched):
            home.wait(seconds)
            home.beat(session=session.id)
            if home is with_grants and index < len(granted):
                home.grant(granted[index])
    assert with_grants.slices == without.slices
    assert with_grants.counted_s == without.counted_s
