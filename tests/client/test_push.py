"""What players hear by push, and what they do with it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.clocks import HandClock, settle
from tests.client.contract_service import PROFILE_ID, TOKEN, ContractService, Wire
from tests.client.stage import FILM, Stage, staged
from watchkeeper.client import (
    NoAnswer,
    Phase,
    PlayState,
    ProblemError,
    Push,
    ServerEvent,
    UnexpectedAnswer,
    WatchkeeperClient,
)
from watchkeeper.client.events import LONGEST_EVENT_BYTES, EventReader

STREAM = (
    b": hello\n\n"
    b'event: snapshot\ndata: {"profiles": []}\n\n'
    b": ping\n\n"
    b"id: 7\nretry: 1000\n"
    b'event: balance_changed\r\ndata: {"name":\r\ndata: "Zo\xc3\xab \xe2\x80\xa8"}\r\n\r\n'
)
EVENTS = [
    ServerEvent("snapshot", {"profiles": []}),
    ServerEvent("balance_changed", {"name": "Zo\u00eb \u2028"}),
]


@given(st.lists(st.integers(0, len(STREAM))))
def test_events_are_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    reader = EventReader()
    pieces = [STREAM[start:end] for start, end in pairwise([0, *sorted(cuts), len(STREAM)])]
    assert [event for piece in pieces for event in reader.feed(piece)] == EVENTS


@pytest.mark.parametrize(
    "piece", [b"data: []\n\n", b"data: {\n\n", b"event: x\n\n", b"x" * (LONGEST_EVENT_BYTES + 1)]
)
def test_what_isnt_an_event_of_ours_is_refused(piece: bytes) -> None:
    with pytest.raises(UnexpectedAnswer):
        list(EventReader().feed(piece))


def client_of(answer: httpx.Response | Exception) -> WatchkeeperClient:
    def handle(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        assert request.headers["Accept"].startswith("text/event-stream")
        assert request.url.path == "/api/v1/viewing-time/events"
        if isinstance(answer, Exception):
            raise answer
        return answer

    return WatchkeeperClient("http://service", TOKEN, transport=httpx.MockTransport(handle))


async def broken_off() -> AsyncIterator[bytes]:
    yield STREAM
    raise httpx.ReadError("reset")


async def test_the_client_gives_the_events_of_one_connection() -> None:
    kind = {"Content-Type": "text/event-stream; charset=utf-8"}
    client = client_of(httpx.Response(200, headers=kind, content=STREAM))
    assert [event async for event in client.events()] == EVENTS

    events = client_of(httpx.Response(200, headers=kind, content=broken_off())).events()
    assert [await anext(events), await anext(events)] == EVENTS
    with pytest.raises(NoAnswer):
        await anext(events)


async def test_a_stream_that_is_refused_is_a_problem() -> None:
    problem = {"type": "accounts/device-revoked", "title": "Gone", "status": 401, "detail": "Gone."}
    with pytest.raises(ProblemError, match="Gone") as refused:
        _ = [event async for event in client_of(httpx.Response(401, json=problem)).events()]
    assert refused.value.status == 401
    with pytest.raises(UnexpectedAnswer):
        _ = [one async for one in client_of(httpx.Response(200, text="<html>")).events()]
    with pytest.raises(NoAnswer):
        _ = [one async for one in client_of(httpx.ReadTimeout("silent")).events()]


# Reacting.


def changed(name: str = "balance_changed", profile_id: object = PROFILE_ID) -> ServerEvent:
    return ServerEvent(name, {"profile_id": str(profile_id)})


def snapshot(**balance: Any) -> ServerEvent:
    return ServerEvent("snapshot", {"profiles": [{"profile_id": str(PROFILE_ID), **balance}]})


async def hears(stage: Stage, event: ServerEvent) -> int:
    """How many heartbeats follow at once."""
    await stage.passes(1)
    before = len(stage.sent)
    stage.loop.heed(event)
    await settle()
    return len(stage.sent) - before


async def test_a_grant_lets_a_blocked_player_go_at_once() -> None:
    async with staged(limit_ms=10_000) as stage:
        await stage.plays()
        await stage.passes(12)
        assert stage.phase() is Phase.BLOCKED
        stage.service.limit_ms = 600_000
        stage.loop.heed(changed())
        await settle()
        assert stage.phase() is Phase.PLAYING


async def test_a_lock_stops_a_player_at_once() -> None:
    async with staged() as stage:
        await stage.plays()
        await stage.passes(3)
        stage.service.blocked_because = "locked"
        stage.loop.heed(changed("policy_changed"))
        await settle()
        assert (stage.phase(), stage.outcome.reason) == (Phase.BLOCKED, "locked")


async def test_a_player_that_lost_its_session_hears_it_at_once() -> None:
    async with staged() as stage:
        await stage.plays()
        await stage.passes(3)
        (session,) = stage.service.sessions.values()
        other = ServerEvent("session_superseded", {"session_id": str(uuid4())})
        assert await hears(stage, other) == 0
        stage.service.take_over("Leo's tablet")
        stage.loop.heed(ServerEvent("session_superseded", {"session_id": str(session.id)}))
        await settle()
        assert (stage.phase(), stage.outcome.device_name) == (Phase.SUPERSEDED, "Leo's tablet")
        assert await hears(stage, changed()) == 0, "only a person starts it again"


async def test_only_what_is_about_the_player_makes_it_ask() -> None:
    async with staged() as stage:
        assert await hears(stage, changed()) == 0, "nothing plays"
        await stage.plays()
        assert await hears(stage, changed(profile_id=uuid4())) == 0
        assert await hears(stage, changed("request_answered")) == 0
        assert await hears(stage, changed("something_new")) == 0
        assert await hears(stage, changed()) == 1
        assert await hears(stage, changed("policy_changed")) == 1


async def test_a_snapshot_makes_it_ask_only_when_it_says_something_else() -> None:
    async with staged(limit_ms=3_600_000) as stage:
        await stage.plays()
        assert await hears(stage, snapshot(enforcement="allowed", remaining_minutes=60.0)) == 0
        assert await hears(stage, snapshot(enforcement="allowed", remaining_minutes=62.0)) == 1
        assert await hears(stage, snapshot(enforcement="allowed", remaining_minutes=None)) == 1
        assert await hears(stage, snapshot(enforcement="blocked", remaining_minutes=0.0)) == 1
        stage.service.blocked_because = "locked"
        assert await hears(stage, changed()) == 1
        assert stage.phase() is Phase.BLOCKED
        assert await hears(stage, snapshot(enforcement="blocked", remaining_minutes=0.0)) == 0
        assert await hears(stage, snapshot(enforcement="allowed", remaining_minutes=60.0)) == 1


async def test_a_player_that_couldnt_reach_the_service_asks_when_a_stream_opens() -> None:
    async with staged(grace_seconds=0) as stage:
        await stage.plays()
        stage.wire.is_cut = True
        await stage.passes(45)
        assert stage.phase() is Phase.UNREACHABLE
        stage.wire.is_cut = False
        stage.loop.heed(snapshot(enforcement="allowed", remaining_minutes=60.0))
        await settle()
        assert stage.phase() is Phase.PLAYING


async def test_a_burst_of_events_is_two_heartbeats_a_second() -> None:
    async with staged() as stage:
        await stage.plays()
        await stage.passes(1)
        before = len(stage.sent)
        for _ in range(10):
            stage.loop.heed(changed())
            await stage.passes(0.1)
        assert len(stage.sent) - before <= 3


# Keeping a stream open.


class Line:
    """A service whose streams tests script: what each connection says and how it ends."""

    def __init__(self, clock: HandClock, *script: list[ServerEvent] | ProblemError | None) -> None:
        self.clock = clock
        self.opened_at: list[float] = []
        self.script = list(script)

    async def events(self) -> AsyncGenerator[ServerEvent, None]:
        """Events are followed by an hour of nothing; without a step the connection fails."""
        self.opened_at.append(self.clock.monotonic())
        step = self.script.pop(0) if self.script else None
        if isinstance(step, ProblemError):
            raise step
        if step is None:
            raise NoAnswer("broken", attempts=1)
        for event in step:
            yield event
        await self.clock.sleep(3600)


class Ears:
    """What a heartbeat loop would be told."""

    def __init__(self) -> None:
        self.heard: list[ServerEvent] = []

    def heed(self, event: ServerEvent) -> None:
        self.heard.append(event)


@asynccontextmanager
async def pushed(line: Line, *, draw: float = 0.999) -> AsyncIterator[list[ServerEvent]]:
    ears: Any = Ears()
    push = Push(line, ears, clock=line.clock, draw=lambda: draw)
    running = asyncio.create_task(push.run())
    await settle()
    try:
        yield ears.heard
        assert not running.done(), "losing the service is no error"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def refusal(status: int, retry_after: float | None = None) -> ProblemError:
    return ProblemError(
        type="x",
        status=status,
        title="x",
        detail="x",
        members={},
        retry_after=None if retry_after is None else timedelta(seconds=retry_after),
    )


async def test_pauses_between_attempts_grow_to_half_a_minute() -> None:
    line = Line(HandClock())
    async with pushed(line):
        await line.clock.advance(200)
    waits = [after - before for before, after in pairwise(line.opened_at)]
    assert waits[:6] == pytest.approx([2, 4, 8, 16, 30, 30], rel=0.01)


async def test_attempts_are_spread_over_the_whole_pause() -> None:
    line = Line(HandClock())
    async with pushed(line, draw=0.5):
        await line.clock.advance(4)
    assert line.opened_at[1] - line.opened_at[0] == pytest.approx(1)


async def test_a_stream_that_lasted_is_opened_again_within_a_second() -> None:
    line = Line(HandClock(), None, None, EVENTS, EVENTS)
    async with pushed(line) as heard:
        await line.clock.advance(6 + 3600)
        assert heard == EVENTS
        await line.clock.advance(1)
        assert heard == EVENTS * 2


async def test_a_service_without_events_is_left_alone_for_minutes() -> None:
    line = Line(HandClock(), refusal(404), refusal(429, 20), refusal(503, 7), EVENTS)
    async with pushed(line, draw=0.0) as heard:
        await line.clock.advance(299)
        assert len(line.opened_at) == 1
        await line.clock.advance(1.5 + 20 + 7)
        assert heard == EVENTS


async def test_players_without_push_go_on_as_before() -> None:
    """The stand-in has no events: its 404 doesn't disturb the heartbeats."""
    async with staged() as stage:
        wire = Wire(ContractService(now=stage.clock.monotonic))
        async with WatchkeeperClient("http://service", TOKEN, transport=wire) as client:
            running = asyncio.create_task(Push(client, stage.loop, clock=stage.clock).run())
            await stage.does(PlayState.PLAYING, FILM)
            await stage.passes(65)
            assert stage.phase() is Phase.PLAYING
            assert len(stage.sent) == 3
            assert [request.url.path for request in wire.requests] == [
                "/api/v1/viewing-time/events"
            ]
            assert not running.done()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
