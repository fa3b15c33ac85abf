"""One simulated player: the client that real players use, in front of a stopwatch."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from random import Random
from uuid import UUID

from watchkeeper.client import (
    HeartbeatLoop,
    Outcome,
    Phase,
    Player,
    PlayState,
    WatchkeeperClient,
)
from watchkeeper.client.clock import PlayerClock
from watchkeeper.simulate.evidence import Evidence
from watchkeeper.simulate.witness import WitnessedSession

LEAVE_WITHIN = timedelta(seconds=4)


class SimulatedPlayer:
    """Plays from when it is made until it leaves or crashes."""

    def __init__(
        self,
        player: Player,
        client: WatchkeeperClient,
        evidence: Evidence,
        sessions: dict[str, str],
        *,
        chance: Random,
        clock: PlayerClock,
    ) -> None:
        self._clock = clock
        self._session = WitnessedSession(
            player, evidence, sessions, draw=chance.random, new_key=_keys(chance)
        )
        self._loop = HeartbeatLoop(client, self._session, self._take_note, clock=clock)
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._loop.run())

    @property
    def is_superseded(self) -> bool:
        """Whether it was told that the child plays elsewhere."""
        return self._loop.outcome.phase is Phase.SUPERSEDED

    @property
    def is_playing(self) -> bool:
        """Whether the picture moves."""
        return self._session.stopwatch.is_playing

    def report(self, state: PlayState, title_id: UUID | None = None) -> None:
        """What the child does with it."""
        self._loop.report(state, title_id)

    def play_again(self) -> None:
        """The child asks for the picture, whoever took it away."""
        self._loop.resume()

    async def is_told_to_stop(self, within: timedelta) -> bool:
        """Ask the service, and wait until the answer is that the child plays elsewhere."""
        self._loop.ask_now()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within.total_seconds()):
                while not self.is_superseded:
                    self._changed.clear()
                    await self._changed.wait()
        return self.is_superseded

    async def leave(self) -> None:
        """End the session, as far as the network lets it, and go."""
        await self._loop.stop(LEAVE_WITHIN)
        await self.crash()

    async def crash(self) -> None:
        """Be gone without a word; what was sent may still arrive."""
        self._session.leave(timedelta(seconds=self._clock.monotonic()))
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _take_note(self, _outcome: Outcome) -> None:
        self._changed.set()


def _keys(chance: Random) -> Callable[[], str]:
    """Start keys that are drawn, so that a seed gives the same ones."""
    return lambda: str(UUID(int=chance.getrandbits(128), version=4))
