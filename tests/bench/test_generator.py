"""The load generator: due times, players, counters, connections, and honest latencies."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from bench.generator import Generator
from bench.load import Load, OrderError, read_order
from bench.players import Player, Viewer, write_viewers
from bench.wire import Address, ResponseReader, WireError, request_head, with_body

from tests.bench.stall_server import StallServer, stall_server

_ADDRESS = Address("127.0.0.1", 80)
_ROOT = Path(__file__).resolve().parent.parent.parent


def _viewers(count: int) -> list[Viewer]:
    return [Viewer(f"token-{n}", str(uuid4()), str(uuid4())) for n in range(count)]


@asynccontextmanager
async def _stage(players: int, connections: int) -> AsyncIterator[tuple[StallServer, Generator]]:
    async with stall_server() as server:
        made = [Player(viewer, server.address) for viewer in _viewers(players)]
        generator = Generator(server.address, made, connections)
        await generator.connect()
        try:
            yield server, generator
        finally:
            await generator.close()


def _beats(server: StallServer) -> list[dict[str, Any]]:
    return [body for body in server.bodies if "session_id" in body]


async def test_latency_counts_from_the_due_time_although_the_service_stalls() -> None:
    async with _stage(players=8, connections=1) as (server, generator):
        await generator.start_sessions(in_flight=1)
        server.gate.clear()
        loop = asyncio.get_running_loop()
        opened_at: list[float] = []

        def open_gate() -> None:
            opened_at.append(time.monotonic())
            server.gate.set()

        due_times = [0.0, 0.005, 0.01, 0.015]
        loop.call_later(0.03, open_gate)
        tally = await generator.run_open(due_times)
        (opened,) = opened_at
        assert tally.errors == 0
        # No heartbeat can have been answered before the gate opened; those that were sent only
        # then, because the connection was taken, waited all the same.
        waited_for = opened - tally.started_at
        for due, latency in zip(due_times, sorted(tally.latencies, reverse=True), strict=True):
            assert latency >= waited_for - due
        assert max(tally.lateness) >= waited_for - due_times[1]


async def test_warm_up_is_sent_but_not_counted() -> None:
    async with _stage(players=8, connections=4) as (server, generator):
        await generator.start_sessions(in_flight=4)
        tally = await generator.run_open([0.0, 0.001, 0.002, 0.003], warm_up_seconds=0.002)
        assert len(_beats(server)) == 4
        assert tally.statuses == {"200": 2}


async def test_every_viewer_has_its_own_token_session_and_rising_counters() -> None:
    async with _stage(players=5, connections=2) as (server, generator):
        started = await generator.start_sessions(in_flight=2)
        assert started.statuses == {"200": 5}
        assert len({body["start_key"] for body in server.bodies}) == 5
        tally = await generator.run_closed(in_flight=2, count=20)
        assert tally.statuses == {"200": 20}
        assert set(server.tokens) == {f"token-{n}" for n in range(5)}
        sessions = {body["session_id"] for body in _beats(server)}
        assert len(sessions) == 5
        for session in sessions:
            beats = [body for body in _beats(server) if body["session_id"] == session]
            assert [body["seq"] for body in beats] == [2, 3, 4, 5]
            played = [body["played_ms"] for body in beats]
            assert played == sorted(played)
            assert {body["paused_ms"] for body in beats} == {0}


async def test_closed_loop_keeps_exactly_so_many_on_their_way() -> None:
    async with _stage(players=30, connections=10) as (server, generator):
        server.gate.clear()
        running = asyncio.create_task(generator.run_closed(in_flight=7, count=100))
        await server.received(7)
        server.gate.set()
        tally = await running
        assert len(tally.latencies) == 100
        assert server.most_at_once == 7


async def test_no_player_has_two_heartbeats_on_their_way() -> None:
    async with _stage(players=3, connections=10) as (server, generator):
        await generator.start_sessions(in_flight=3)
        server.gate.clear()
        running = asyncio.create_task(generator.run_open([0.0] * 5))
        await server.received(6)
        server.gate.set()
        tally = await running
        assert tally.statuses == {"200": 3, "no player was free": 2}
        assert tally.errors == 2


async def test_refusals_are_errors_and_have_no_latency() -> None:
    async with _stage(players=4, connections=2) as (server, generator):
        await generator.start_sessions(in_flight=2)
        server.status_of = lambda body: 503 if body["seq"] == 2 else 200
        tally = await generator.run_closed(in_flight=2, count=8)
        assert tally.statuses == {"503": 4, "200": 4}
        assert tally.errors == 4
        assert len(tally.latencies) == 4


async def test_a_session_that_is_gone_is_begun_anew() -> None:
    async with _stage(players=1, connections=1) as (server, generator):
        await generator.start_sessions(in_flight=1)
        first = server.bodies[0]["start_key"]
        server.status_of = lambda _body: 410 if len(server.bodies) == 2 else 200
        tally = await generator.run_closed(in_flight=1, count=3)
        assert tally.statuses == {"410": 1, "200": 2}
        assert [body["seq"] for body in server.bodies] == [1, 2, 1, 2]
        assert server.bodies[2]["start_key"] != first


async def test_a_lost_connection_is_an_error_and_is_replaced() -> None:
    async with _stage(players=4, connections=1) as (server, generator):
        await generator.start_sessions(in_flight=1)
        dropped: list[int] = []

        def hang_up(_body: dict[str, Any]) -> bool:
            dropped.append(1)
            return len(dropped) == 2

        server.hang_up_on = hang_up
        tally = await generator.run_closed(in_flight=1, count=6)
        assert tally.statuses == {"200": 5, "connection lost": 1}


async def test_orders_are_carried_out_and_answered() -> None:
    async with stall_server() as server:
        players = [Player(viewer, server.address) for viewer in _viewers(3)]
        generator = Generator(server.address, players, 3)
        await generator.connect()
        load = Load(generator, players)
        assert (await load.carry_out("prime in_flight=2"))["answered"] == 3
        instant = await load.carry_out("instant count=3")
        assert instant["latency"]["count"] == 3
        assert instant["errors"] == 0
        assert instant["generator_cpu_cores"] >= 0
        for wrong in ("dance", "open rate=33", "open rate=x seconds=1", "closed in_flight"):
            with pytest.raises(OrderError):
                await load.carry_out(wrong)
        await generator.close()


async def test_the_generator_works_as_a_process_of_its_own(tmp_path: Path) -> None:
    write_viewers(tmp_path / "viewers", _viewers(4))
    async with stall_server() as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.load", "--viewers", str(tmp_path / "viewers")),
            *("--url", f"http://{server.address.host}:{server.address.port}"),
            *(
                "--connections",
                "2",
                "prime",
                "open rate=500 seconds=0.05",
                "closed in_flight=2 count=9",
            ),
            stdout=asyncio.subprocess.PIPE,
            cwd=_ROOT,
        )
        out, _ = await process.communicate()
    assert process.returncode == 0
    primed, opened, closed = (json.loads(line) for line in out.splitlines())
    assert primed["answered"] == 4
    assert opened["statuses"].keys() <= {"200", "no player was free"}
    assert closed["statuses"] == {"200": 9}


def test_an_order_is_a_verb_with_values() -> None:
    assert read_order("open rate=33 seconds=30\n") == ("open", {"rate": "33", "seconds": "30"})


def test_a_session_is_exported_in_the_shape_that_wrk_s_script_reads() -> None:
    player = Player(Viewer("token", "profile", "title"), _ADDRESS)
    player.start(now=10.0)
    player.adopt(b'{"session_id":"s-1"}')
    player.beat(now=12.0)
    head, body, seq, played_ms = player.export(now=13.5).split("\t")
    assert head.startswith("POST /api/v1/viewing-time/heartbeat HTTP/1.1\\r\\n")
    assert head.endswith("Content-Length: ")
    assert body.endswith('"session_id":"s-1","seq":')
    assert (seq, played_ms) == ("2", "3500")


def test_a_request_is_whole() -> None:
    request = with_body(request_head("POST", "/x", _ADDRESS, "abc"), b"{}")
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.splitlines()[0] == b"POST /x HTTP/1.1"
    assert b"Authorization: Bearer abc" in head.splitlines()
    assert b"Content-Length: 2" in head.splitlines()
    assert body == b"{}"


def test_responses_are_cut_wherever_the_network_cuts_them() -> None:
    stream = (
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
        b"HTTP/1.1 204 No Content\r\n\r\n"
        b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    )
    for step in range(1, len(stream)):
        reader = ResponseReader()
        responses = [
            response
            for start in range(0, len(stream), step)
            for response in reader.feed(stream[start : start + step])
        ]
        assert [(one.status, one.body) for one in responses] == [
            (200, b"hello"),
            (204, b""),
            (503, b""),
        ]


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"SSH-2.0-OpenSSH\r\n\r\n"],
)
def test_answers_that_are_not_understood_are_no_answers(answer: bytes) -> None:
    with pytest.raises(WireError):
        ResponseReader().feed(answer)
