"""The bridge between a real mpv and the stand-in service, in real time."""

import asyncio
import contextlib
import socket as sockets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bridges.real_mpv import RealMpv, make_clip, needs_mpv, real_mpv
from tests.client.contract_service import PIN, PROFILE_ID, TOKEN, ContractService, on_a_port
from watchkeeper.bridges.mpv.bridge import MpvBridge
from watchkeeper.client import DeviceType, Player, WatchkeeperClient

pytestmark = [needs_mpv, pytest.mark.system]

Report = dict[str, Any]


class Bridge:
    """The bridge under test and everything that it reported."""

    def __init__(self, service: WatchkeeperClient, socket: Path) -> None:
        self.reports: list[Report] = []
        self._reported = asyncio.Condition()
        self._seen = 0
        player = Player(PROFILE_ID, "mpv-1", DeviceType.TV, "Living room")
        self.bridge = MpvBridge(service, player, socket, self._report, draw=lambda: 0.05)

    def _report(self, event: str, text: str, **particulars: Any) -> None:
        self.reports.append({"event": event, "text": text, **particulars})
        self._news = asyncio.create_task(self._notify())

    async def _notify(self) -> None:
        async with self._reported:
            self._reported.notify_all()

    async def says(self, event: str, *, within: float = 10) -> Report:
        """Wait for the next report of that kind; earlier ones are left behind."""
        async with asyncio.timeout(within), self._reported:
            while True:
                for number, report in enumerate(self.reports[self._seen :], start=self._seen):
                    if report["event"] == event:
                        self._seen = number + 1
                        return report
                await self._reported.wait()

    @property
    def events(self) -> list[str]:
        return [report["event"] for report in self.reports]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "clip one.mkv")


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "mpv"


@asynccontextmanager
async def bridged(url: str, socket: Path) -> AsyncIterator[Bridge]:
    async with WatchkeeperClient(url, TOKEN) as service:
        bridge = Bridge(service, socket)
        running = asyncio.create_task(bridge.bridge.run())
        try:
            yield bridge
            await bridge.bridge.stop()
        finally:
            if running.done():
                running.result()
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


@asynccontextmanager
async def all_three(
    socket: Path, *arguments: str, **knobs: Any
) -> AsyncIterator[tuple[ContractService, RealMpv, Bridge]]:
    fake = ContractService(now=time.monotonic, **knobs)
    async with (
        on_a_port(fake) as url,
        real_mpv(socket, *arguments) as mpv,
        bridged(url, socket) as bridge,
    ):
        yield fake, mpv, bridge


async def test_it_is_stopped_at_zero_and_goes_on_after_a_grant_by_pin(
    socket: Path, clip: Path
) -> None:
    async with all_three(socket, str(clip), limit_ms=3000) as (fake, mpv, bridge):
        warned = await bridge.says("warned")
        assert warned["warning"] == 5
        await mpv.until(core_idle=False)
        blocked = await bridge.says("blocked")
        assert blocked["reason"] == "limit"
        assert mpv.played_seconds == pytest.approx(3, abs=1)
        await mpv.until(pause=True)
        stood_at = mpv.played_seconds

        await mpv.press("set_property", "pause", False)
        await mpv.comes_to_a_stand()
        assert mpv.played_seconds - stood_at < 0.5

        await mpv.press("script-message", "watchkeeper-pin", "9999", "15")
        assert (await bridge.says("grant_refused"))["text"] == "That PIN isn't right."
        await mpv.press("script-message", "watchkeeper-pin", PIN, "15")
        granted = await bridge.says("granted")
        assert granted["text"].startswith("15 more minutes. 15 minutes left")
        await mpv.until(pause=False, core_idle=False)
        await mpv.press("seek", 30, "absolute")
        await mpv.press("stop")
        await bridge.says("idle")
        await bridge.bridge.stop()
        assert fake.used_ms / 1000 == pytest.approx(mpv.played_seconds, abs=0.6)
        shown = mpv.screen_texts()
        for text in ("used up", "isn't right", "15 more minutes", "left today"):
            assert text in shown
        assert fake.heartbeats[0]["title_ref"]["name"] == "A small film"
        assert str(clip.parent) not in str(fake.heartbeats)


async def test_speed_and_seeks_dont_change_what_is_charged(socket: Path, clip: Path) -> None:
    async with all_three(socket, "--speed=16", str(clip)) as (fake, mpv, bridge):
        await bridge.says("playing")
        await mpv.until(core_idle=False)
        for position in (60, 10, 120, 5):
            await mpv.press("seek", position, "absolute")
            await asyncio.sleep(0.4)
        await mpv.press("set_property", "pause", True)
        await mpv.until(core_idle=True)
        await asyncio.sleep(1)
        await mpv.press("set_property", "pause", False)
        await mpv.until(core_idle=False)
        await asyncio.sleep(1)
        await mpv.press("stop")
        await bridge.says("idle")
        await bridge.bridge.stop()
        assert fake.used_ms / 1000 == pytest.approx(mpv.played_seconds, abs=0.5)
        assert fake.ends[0]["paused_ms"] / 1000 == pytest.approx(1, abs=0.5)


