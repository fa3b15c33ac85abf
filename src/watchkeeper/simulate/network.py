"""The network between a child's players and the service: it loses, repeats, delays and fails."""

import asyncio
import json
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from random import Random
from typing import Any

import httpx

from watchkeeper.client.clock import PlayerClock
from watchkeeper.simulate.evidence import Arrival, Delivery, Evidence, RequestKey

_HEARTBEAT = "/viewing-time/heartbeat"
_HANGS = 0.3
_LONGEST_HANG_SECONDS = 60.0
# The longest that one of the service's statements may run.
_WORKED_ON = timedelta(seconds=30)
_LATE_SECONDS = (0.2, 8.0)
_REPEATED_AFTER_SECONDS = (0.05, 6.0)


class Fate(StrEnum):
    """What happens to a request on its way."""

    ARRIVES = "arrived"
    LOST = "lost"
    ANSWER_LOST = "answer lost"
    REPEATED = "repeated"
    LATE = "late"


CHANCES = {Fate.LOST: 0.03, Fate.ANSWER_LOST: 0.03, Fate.REPEATED: 0.05, Fate.LATE: 0.05}


@dataclass(slots=True)
class Weather:
    """How the network is at the moment: fair, with accidents, or down until an instant."""

    chance: Random
    is_fair: bool = False
    down_until: float = 0.0

    def fate(self, now: float) -> Fate:
        """What happens to the next request."""
        if self.is_fair:
            return Fate.ARRIVES
        if now < self.down_until:
            return Fate.LOST
        draw = self.chance.random()
        for fate, share in CHANCES.items():
            draw -= share
            if draw < 0:
                return fate
        return Fate.ARRIVES


@dataclass(slots=True)
class Traffic:
    """What the networks of all children did."""

    fates: Counter[Fate] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)


class UnreliableNetwork(httpx.AsyncBaseTransport):
    """One child's way to the service. What arrives is noted as evidence, whoever still waits.

    A delivery that has begun goes on when the player gives up waiting: that is what makes a
    heartbeat late.
    """

    def __init__(
        self,
        service: httpx.AsyncBaseTransport,
        evidence: Evidence,
        weather: Weather,
        traffic: Traffic,
        clock: PlayerClock,
    ) -> None:
        self.weather = weather
        self.sessions: dict[str, str] = {}
        self._service = service
        self._evidence = evidence
        self._traffic = traffic
        self._clock = clock
        self._under_way: set[asyncio.Task[Any]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request on; accidents happen to heartbeats and ends alone."""
        key = self._key_of(request)
        if key is None:
            return await self._service.handle_async_request(request)
        fate = self.weather.fate(self._clock.monotonic())
        self._traffic.fates[fate] += 1
        if fate is Fate.LOST:
            await self._lose(request)
        if fate is Fate.LATE:
            return await self._begin(self._deliver_late(request, key))
        response = await self._begin(self._deliver(request, key))
        if fate is Fate.REPEATED:
            self._start(self._deliver_again(request, key))
        if fate is Fate.ANSWER_LOST:
            raise httpx.ReadError("the answer was lost", request=request)
        return response

    async def settled(self) -> None:
        """Wait until nothing is under way any more, also what nobody waits for."""
        while self._under_way:
            await asyncio.wait(set(self._under_way))

    async def give_up(self, within: timedelta) -> None:
        """Wait so long at most, and no longer for a service that doesn't answer."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self.settled()
        except TimeoutError:
            for delivery in self._under_way:
                delivery.cancel()
            await self.settled()

    def _key_of(self, request: httpx.Request) -> RequestKey | None:
        path = request.url.path
        if not path.endswith((_HEARTBEAT, "/end")):
            return None
        body = json.loads(request.content)
        session_id = body.get("session_id")
        if path.endswith("/end"):
            session_id = path.split("/")[-2]
        start_key = self.sessions[session_id] if session_id else body["start_key"]
        return RequestKey(start_key, body["seq"])

    async def _lose(self, request: httpx.Request) -> None:
        if request.url.path.endswith(_HEARTBEAT) and self.weather.chance.random() < _HANGS:
            # The player gives up by itself.
            await self._clock.sleep(_LONGEST_HANG_SECONDS)
        raise httpx.ConnectError("the request was lost", request=request)

    async def _begin(self, delivery: Coroutine[Any, Any, httpx.Response]) -> httpx.Response:
        return await asyncio.shield(self._start(delivery))

    def _start(self, delivery: Coroutine[Any, Any, httpx.Response]) -> asyncio.Task[httpx.Response]:
        task = asyncio.create_task(delivery)
        self._under_way.add(task)
        task.add_done_callback(self._is_over)
        return task

    def _is_over(self, task: asyncio.Task[httpx.Response]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            # Looked at here, because the player may have gone.
            task.exception()

    async def _deliver_late(self, request: httpx.Request, key: RequestKey) -> httpx.Response:
        await self._clock.sleep(self.weather.chance.uniform(*_LATE_SECONDS))
        return await self._deliver(request, key)

    async def _deliver_again(self, request: httpx.Request, key: RequestKey) -> httpx.Response:
        await self._clock.sleep(self.weather.chance.uniform(*_REPEATED_AFTER_SECONDS))
        return await self._deliver(request, key)

    async def _deliver(self, request: httpx.Request, key: RequestKey) -> httpx.Response:
        sent_at = self._now()
        try:
            response = await self._service.handle_async_request(request)
            await response.aread()
        except httpx.ConnectError:
            # Nobody listened: it is certain that nothing arrived.
            self._traffic.statuses["nobody listened"] += 1
            raise
        except (httpx.TransportError, asyncio.CancelledError):
            # What arrived whole may still be worked on by a service that wasn't killed.
            self._note(key, Arrival.UNKNOWN, sent_at, later=_WORKED_ON)
            self._traffic.statuses["broken off"] += 1
            raise
        self._note(key, _arrival(response, key.seq), sent_at)
        self._traffic.statuses[str(response.status_code)] += 1
        return response

    def _note(
        self,
        key: RequestKey,
        arrival: Arrival,
        sent_at: timedelta,
        *,
        later: timedelta = timedelta(0),
    ) -> None:
        self._evidence.deliveries[key].append(Delivery(arrival, sent_at, self._now() + later))

    def _now(self) -> timedelta:
        return timedelta(seconds=self._clock.monotonic())


def _arrival(response: httpx.Response, seq: int) -> Arrival:
    if response.status_code >= 500:
        return Arrival.UNKNOWN
    if response.status_code != 200:
        return Arrival.PASSED_OVER
    answer = response.json()
    # An end has no such number: whether it came in time is seen by when it was answered.
    return Arrival.ACCEPTED if answer.get("ack_seq", seq) == seq else Arrival.PASSED_OVER
