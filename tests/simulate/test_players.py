"""Stopwatch and network: what the bounds are made of."""

import asyncio
from datetime import timedelta
from random import Random
from uuid import UUID

import httpx
import pytest

from tests.client.clocks import HandClock, settle
from watchkeeper.client import PlayState
from watchkeeper.simulate.evidence import Arrival, Evidence, RequestKey
from watchkeeper.simulate.network import Fate, Traffic, UnreliableNetwork, Weather
from watchkeeper.simulate.stopwatch import Stopwatch

SESSION = str(UUID(int=7))
URL = "http://watchkeeper.test/api/v1/viewing-time"


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def test_the_stopwatch_counts_play_and_the_first_300_seconds_of_each_pause() -> None:
    watch = Stopwatch()
    for at, doing in [
        (10, PlayState.PLAYING),
        (40, PlayState.PAUSED),
        (240, PlayState.BUFFERING),
        (440, PlayState.PLAYING),
        (441, PlayState.PAUSED),
        (451, PlayState.ENDED),
        (999, PlayState.ENDED),
    ]:
        watch.turn_to(doing, seconds(at))
    # 30 s of play, 300 of a pause of 400, a second of play, and 10 s of another pause.
    assert watch.watched == seconds(30 + 300 + 1 + 10)


class ScriptedWeather(Weather):
    """Gives the fates that a test names, then fair weather."""

    def __init__(self, *fates: Fate) -> None:
        super().__init__(Random(1))
        self._fates = list(fates)

    def fate(self, now: float) -> Fate:
        return self._fates.pop(0) if self._fates else Fate.ARRIVES


class Service(httpx.AsyncBaseTransport):
    """Answers like the service and remembers the order in which requests came."""

    def __init__(self) -> None:
        self.seqs: list[int] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        seq = int(httpx.Response(200, content=request.content).json()["seq"])
        self.seqs.append(seq)
        return httpx.Response(200, json={"session_id": SESSION, "ack_seq": max(self.seqs)})


def network_of(*fates: Fate) -> tuple[UnreliableNetwork, Service, Evidence, HandClock]:
    service, evidence, clock = Service(), Evidence(seconds(120)), HandClock()
    network = UnreliableNetwork(service, evidence, ScriptedWeather(*fates), Traffic(), clock)
    network.sessions[SESSION] = "key"
    return network, service, evidence, clock


def beat(seq: int) -> httpx.Request:
    return httpx.Request("POST", f"{URL}/heartbeat", json={"session_id": SESSION, "seq": seq})


async def test_a_late_heartbeat_arrives_after_a_newer_one_and_is_passed_over() -> None:
    network, service, evidence, clock = network_of(Fate.LATE)
    late = asyncio.create_task(network.handle_async_request(beat(1)))
    await settle()
    await network.handle_async_request(beat(2))
    # The player gives up, and the heartbeat arrives all the same.
    late.cancel()
    await clock.advance(10)
    await network.settled()
    assert service.seqs == [2, 1]
    (delivery,) = evidence.deliveries[RequestKey("key", 1)]
    assert delivery.arrival is Arrival.PASSED_OVER


async def test_a_repeated_heartbeat_arrives_twice() -> None:
    network, service, evidence, clock = network_of(Fate.REPEATED)
    await network.handle_async_request(beat(1))
    await clock.advance(10)
    await network.settled()
    assert service.seqs == [1, 1]
    assert len(evidence.deliveries[RequestKey("key", 1)]) == 2


async def test_a_lost_answer_is_known_to_have_been_accepted() -> None:
    network, service, evidence, _ = network_of(Fate.ANSWER_LOST)
    with pytest.raises(httpx.ReadError):
        await network.handle_async_request(beat(1))
    assert service.seqs == [1]
    assert evidence.deliveries[RequestKey("key", 1)][0].arrival is Arrival.ACCEPTED


async def test_a_lost_request_never_arrives() -> None:
    network, service, evidence, _ = network_of(Fate.LOST)
    end = httpx.Request("POST", f"{URL}/session/{SESSION}/end", json={"seq": 3})
    with pytest.raises(httpx.ConnectError):
        await network.handle_async_request(end)
    assert service.seqs == []
    assert RequestKey("key", 3) not in evidence.deliveries


def test_bad_weather_has_all_its_accidents_and_a_seed_repeats_them() -> None:
    drawn = [Weather(Random(4)).fate(0) for _ in range(1)]
    weather, again = Weather(Random(4)), Weather(Random(4))
    fates = [weather.fate(0) for _ in range(1000)]
    assert set(fates) == set(Fate)
    assert fates == [again.fate(0) for _ in range(1000)]
    assert fates[0] is drawn[0]
    weather.down_until = 5
    assert {weather.fate(4.9) for _ in range(100)} == {Fate.LOST}