async def test_a_persons_pause_stays_a_persons_pause(socket: Path, clip: Path) -> None:
    async with all_three(socket, str(clip), beat_ms=500) as (fake, mpv, bridge):
        await bridge.says("playing")
        await mpv.until(core_idle=False)
        await mpv.press("set_property", "pause", True)
        await mpv.until(core_idle=True)
        fake.blocked_because = "locked"
        blocked = await bridge.says("blocked")
        assert blocked["reason"] == "locked"
        fake.blocked_because = None
        await bridge.says("playing")
        assert await mpv.is_paused()
        await mpv.press("set_property", "pause", False)
        await mpv.until(core_idle=False)


async def test_the_device_that_lost_needs_a_persons_action(socket: Path, clip: Path) -> None:
    async with all_three(socket, str(clip), beat_ms=500) as (fake, mpv, bridge):
        await bridge.says("playing")
        await mpv.until(core_idle=False)
        fake.take_over("Leo's tablet")
        superseded = await bridge.says("superseded")
        assert superseded["device_name"] == "Leo's tablet"
        await mpv.until(pause=True)
        assert len(fake.sessions) == 1
        await mpv.press("set_property", "pause", False)
        await bridge.says("playing")
        await mpv.until(pause=False, core_idle=False)
        assert len(fake.sessions) == 2
        assert "Leo's tablet" in mpv.screen_texts()


async def test_a_playlist_is_one_session_with_several_titles(
    socket: Path, clip: Path, tmp_path: Path
) -> None:
    second = make_clip(tmp_path / "second.mkv", title="Another film")
    async with all_three(socket, str(clip), str(second)) as (fake, mpv, bridge):
        await bridge.says("playing")
        await mpv.until(core_idle=False)
        await mpv.press("playlist-next")
        await mpv.until(media_title="Another film", core_idle=False)
        await comes_true(lambda: fake.heartbeats[-1]["title_ref"]["name"] == "Another film")
        assert len(fake.sessions) == 1
        assert len({beat["title_ref"]["id"] for beat in fake.heartbeats}) == 2


@pytest.mark.parametrize("how", ["quit", "kill"])
async def test_it_survives_restarts_of_mpv(socket: Path, clip: Path, how: str) -> None:
    fake = ContractService(now=time.monotonic)
    async with on_a_port(fake) as url, bridged(url, socket) as bridge:
        for number in (1, 2):
            async with real_mpv(socket, str(clip)) as mpv:
                await bridge.says("playing")
                await mpv.until(core_idle=False)
                await getattr(mpv, how)()
                await bridge.says("disconnected")
            await comes_true(lambda: len(fake.ends) == number)  # noqa: B023 - awaited here
        assert len(fake.sessions) == 2
        assert fake.open_session is None


async def test_it_survives_a_restart_of_the_service(socket: Path, clip: Path) -> None:
    fake = ContractService(now=time.monotonic, beat_ms=500)
    port = free_port()
    async with real_mpv(socket, str(clip)) as mpv:
        async with bridged(f"http://127.0.0.1:{port}", socket) as bridge:
            async with on_a_port(fake, port):
                await bridge.says("playing")
                await mpv.until(core_idle=False)
            await asyncio.sleep(2)
            async with on_a_port(fake, port):
                beats = len(fake.heartbeats)
                await comes_true(lambda: len(fake.heartbeats) >= beats + 2)
                await mpv.press("stop")
                await bridge.says("idle")
                await bridge.bridge.stop()
        assert "unreachable" not in bridge.events
        assert len(fake.sessions) == 1
        assert fake.used_ms / 1000 == pytest.approx(mpv.played_seconds, abs=0.6)


async def test_it_holds_mpv_when_the_service_stays_away_and_says_that_time_isnt_up(
    socket: Path, clip: Path
) -> None:
    fake = ContractService(now=time.monotonic, beat_ms=500, grace_seconds=0)
    port = free_port()
    async with real_mpv(socket, str(clip)) as mpv:
        async with bridged(f"http://127.0.0.1:{port}", socket) as bridge:
            async with on_a_port(fake, port):
                await bridge.says("playing")
                await mpv.until(core_idle=False)
            unreachable = await bridge.says("unreachable")
            assert "isn't up" in unreachable["text"]
            await mpv.until(pause=True)
            async with on_a_port(fake, port):
                await bridge.says("playing")
                await mpv.until(pause=False, core_idle=False)
                await bridge.bridge.stop()
        assert len(fake.sessions) == 1
        assert fake.used_ms / 1000 == pytest.approx(mpv.played_seconds, abs=0.6)


async def test_nothing_plays_before_the_service_was_asked(socket: Path, clip: Path) -> None:
    async with (
        real_mpv(socket, str(clip)) as mpv,
        bridged(f"http://127.0.0.1:{free_port()}", socket) as bridge,
    ):
        await bridge.says("waiting")
        await mpv.until(pause=True)
        await bridge.says("unreachable")
        assert mpv.played_seconds < 1


async def comes_true(condition: Callable[[], bool], *, within: float = 10) -> None:
    """Wait for something that the stand-in sees; it has no way to tell."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def free_port() -> int:
    with sockets.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
