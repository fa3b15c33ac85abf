"""Plays the days of many children against a running service, and asks what it charged."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Self
from uuid import UUID

import httpx

from watchkeeper.client import Balance, WatchkeeperClient
from watchkeeper.client.clock import PlayerClock
from watchkeeper.simulate.bounds import expect
from watchkeeper.simulate.day import ChildsDay, Surroundings
from watchkeeper.simulate.evidence import Evidence
from watchkeeper.simulate.households import SimulatedChild, SimulatedTitles
from watchkeeper.simulate.judgement import Charges, Summary, Verdict
from watchkeeper.simulate.network import Traffic, UnreliableNetwork, Weather

# A few requests of a child may be late or repeated at once; kept for as long as the service does.
_CONNECTIONS = httpx.Limits(max_connections=8, max_keepalive_connections=2, keepalive_expiry=60)
_BALANCES_AT_ONCE = 10
_TELL_EVERY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a simulation is."""

    elapsed: timedelta
    total: timedelta
    watching: int
    traffic: Traffic


@dataclass(slots=True)
class _Life:
    """One child, its way to the service, and what is known of it."""

    child: SimulatedChild
    client: WatchkeeperClient
    evidence: Evidence
    day: ChildsDay


@dataclass(slots=True)
class Simulation:
    """All children of one run. Use it as `async with`; `seed` decides who does what and when."""

    url: str
    children: Sequence[SimulatedChild]
    titles: SimulatedTitles
    speed: float
    seed: int
    clock: PlayerClock
    traffic: Traffic = field(default_factory=Traffic)
    happened: Counter[str] = field(default_factory=Counter)
    _lives: list[_Life] = field(default_factory=list)
    _roads: list[httpx.AsyncHTTPTransport] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        # One for all: to read the certificates takes longer than a thousand calls.
        certificates = httpx.create_ssl_context()
        for number, child in enumerate(self.children):
            # Connections of its own, as in life: no child waits for another one's answer.
            road = httpx.AsyncHTTPTransport(verify=certificates, limits=_CONNECTIONS)
            self._roads.append(road)
            self._lives.append(self._born(child, road, number))
        return self

    async def __aexit__(self, *_: object) -> None:
        for road in self._roads:
            await road.aclose()

    def _born(self, child: SimulatedChild, road: httpx.AsyncHTTPTransport, number: int) -> _Life:
        # Chances of their own: what one child does must not depend on when another one's answer
        # arrives.
        happenings, accidents = (
            Random(f"{self.seed}/{number}/{of}")  # noqa: S311 - repeatable, not secret
            for of in ("happenings", "accidents")
        )
        evidence = Evidence(child.grace)
        network = UnreliableNetwork(road, evidence, Weather(accidents), self.traffic, self.clock)
        client = WatchkeeperClient(self.url, child.token, transport=network)
        day = ChildsDay(
            Surroundings(child.profile_id, self.titles.all, client, network, evidence),
            chance=happenings,
            speed=self.speed,
            clock=self.clock,
            happened=self.happened,
        )
        return _Life(child, client, evidence, day)

    async def ask_balance(self, number: int = 0) -> Balance:
        """What the service says of a child. Raises what the client raises."""
        life = self._lives[number]
        return await life.client.balance(life.child.profile_id)

    async def play(
        self, lasting: timedelta, over: asyncio.Event, tell: Callable[[Progress], None]
    ) -> None:
        """Let all children live until the time is up or `over` is set; all players end then."""
        async with asyncio.TaskGroup() as tasks:
            for life in self._lives:
                tasks.create_task(life.day.live(over))
            begun = self.clock.monotonic()
            while not over.is_set():
                elapsed = timedelta(seconds=self.clock.monotonic() - begun)
                if elapsed >= lasting:
                    over.set()
                watching = sum(life.day.is_watching for life in self._lives)
                tell(Progress(elapsed, lasting, watching, self.traffic))
                await self.clock.sleep(_TELL_EVERY_SECONDS)

    async def judge(self, forgiven: dict[UUID, timedelta]) -> Summary:
        """Ask the service what it charged, and hold it against what may be.

        `forgiven` comes from the database, by profile; no call tells it.
        """
        turns = asyncio.Semaphore(_BALANCES_AT_ONCE)

        async def verdict_of(life: _Life) -> Verdict:
            async with turns:
                balance = await life.client.balance(life.child.profile_id)
            now = timedelta(seconds=self.clock.monotonic())
            return Verdict(
                profile_id=life.child.profile_id,
                grace=life.child.grace,
                watched=life.evidence.watched,
                charges=Charges(
                    counted=_from_minutes(balance.used_minutes),
                    exempt=_from_minutes(balance.educational_minutes),
                    forgiven=forgiven.get(life.child.profile_id, timedelta(0)),
                ),
                expected=expect(life.evidence, self.titles.lessons, now),
            )

        return Summary(await asyncio.gather(*(verdict_of(life) for life in self._lives)))


def _from_minutes(minutes: float) -> timedelta:
    """Minutes of the wire, which are rounded to a hundred-thousandth, in whole milliseconds."""
    return timedelta(milliseconds=round(minutes * 60_000))
