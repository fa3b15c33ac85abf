"""Whatever the child and the network do: the charge is what was on the screen, and no more."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.client.stage import FILM, LESSON, Stage, staged
from watchkeeper.client import Phase, PlayState

LIMIT_SECONDS = 600.0
GRACE_SECONDS = 60


@dataclass(frozen=True)
class Step:
    """Something happens, and then time passes."""

    what: str
    seconds: float


DEEDS: dict[str, Callable[[Stage], Awaitable[None]]] = {
    "play": lambda stage: stage.plays(FILM),
    "other title": lambda stage: stage.plays(LESSON),
    "pause": lambda stage: stage.does(PlayState.PAUSED),
    "buffer": lambda stage: stage.does(PlayState.BUFFERING),
    "press play": lambda stage: stage.presses_play(),
}

steps = st.lists(
    st.builds(
        Step,
        st.sampled_from([*DEEDS, "ask", "cut", "mend", "lose", "slow", "grant", "nothing"]),
        st.floats(0, 90).map(lambda seconds: round(seconds, 3)),
    ),
    max_size=15,
)


async def perform(stage: Stage, step: Step) -> None:
    if step.what in DEEDS:
        await DEEDS[step.what](stage)
    match step.what:
        case "ask":
            stage.loop.ask_now()
        case "cut" | "mend":
            stage.wire.is_cut = step.what == "cut"
            stage.wire.loses_answers = False
            stage.wire.delay_seconds = 0
        case "lose":
            stage.wire.loses_answers = True
        case "slow":
            stage.wire.delay_seconds = 7
        case "grant":
            assert stage.service.limit_ms is not None
            stage.service.limit_ms += 60_000
    await stage.passes(step.seconds)


async def live_through(history: list[Step]) -> None:
    async with staged(limit_ms=LIMIT_SECONDS * 1000, grace_seconds=GRACE_SECONDS) as stage:
        await stage.plays()
        for step in history:
            await perform(stage, step)
        await perform(stage, Step("mend", 45))
        await perform(stage, Step("pause", 45))
        limit = stage.service.limit_ms
        assert limit is not None
        charged, watched = stage.service.used_ms / 1000, stage.watched_seconds
        flips = len(stage.outcomes) + len(history)
        assert charged <= watched + 0.002 * flips + 0.01
        assert charged >= watched - 0.01
        # Nothing plays past the allowance, but for the end of the last heartbeat's reach.
        assert watched <= limit / 1000 + 1
        assert all(o.phase is not Phase.BLOCKED or o.reason == "limit" for o in stage.outcomes)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_the_charge_is_what_was_on_the_screen(history: list[Step]) -> None:
    asyncio.run(live_through(history))
