"""A player that obeys, in front of the stand-in service, in time that is moved by hand."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.client.clocks import HandClock, settle
from tests.client.contract_service import PROFILE_ID, TOKEN, ContractService, Wire
from watchkeeper.client import (
    DeviceType,
    HeartbeatLoop,
    Outcome,
    Phase,
    Player,
    PlayerSession,
    PlayState,
    Title,
    TitleRef,
    WatchkeeperClient,
)

FILM = TitleRef(source="mpv", id="film", name="A film")
LESSON = TitleRef(source="mpv", id="lesson", name="A lesson")


@dataclass
class Stage:
    """The player's own account of what was on the screen, beside what the service charged."""

    clock: HandClock
    service: ContractService
    wire: Wire
    outcomes: list[Outcome]
    loop: HeartbeatLoop = field(init=False)
    watched_seconds: float = 0.0
    _wants: PlayState = PlayState.ENDED
    _since: float = 0.0
    _is_moving: bool = False
    marks: list[tuple[float, Phase]] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        return self.loop.outcome

    def phase(self) -> Phase:
        return self.loop.outcome.phase

    @property
    def sent(self) -> list[dict[str, Any]]:
        return self.service.heartbeats

    def obey(self, outcome: Outcome) -> None:
        """What a player does with a new outcome."""
        self.outcomes.append(outcome)
        self.marks.append((self.clock.monotonic(), outcome.phase))
        self._look()

    def _look(self) -> None:
        now = self.clock.monotonic()
        if self._is_moving:
            self.watched_seconds += now - self._since
        self._since = now
        may_play = bool(self.outcomes) and self.outcomes[-1].may_play
        self._is_moving = may_play and self._wants is PlayState.PLAYING

    async def does(self, state: PlayState, title: Title | None = None) -> None:
        """The player changes what it does, and everything that follows at once happens."""
        self._look()
        self._wants = state
        self._look()
        self.loop.report(state, title)
        await settle()

    async def plays(self, title: Title = FILM) -> None:
        await self.does(PlayState.PLAYING, title)

    async def presses_play(self) -> None:
        """A person presses play, whether the player is held or not."""
        self._look()
        self._wants = PlayState.PLAYING
        self._look()
        self.loop.resume()
        await settle()

    async def passes(self, seconds: float) -> None:
        await self.clock.advance(seconds)
        self._look()

    def phase_began_at(self, phase: Phase) -> float:
        """When the last stretch of that phase began."""
        return next(at for at, known in reversed(self.marks) if known is phase)


@asynccontextmanager
async def staged(draw: float = 0.5, **knobs: Any) -> AsyncIterator[Stage]:
    """A stage whose loop runs; `knobs` are fields of the stand-in."""
    clock = HandClock()
    service = ContractService(now=clock.monotonic, **knobs)
    wire = Wire(service, clock.sleep)
    keys = count(1)
    session = PlayerSession(
        Player(PROFILE_ID, "d1", DeviceType.TV, "Living room"),
        draw=lambda: draw,
        new_key=lambda: f"key-{next(keys)}",
    )
    outcomes: list[Outcome] = []
    async with WatchkeeperClient("http://service", TOKEN, transport=wire) as client:
        stage = Stage(clock, service, wire, outcomes, _since=clock.monotonic())
        stage.loop = HeartbeatLoop(client, session, stage.obey, clock=clock)
        running = asyncio.create_task(stage.loop.run())
        await settle()
        try:
            yield stage
        finally:
            if running.done():
                running.result()
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
