"""What a child does in a day, in the hurry of a simulation.

Happenings come as often as in life, times the speed; the time between them is real. So three
minutes at twenty times the speed hold the happenings of an hour, and three minutes of watching.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from uuid import UUID

from watchkeeper.client import Player, PlayState, WatchkeeperClient
from watchkeeper.client.clock import PlayerClock
from watchkeeper.client.types import DeviceType
from watchkeeper.simulate.evidence import Evidence
from watchkeeper.simulate.network import UnreliableNetwork
from watchkeeper.simulate.player import SimulatedPlayer

# Seconds of life, on average.
BETWEEN_HAPPENINGS = 180.0
PAUSE = 90.0
BUFFERING = 20.0
BETWEEN_SITTINGS = 300.0
BEFORE_A_RESTART = 60.0
# Real seconds: longer than the 30 that a takeover charges, so that doubt arises at any speed.
LONG_ABSENCE_SECONDS = (32.0, 60.0)
_LONG_ABSENCES = 0.15
_SHORTEST_SECONDS = 0.3
_LONGEST_PAUSE_SECONDS = 120.0
_TOLD_WITHIN = timedelta(seconds=6)
_LAST_ANSWERS_WITHIN = timedelta(seconds=60)
DEVICES = (("tv", DeviceType.TV), ("tablet", DeviceType.TABLET), ("phone", DeviceType.MOBILE))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a child has: titles, a way to the service, and somebody who takes note."""

    profile_id: UUID
    titles: Sequence[UUID]
    client: WatchkeeperClient
    network: UnreliableNetwork
    evidence: Evidence


class ChildsDay:
    """One child with its devices; `live` until it is told that the day is over."""

    def __init__(
        self,
        around: Surroundings,
        *,
        chance: Random,
        speed: float,
        clock: PlayerClock,
        happened: Counter[str],
    ) -> None:
        self._around = around
        self._chance = chance
        self._speed = speed
        self._clock = clock
        self._happened = happened
        self._present: list[SimulatedPlayer] = []
        self._device = 0
        self._happenings: dict[Callable[[], Awaitable[None]], int] = {
            self._pause: 25,
            self._buffer: 15,
            self._change_title: 20,
            self._move_to_another_device: 14,
            self._crash: 8,
            self._end_sitting: 10,
            self._lose_network_for_short: 6,
            self._lose_network_for_long: 4,
        }

    @property
    def is_watching(self) -> bool:
        """Whether a picture of this child moves at the moment."""
        return any(player.is_playing for player in self._present)

    async def live(self, until: asyncio.Event) -> None:
        """Sit down, do what children do, and put everything away when the day is over."""
        day = asyncio.create_task(self._go_on())
        over = asyncio.create_task(until.wait())
        await asyncio.wait({day, over}, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if day.done():
            # It never ends by itself: this is a bug, and must be seen.
            day.result()
        day.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await day
        await self._put_away()

    async def _put_away(self) -> None:
        """Let the last ends arrive: what is still under way then is in nobody's bounds."""
        self._around.network.weather.is_fair = True
        await asyncio.gather(*(player.leave() for player in self._present))
        self._present.clear()
        await self._around.network.give_up(_LAST_ANSWERS_WITHIN)

    async def _go_on(self) -> None:
        # Not everybody sits down at the same moment.
        await self._for(self._chance.uniform(0, BETWEEN_HAPPENINGS), is_drawn=False)
        while True:
            if not self._present:
                await self._sit_down(self._chance.randrange(len(DEVICES)))
            await self._for(BETWEEN_HAPPENINGS)
            if self._player.is_superseded:
                # A first heartbeat of another player came late and took over.
                self._happened["asked to play again"] += 1
                self._player.play_again()
                continue
            (happening,) = self._chance.choices(
                list(self._happenings), list(self._happenings.values())
            )
            self._happened[happening.__name__.strip("_").replace("_", " ")] += 1
            await happening()

    @property
    def _player(self) -> SimulatedPlayer:
        return self._present[-1]

    async def _sit_down(self, device: int) -> None:
        # Two first heartbeats under way at once have no order that could be told from here.
        await self._around.network.settled()
        self._device = device
        name, kind = DEVICES[device]
        player = SimulatedPlayer(
            Player(self._around.profile_id, name, kind),
            self._around.client,
            self._around.evidence,
            self._around.network.sessions,
            # Of its own: how often it must try again mustn't change what the child does next.
            chance=Random(self._chance.getrandbits(64)),  # noqa: S311 - repeatable, not secret
            clock=self._clock,
        )
        player.report(PlayState.PLAYING, self._chance.choice(self._around.titles))
        self._present.append(player)

    async def _pause(self) -> None:
        self._player.report(PlayState.PAUSED)
        await self._for(PAUSE)
        self._player.report(PlayState.PLAYING)

    async def _buffer(self) -> None:
        self._player.report(PlayState.BUFFERING)
        await self._for(BUFFERING)
        self._player.report(PlayState.PLAYING)

    async def _change_title(self) -> None:
        self._player.report(PlayState.PLAYING, self._chance.choice(self._around.titles))

    async def _move_to_another_device(self) -> None:
        """The child plays elsewhere; the player that loses learns of it at its next heartbeat."""
        loser = self._player
        others = [place for place in range(len(DEVICES)) if place != self._device]
        await self._sit_down(self._chance.choice(others))
        await self._for(BUFFERING)
        await loser.is_told_to_stop(_TOLD_WITHIN)
        await self._leave(loser)

    async def _crash(self) -> None:
        """The player is gone without a word, and most often started again."""
        player = self._player
        await player.crash()
        self._present.remove(player)
        if self._chance.random() < _LONG_ABSENCES:
            await self._clock.sleep(self._chance.uniform(*LONG_ABSENCE_SECONDS))
        await self._for(BEFORE_A_RESTART)
        if self._chance.random() < 0.7:
            await self._sit_down(self._device)
        else:
            await self._for(BETWEEN_SITTINGS)

    async def _end_sitting(self) -> None:
        await self._leave(self._player)
        await self._for(BETWEEN_SITTINGS)

    async def _leave(self, player: SimulatedPlayer) -> None:
        # Present until it is gone: the day may be over before it is.
        await player.leave()
        self._present.remove(player)

    async def _lose_network_for_short(self) -> None:
        """Shorter than the grace: the player plays on, and nothing is lost."""
        await self._lose_network(self._chance.uniform(0.2, 0.8) * min(self._grace_seconds, 15.0))

    async def _lose_network_for_long(self) -> None:
        """Longer than the grace, where the grace is short: the player stops by itself."""
        await self._lose_network(min(self._grace_seconds, 20.0) + self._chance.uniform(5.0, 9.0))

    async def _lose_network(self, seconds: float) -> None:
        self._around.network.weather.down_until = self._clock.monotonic() + seconds
        # A change of state is what a player notices it by before its next heartbeat.
        self._player.report(PlayState.BUFFERING)
        await self._for(BUFFERING)
        self._player.report(PlayState.PLAYING)
        await self._clock.sleep(seconds)

    @property
    def _grace_seconds(self) -> float:
        return self._around.evidence.grace.total_seconds()

    async def _for(self, mean_seconds: float, *, is_drawn: bool = True) -> None:
        """Wait a while of life, at the speed of the simulation."""
        drawn = self._chance.expovariate(1 / mean_seconds) if is_drawn else mean_seconds
        seconds = min(max(drawn / self._speed, _SHORTEST_SECONDS), _LONGEST_PAUSE_SECONDS)
        await self._clock.sleep(seconds)
