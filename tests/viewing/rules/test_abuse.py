"""Tricks of players and children: none gains more than the 300 s that a day forgives."""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from tests.viewing.rules.home import FILM, LESSON, SERIES, Home
from watchkeeper.viewing.policy_types import Policy
from watchkeeper.viewing.types import Outcome, PlayState, Settlement

FORGIVEN_S = 300
PLAYING, PAUSED = PlayState.PLAYING, PlayState.PAUSED


@dataclass
class Watcher:
    """A child who really watches: it knows how many seconds the screen was on."""

    home: Home
    has_counters: bool
    watched_s: float = 0
    _seq: int = 0
    _played_ms: dict[UUID | None, int] = field(default_factory=dict)

    def watch(self, seconds: float, session: UUID | None = None) -> None:
        self.home.wait(seconds)
        self.watched_s += seconds
        self._played_ms[session] = self._played_ms.get(session, 0) + round(seconds * 1000)

    def counters(self, session: UUID | None) -> tuple[int, int, int] | None:
        if not self.has_counters:
            return None
        self._seq += 1
        return (self._seq, self._played_ms.get(session, 0), 0)

    def start(self, device_id: str = "tv", title: UUID = FILM) -> UUID:
        counters = (0, 0, 0) if self.has_counters else None
        answer = self.home.beat(device_id, counters=counters, title=title)
        assert answer.outcome is Outcome.STARTED
        assert answer.session is not None
        return answer.session.id

    def beat(
        self, session: UUID, device_id: str = "tv", title: UUID = FILM, state: PlayState = PLAYING
    ) -> Settlement:
        return self.home.beat(
            device_id, state, session=session, title=title, counters=self.counters(session)
        )


@pytest.fixture(params=[False, True], ids=["plain", "counters"])
def watcher(request: pytest.FixtureRequest) -> Watcher:
    return Watcher(Home(), has_counters=request.param)


def assert_not_free(watcher: Watcher, share: float = 1.0) -> None:
    """What was watched was charged but for the forgiven 300 s; never more than was watched."""
    watcher.start("the last one")
    assert watcher.home.forgiven_s <= FORGIVEN_S
    assert watcher.home.counted_s >= watcher.watched_s * share - FORGIVEN_S
    assert watcher.home.counted_s <= watcher.watched_s


@pytest.mark.parametrize("seconds", [5, 29, 30, 45, 100, 149])
def test_reloading_again_and_again(watcher: Watcher, seconds: int) -> None:
    for _ in range(60):
        watcher.start()
        watcher.watch(seconds)
    assert_not_free(watcher)


@pytest.mark.parametrize("seconds", [29, 60, 140])
def test_two_devices_taking_turns(watcher: Watcher, seconds: int) -> None:
    for _ in range(60):
        for device_id in ("tv", "tablet"):
            watcher.start(device_id)
            watcher.watch(seconds)
    assert_not_free(watcher)


@pytest.mark.parametrize("seconds", [4, 20, 85])
def test_short_clips_that_end_properly(watcher: Watcher, seconds: int) -> None:
    for _ in range(60):
        session = watcher.start()
        watcher.watch(seconds, session)
        watcher.home.end(session, watcher.counters(session))
    assert_not_free(watcher)
    assert watcher.home.counted_s == watcher.watched_s


@pytest.mark.parametrize("seconds", [20, 85])
def test_short_clips_that_end_with_the_counters_of_their_start(
    watcher: Watcher, seconds: int
) -> None:
    for _ in range(60):
        session = watcher.start()
        watcher.watch(seconds)
        watcher.home.end(session, (0, 0, 0) if watcher.has_counters else None)
    assert_not_free(watcher)


def test_repeating_an_old_seq() -> None:
    """The player follows what it is told, and starts anew when its session is refused. Between
    grace + 30 s (the most that unreported time can be) and grace + 33 s (the refusal) lie 3 s."""
    watcher = Watcher(Home(), has_counters=True)
    for _ in range(60):
        session = watcher.start()
        outcome = Outcome.STARTED
        pause_ms = 30_000
        while outcome is not Outcome.SESSION_ENDED:
            watcher.watch(pause_ms / 1000)
            answer = watcher.home.beat(session=session, counters=(0, 0, 0))
            outcome, pause_ms = answer.outcome, answer.next_beat_ms or 0
    assert_not_free(watcher, share=150 / 153)


