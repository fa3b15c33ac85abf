"""The whole thing with a real player: service, database, command and mpv, in real time.

A negative grant leaves the child one minute. mpv plays, is warned, is stopped at zero, gets time
by PIN and plays on while the service is killed and started again; in the end the charge is the
wall time that mpv played.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.bridges.real_mpv import RealMpv, make_clip, needs_mpv, real_mpv

pytestmark = [needs_mpv, pytest.mark.system]

WATCHKEEPER = str(Path(sys.executable).with_name("watchkeeper"))
PIN = "2468"
PASSWORD = "correct horse battery"


class Process:
    """A started command that prints JSON lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, *arguments: str) -> "Process":
        return cls(
            await asyncio.create_subprocess_exec(
                WATCHKEEPER, *arguments, stdout=asyncio.subprocess.PIPE
            )
        )

    async def says(self, event: str, *, within: float) -> dict[str, Any]:
        """Wait for the next line about that event."""
        assert self._process.stdout is not None
        async with asyncio.timeout(within):
            while line := await self._process.stdout.readline():
                document: dict[str, Any] = json.loads(line)
                if document.get("event") == event:
                    return document
        raise AssertionError(f"the command ended without saying {event}")

    async def stop(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()

    async def kill(self) -> None:
        self._process.kill()
        await self._process.wait()


class LiveService:
    """`watchkeeper serve` with its embedded database."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._process: Process | None = None
        self._port = "0"
        self.url = ""

    async def start(self) -> None:
        """Start it, after the first time on the same port."""
        self._process = await Process.start(
            *["serve", "--data-dir", str(self._data_dir), "--port", self._port, "--json"]
        )
        self.url = (await self._process.says("ready", within=90))["url"]
        self._port = self.url.rpartition(":")[2]

    async def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        await self._process.kill()

    async def stop(self) -> None:
        assert self._process is not None
        await self._process.stop()


@pytest.fixture
async def live_service(tmp_path: Path) -> AsyncIterator[LiveService]:
    service = LiveService(tmp_path / "data")
    await service.start()
    yield service
    await service.stop()


@dataclass
class Guardian:
    """A parent with one child, and a phone."""

    http: httpx.AsyncClient
    child_id: UUID

    @classmethod
    async def sign_up(cls, http: httpx.AsyncClient) -> "Guardian":
        registered = await call(
            http,
            "/auth/register",
            email="parent@example.com",
            password=PASSWORD,
            household_name="Rivera",
            timezone=zone_where_it_is_noon(),
        )
        http.headers["Authorization"] = f"Bearer {registered['access_token']}"
        child = await call(http, "/profiles", name="Noa", is_child=True)
        await call(http, "/parental-controls/pin", new_pin=PIN)
        await call(http, "/parental-controls/pin/verify", pin=PIN)
        return cls(http, UUID(child["id"]))

    async def pairing_code(self) -> str:
        made = await call(
            self.http,
            "/devices/pairing-codes",
            profile_id=str(self.child_id),
            name="Living room",
        )
        return str(made["code"])

    async def balance(self) -> dict[str, Any]:
        answer = await self.http.get(f"/viewing-time/balance/{self.child_id}")
        assert answer.is_success, answer.text
        balance: dict[str, Any] = answer.json()
        return balance

    async def leave_one_minute(self) -> None:
        """Take everything of today but one minute."""
        remaining = (await self.balance())["remaining_minutes"]
        assert (await self.grant(1 - round(remaining)))["remaining_minutes"] == 1

    async def grant(self, minutes: int) -> dict[str, Any]:
        """Give or take time from the phone."""
        return await call(
            self.http,
            f"/parental-controls/profiles/{self.child_id}/viewing-time/grant",
            minutes=minutes,
        )

    async def used_seconds(self) -> float:
        return float((await self.balance())["used_minutes"]) * 60

    async def sees_more_than(self, seconds: float, *, within: float) -> None:
        """Wait until the service has counted more than that."""
        async with asyncio.timeout(within):
            while await self.used_seconds() <= seconds:  # noqa: ASYNC110
                await asyncio.sleep(0.5)


async def call(http: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await http.post(path, json=body)
    assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
    document: dict[str, Any] = answer.json()
    return document


def zone_where_it_is_noon() -> str:
    """A zone whose viewing day doesn't end while the test runs, whenever that is."""
    east = (12 - datetime.now(UTC).hour + 11) % 24 - 11
    return f"Etc/GMT{-east:+d}" if east else "Etc/GMT"


@asynccontextmanager
async def bridge_command(
    service: LiveService, guardian: Guardian, socket: Path, state_dir: Path
) -> AsyncIterator[Process]:
    bridge = await Process.start(
        *["bridge", "mpv", "--socket", str(socket), "--server", service.url],
        *["--pair", await guardian.pairing_code(), "--device-name", "Living room"],
        *["--state-dir", str(state_dir), "--json"],
    )
    try:
        yield bridge
    finally:
        await bridge.stop()


async def plays_down_to_zero(mpv: RealMpv, bridge: Process) -> None:
    warned = await bridge.says("warned", within=20)
    assert (warned["warning"], warned["remaining_seconds"]) == (5, pytest.approx(60, abs=1))
    blocked = await bridge.says("blocked", within=90)
    assert blocked["reason"] == "limit"
    await mpv.until(pause=True, core_idle=True)
    assert mpv.played_seconds == pytest.approx(60, abs=2)
    assert "used up" in mpv.screen_texts()


async def is_held_against_the_child(mpv: RealMpv) -> None:
    stood_at = mpv.played_seconds
    await mpv.press("set_property", "pause", False)
    await mpv.comes_to_a_stand()
    assert mpv.played_seconds - stood_at < 1


async def plays_on_after_the_pin(mpv: RealMpv, bridge: Process) -> None:
    await mpv.press("script-message", "watchkeeper-pin", PIN, "15")
    granted = await bridge.says("granted", within=20)
    assert granted["granted_minutes"] == 15
    playing = await bridge.says("warned", within=20)
    assert playing["warning"] == 15
    assert playing["remaining_seconds"] == pytest.approx(900, abs=3)
    await mpv.until(pause=False, core_idle=False)


async def test_one_minute_a_pin_and_a_killed_service(
    live_service: LiveService, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "clip.mkv")
    other_clip = make_clip(tmp_path / "other.mkv", title="Another film")
    socket = tmp_path / "mpv"
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"{live_service.url}/api/v1", timeout=30)
        )
        guardian = await Guardian.sign_up(http)
        await guardian.leave_one_minute()
        async with bridge_command(live_service, guardian, socket, tmp_path / "state") as bridge:
            # What mpv plays before there is a bridge can't be known to anybody.
            await bridge.says("waiting_for_mpv", within=30)
            mpv = await stack.enter_async_context(real_mpv(socket, str(clip)))
            await plays_down_to_zero(mpv, bridge)
            await is_held_against_the_child(mpv)
            await plays_on_after_the_pin(mpv, bridge)

            await live_service.kill()
            # Another film makes the bridge speak to the service at once, and miss it.
            await mpv.press("loadfile", str(other_clip))
            await mpv.until(media_title="Another film", core_idle=False)
            await live_service.start()
            await guardian.sees_more_than(mpv.played_seconds, within=60)
            assert not await mpv.is_paused()
            await mpv.press("stop")
            await bridge.says("idle", within=20)
        assert mpv.played_seconds > 62
        assert await guardian.used_seconds() == pytest.approx(mpv.played_seconds, abs=2)


async def test_a_grant_from_afar_is_obeyed_long_before_the_next_heartbeat(
    live_service: LiveService, tmp_path: Path
) -> None:
    """A blocked player asks every 27 to 33 s by itself; what happens sooner, push made happen."""
    clip, socket = make_clip(tmp_path / "clip.mkv"), tmp_path / "mpv"
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"{live_service.url}/api/v1", timeout=30)
        )
        guardian = await Guardian.sign_up(http)
        await guardian.leave_one_minute()
        async with bridge_command(live_service, guardian, socket, tmp_path / "state") as bridge:
            await bridge.says("waiting_for_mpv", within=30)
            mpv = await stack.enter_async_context(real_mpv(socket, str(clip)))
            await plays_down_to_zero(mpv, bridge)
            await guardian.grant(30)
            playing = await bridge.says("playing", within=10)
            assert playing["remaining_seconds"] == pytest.approx(1800, abs=3)
            await mpv.until(pause=False, core_idle=False)

            # The other way round, and as often as a parent likes.
            for _ in range(2):
                await guardian.grant(-30)
                await bridge.says("blocked", within=10)
                await mpv.until(pause=True)
                await guardian.grant(30)
                await bridge.says("playing", within=10)
                await mpv.until(pause=False, core_idle=False)
