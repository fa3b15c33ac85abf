"""The player in the guide runs as it is printed, against a real service on a loopback port.

The service's clock goes on by itself, so that seconds are seconds for both; before a film begins
it is moved to where something will happen.
"""

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from tests.client.contract_service import InLoopServer
from tests.docs.pages import DOCS, blocks
from tests.harness.clock import ManualClock
from tests.harness.family import Family
from tests.harness.service import Service, running_service
from tests.harness.sums import assert_sums_agree
from watchkeeper.core.clock import to_milliseconds

pytestmark = pytest.mark.system

GUIDE = DOCS / "how-to/player.md"
(EXAMPLE,) = blocks(GUIDE, "python")
PATIENCE_SECONDS = 40


class RunningClock(ManualClock):
    """Goes on as time does, and can be moved besides."""

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()

    def now(self) -> datetime:
        return to_milliseconds(super().now() + timedelta(seconds=self._passed()))

    def monotonic(self) -> float:
        return super().monotonic() + self._passed()

    def _passed(self) -> float:
        return time.monotonic() - self._began


@dataclass
class Port:
    """A loopback port on which the service can be reached, or not."""

    service: Service
    number: int = 0
    _server: InLoopServer | None = None
    _serving: "asyncio.Task[None] | None" = None

    async def open(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.number))
        self.number = listener.getsockname()[1]
        config = uvicorn.Config(
            self.service.app, log_config=None, lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = InLoopServer(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))

    async def close(self) -> None:
        if self._server is None or self._serving is None:
            return
        self._server.should_exit = True
        await self._serving
        self._server = self._serving = None