def test_flipping_titles(watcher: Watcher) -> None:
    """Each stretch is charged to the title that was on, at whatever moment it is flipped."""
    session = watcher.start(title=FILM)
    shown, lessons_s = FILM, 0
    for turn in range(300):
        watcher.watch(7, session)
        lessons_s += 7 if shown == LESSON else 0
        shown = (LESSON, SERIES, FILM)[turn % 3]
        watcher.beat(session, title=shown)
    assert watcher.home.exempt_s == lessons_s == 700
    assert watcher.home.counted_s == watcher.watched_s - lessons_s


def test_flipping_titles_with_new_sessions(watcher: Watcher) -> None:
    for _ in range(60):
        watcher.start(title=FILM)
        watcher.watch(25)
        watcher.start(title=LESSON)
        watcher.home.wait(1)
    assert_not_free(watcher)


def back_in_the_session(watcher: Watcher, session: UUID) -> UUID:
    watcher.beat(session)
    return session


def back_with_a_reload(watcher: Watcher, session: UUID) -> UUID:
    del session
    return watcher.start()


def back_on_another_device(watcher: Watcher, session: UUID) -> UUID:
    device_id = "tablet" if watcher.home.sessions[session].device_id == "tv" else "tv"
    return watcher.start(device_id)


def back_after_silence(watcher: Watcher, session: UUID) -> UUID:
    """The player stops at the end of its grace; the child waits until the session is over."""
    del session
    watcher.home.wait(1200)
    return watcher.start()


def back_with_an_end_call(watcher: Watcher, session: UUID) -> UUID:
    watcher.home.end(session, watcher.counters(session))
    return watcher.start()


@pytest.mark.parametrize("grace", [0, 60, 120, 240, 900])
@pytest.mark.parametrize(
    "come_back",
    [
        back_in_the_session,
        back_with_a_reload,
        back_on_another_device,
        back_after_silence,
        back_with_an_end_call,
    ],
)
def test_pulling_the_network_for_the_length_of_the_grace(
    watcher: Watcher, grace: int, come_back: Callable[[Watcher, UUID], UUID]
) -> None:
    """The network goes just before a heartbeat is due, so that 30 s come on top."""
    watcher.home.policy = Policy(None, None, grace_seconds=grace)
    session = watcher.start()
    for _ in range(30):
        watcher.watch(grace + 30, session)
        session = come_back(watcher, session)
    assert_not_free(watcher)


def test_a_pause_before_each_reload_is_not_more_than_a_pause(watcher: Watcher) -> None:
    """Reporting a pause and reloading: what was played until the pause is charged in full."""
    for _ in range(60):
        session = watcher.start()
        watcher.watch(25, session)
        watcher.beat(session, state=PAUSED)
        watcher.home.wait(5)
    watcher.start("the last one")
    assert watcher.home.counted_s == watcher.watched_s


def test_toggling_the_pause_counts_every_pause(watcher: Watcher) -> None:
    home = watcher.home
    session = watcher.start()
    paused_ms = 0
    for turn in range(40):
        home.wait(20)
        paused_ms += 20_000 if turn % 2 else 0
        played_ms = 20_000 * (turn // 2 + 1)
        counters = (turn + 1, played_ms, paused_ms) if watcher.has_counters else None
        state = PLAYING if turn % 2 else PAUSED
        home.beat(session=session, state=state, counters=counters)
    assert home.counted_s == 800


def test_an_honest_child_loses_nothing_by_a_crash(watcher: Watcher) -> None:
    """Two crashes in a day, each with up to two minutes that nobody watched: all forgiven."""
    for _ in range(2):
        session = watcher.start()
        watcher.watch(30, session)
        watcher.beat(session)
        watcher.home.wait(1200)
    watcher.start()
    assert watcher.home.counted_s == watcher.watched_s
    assert watcher.home.forgiven_s == 300
