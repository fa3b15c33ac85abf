"""A real mpv without a screen, and an observer of its own that measures what it plays."""

import asyncio
import contextlib
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.bridges.mpv.ipc import MpvConnection, MpvGone

needs_mpv = pytest.mark.skipif(
    shutil.which("mpv") is None or shutil.which("ffmpeg") is None,
    reason="mpv and ffmpeg are not installed",
)


def make_clip(path: Path, *, seconds: int = 600, title: str = "A small film") -> Path:
    """A clip of moving bars, two tiny pictures a second."""
    source = f"testsrc=size=64x36:rate=2:duration={seconds}"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-c:v", "mpeg4"]
    subprocess.run([*command, "-metadata", f"title={title}", str(path)], check=True)
    return path


class RealMpv:
    """A running mpv, the person's remote control to it, and a stop-watch of what it plays."""

    def __init__(self, process: asyncio.subprocess.Process, mpv: MpvConnection, log: Path) -> None:
        self.process = process
        self.mpv = mpv
        self._log = log
        self._played = 0.0
        self._since: float | None = None
        self._properties: dict[str, Any] = {}
        self._changed = asyncio.Condition()
        self.watching = asyncio.create_task(self._watch())

    async def observe(self) -> None:
        for number, name in enumerate(("pause", "core-idle", "media-title"), start=1):
            await self.mpv.command("observe_property", number, name)

    async def _watch(self) -> None:
        async for event in self.mpv.events():
            if event["event"] != "property-change":
                continue
            async with self._changed:
                self._properties[event["name"]] = event.get("data")
                self._measure()
                self._changed.notify_all()
        self._properties["core-idle"] = True
        self._measure()

    def _measure(self) -> None:
        is_playing = self._properties.get("core-idle") is False
        if is_playing and self._since is None:
            self._since = time.monotonic()
        elif not is_playing and self._since is not None:
            self._played += time.monotonic() - self._since
            self._since = None

    @property
    def played_seconds(self) -> float:
        """Wall time during which mpv's core was running, by this observer's own clock."""
        running = 0.0 if self._since is None else time.monotonic() - self._since
        return self._played + running

    async def until(self, *, within: float = 10, **properties: Any) -> None:
        """Wait until mpv's properties have these values."""
        wanted = {name.replace("_", "-"): value for name, value in properties.items()}
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: wanted.items() <= self._properties.items())

    async def is_paused(self) -> bool:
        """Whether mpv is paused, asked now."""
        return bool(await self.mpv.find_property("pause"))

    async def comes_to_a_stand(self, *, within: float = 10) -> None:
        """Wait until mpv is paused; mpv may merge a short change, so it is asked."""
        async with asyncio.timeout(within):
            while not await self.is_paused():  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def press(self, *words: Any) -> None:
        """What a person does."""
        await self.mpv.command(*words)

    def screen_texts(self) -> str:
        """The part of mpv's log that says what was shown on its screen."""
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if "show-text" in line)

    async def quit(self) -> None:
        """Let mpv quit, as a person does."""
        with contextlib.suppress(MpvGone):
            await self.mpv.command("quit")
        await self.process.wait()

    async def kill(self) -> None:
        """End mpv without giving it a chance."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def real_mpv(socket: Path, *arguments: str) -> AsyncIterator[RealMpv]:
    """mpv without screen and sound, with its IPC on `socket`."""
    log = socket.with_suffix(".log")
    process = await asyncio.create_subprocess_exec(
        "mpv",
        *["--no-config", "--vo=null", "--ao=null", "--idle=yes", "--no-terminal"],
        *["--msg-level=cplayer=trace", f"--log-file={log}", f"--input-ipc-server={socket}"],
        *arguments,
    )
    try:
        async with asyncio.timeout(10):
            mpv = await _connected(socket)
        running = RealMpv(process, mpv, log)
        try:
            await running.observe()
            yield running
        finally:
            await mpv.aclose()
            await running.watching
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _connected(socket: Path) -> MpvConnection:
    while True:
        try:
            return await MpvConnection.open(socket)
        except OSError:
            # There is no event for a socket that appears; this is the start of the test only.
            await asyncio.sleep(0.02)