@dataclass
class Film:
    """The example as a process: what it says, and its remote control."""

    process: asyncio.subprocess.Process
    said: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def passed_seconds(self) -> float:
        """Since the process began: no player can have played for longer."""
        return time.monotonic() - self.began

    async def says(self, *words: str) -> None:
        """Wait for its next lines, which must be these."""
        assert self.process.stdout is not None
        for expected in words:
            line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_SECONDS)
            self.said.append(line.decode().strip())
            assert self.said[-1] == expected, self.said

    async def press(self, key: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{key}\n".encode())
        await self.process.stdin.drain()

    async def ends(self) -> None:
        """Wait for its end, at which it has nothing more to say."""
        out, err = await asyncio.wait_for(self.process.communicate(), PATIENCE_SECONDS)
        assert (self.process.returncode, out, err) == (0, b"", b"")


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with running_service(database_url, clock=RunningClock()) as service:
        yield service


@pytest.fixture
async def port(service: Service) -> AsyncIterator[Port]:
    port = Port(service)
    await port.open()
    yield port
    await port.close()


@pytest.fixture
async def family(service: Service) -> Family:
    """It is Tuesday, 16:00 in Madrid."""
    return await Family.register(service)


@pytest.fixture
async def child(family: Family) -> str:
    return await family.add_profile("Noa")


@asynccontextmanager
async def film(
    port: Port, family: Family, child: str, folder: Path, *, seconds: float = 600
) -> AsyncIterator[Film]:
    """A film of so many seconds, in a player that was paired a moment ago."""
    await family.stay_elevated()
    code = await family.call("POST", "/devices/pairing-codes", json={"profile_id": child})
    script = folder / "player.py"
    script.write_text(EXAMPLE, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        f"http://127.0.0.1:{port.number}",
        code["code"],
        str(seconds),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONWARNINGS": "error"},
    )
    try:
        yield Film(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def used_seconds(family: Family, child: str) -> float:
    return float((await family.balance(child))["used_minutes"]) * 60


def test_it_fits_on_a_page() -> None:
    assert len(EXAMPLE.splitlines()) < 120


async def test_a_short_film_is_charged_to_its_end(
    port: Port, family: Family, child: str, tmp_path: Path
) -> None:
    async with film(port, family, child, tmp_path, seconds=2) as player:
        await player.says("allowed")
        await player.ends()
        assert 2 <= await used_seconds(family, child) <= player.passed_seconds
    history = await family.call("GET", f"/parental-controls/profiles/{child}/history")
    (session,) = history["days"][0]["sessions"]
    assert session["title"] == "A made-up film"
    await assert_sums_agree(family.service.database, child)


async def test_a_limit_a_question_and_more_time(
    port: Port, family: Family, child: str, tmp_path: Path
) -> None:
    """Of 120 minutes all but three seconds are gone when the film begins."""
    before = family.player(child, counting=True)
    await before.play(120 * 60 - 3)
    await before.end()
    async with film(port, family, child, tmp_path, seconds=6) as player:
        await player.says("warning_5", "asking", "limit")
        used = await used_seconds(family, child)
        assert 0 <= used - 120 * 60 < 2, "the heartbeat that crosses zero is charged"
        await player.press("more")
        request = await is_asked(family)
        assert (request["profile_id"], request["minutes"]) == (child, 15)
        path = f"/viewing-time/requests/{request['id']}/answer"
        await family.call("POST", path, json={"decision": "approve"})
        await player.press("playing")
        await player.says("warning_15")
        await player.ends()
    assert await used_seconds(family, child) - used > 0.5, "it played on"
    await assert_sums_agree(family.service.database, child)


async def is_asked(family: Family) -> dict[str, Any]:
    """Wait for the child's question."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (asked := await questions(family)):  # noqa: ASYNC110 - it comes over HTTP
            await asyncio.sleep(0.05)
    return asked[0]


async def questions(family: Family) -> list[dict[str, Any]]:
    answer: dict[str, list[dict[str, Any]]] = await family.call("GET", "/viewing-time/requests")
    return answer["requests"]


async def test_a_lock_is_met_at_the_next_heartbeat(
    port: Port, family: Family, child: str, tmp_path: Path
) -> None:
    async with film(port, family, child, tmp_path) as player:
        await player.says("allowed")
        await family.lock(child)
        at_most = player.passed_seconds
        await player.press("paused")
        await player.says("locked")
        assert await used_seconds(family, child) <= at_most, "what followed the lock is free"
        await family.unlock(child)
        await player.press("playing")
        await player.says("allowed")
        await player.press("ended")
        await player.ends()
    await assert_sums_agree(family.service.database, child)


async def test_bedtime_stops_it_without_an_answer(
    port: Port, family: Family, child: str, tmp_path: Path
) -> None:
    """It knows when the hours end, and by then nobody can be asked."""
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    windows = {day: [{"from": "07:00", "to": "16:03"}] for day in days}
    await family.settings(child, windows=windows, warning_threshold_minutes=[2, 1])
    async with film(port, family, child, tmp_path) as player:
        await player.says("allowed")
        almost = datetime.fromisoformat("2026-03-10T15:02:55+00:00")
        ahead = almost - family.service.clock.now()
        family.service.clock.advance(seconds=ahead.total_seconds())
        await player.press("playing")
        await player.says("warning_5")
        await port.close()
        await player.says("bedtime")
        at_most = player.passed_seconds
        await port.open()
        await player.press("ended")
        await player.ends()
    assert 0 < await used_seconds(family, child) <= at_most
    await assert_sums_agree(family.service.database, child)


async def test_a_service_that_is_away_isnt_time_that_is_up(
    port: Port, family: Family, child: str, tmp_path: Path
) -> None:
    await family.settings(child, grace_seconds=1)
    async with film(port, family, child, tmp_path) as player:
        await player.says("allowed")
        await port.close()
        await player.press("paused")
        await player.press("playing")
        await player.says("unreachable")
        await port.open()
        await player.says("allowed")
        await player.press("ended")
        await player.ends()
    assert await used_seconds(family, child) > 1, "the grace is charged when it is heard of"
    await assert_sums_agree(family.service.database, child)


async def test_it_leaves_the_stream_to_the_other_device(
    port: Port, family: Family, child: str, tmp_path: Path
) -> None:
    async with film(port, family, child, tmp_path) as player:
        await player.says("allowed")
        phone = family.player(child, "phone")
        await phone.beat()
        await player.press("paused")
        await player.says("Playback moved to phone.")
        await player.ends()
        assert (await phone.beat())["enforcement"] == "allowed"


async def test_a_session_that_ended_is_followed_by_a_new_one(
    port: Port, family: Family, child: str, tmp_path: Path
) -> None:
    async with film(port, family, child, tmp_path) as player:
        await player.says("allowed")
        family.service.clock.advance(minutes=10)
        await player.press("paused")
        await player.says("asking", "allowed")
        await player.press("ended")
        await player.ends()
    history = await family.call("GET", f"/parental-controls/profiles/{child}/history")
    assert len(history["days"][0]["sessions"]) == 2
