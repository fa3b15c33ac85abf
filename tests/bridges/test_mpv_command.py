"""The command `watchkeeper bridge mpv` as a process of its own."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bridges.real_mpv import make_clip, needs_mpv, real_mpv
from tests.client.contract_service import PAIRING_CODE, PROFILE_ID, ContractService, on_a_port

COMMAND = (
    *(sys.executable, "-W", "error", "-c"),
    "from watchkeeper.bridges.mpv.cli import app; app()",
    "mpv",
)


class RunningCommand:
    """A started command and the JSON lines that it prints."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def says(self, event: str, *, within: float = 20) -> dict[str, Any]:
        """Wait for the next event of that kind."""
        assert self.process.stdout is not None
        async with asyncio.timeout(within):
            while line := await self.process.stdout.readline():
                document: dict[str, Any] = json.loads(line)
                if document["event"] == event:
                    return document
        raise AssertionError(f"the command ended without saying {event}")

    async def exit_code(self) -> int:
        async with asyncio.timeout(20):
            return await self.process.wait()


@asynccontextmanager
async def command(*arguments: str) -> AsyncIterator[RunningCommand]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield RunningCommand(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@needs_mpv
@pytest.mark.system
async def test_it_pairs_plays_and_ends_its_session_when_it_is_stopped(tmp_path: Path) -> None:
    fake = ContractService(now=time.monotonic)
    clip = make_clip(tmp_path / "clip.mkv", seconds=60)
    socket = tmp_path / "mpv"
    async with on_a_port(fake) as url:
        options = ["--socket", str(socket), "--server", url, "--device-name", "Noa's screen"]
        options += ["--state-dir", str(tmp_path / "state"), "--json"]
        async with command(*options, "--pair", PAIRING_CODE) as first:
            assert (await first.says("paired"))["profile_id"] == str(PROFILE_ID)
            await first.says("waiting_for_mpv")
            async with real_mpv(socket, str(clip)) as mpv:
                playing = await first.says("playing")
                assert playing["remaining_seconds"] == pytest.approx(3600, abs=5)
                await mpv.until(core_idle=False)
                first.process.terminate()
                assert await first.exit_code() == 0
                assert len(fake.ends) == 1
                async with command(*options) as again:
                    await again.says("playing")
                    again.process.terminate()
                    assert await again.exit_code() == 0
    assert len(fake.pairings) == 1
    assert len({beat["device_id"] for beat in fake.heartbeats}) == 1
    assert fake.heartbeats[0]["device_id"].startswith("mpv-noa-s-screen-")


async def test_a_wrong_code_is_told_in_words(tmp_path: Path) -> None:
    async with on_a_port(ContractService(now=time.monotonic)) as url:
        options = ["--socket", "/nowhere", "--server", url, "--state-dir", str(tmp_path), "--json"]
        async with command(*options, "--pair", "WRONG1") as run:
            assert "That code isn't valid" in (await run.says("not_paired"))["text"]
            assert await run.exit_code() == 3
        async with command(*options) as run:
            assert "--pair" in (await run.says("not_paired"))["text"]
            assert await run.exit_code() == 3
    async with command(*options, "--pair", PAIRING_CODE) as run:
        assert url in (await run.says("no_service"))["text"]
        assert await run.exit_code() == 4


async def test_a_socket_path_that_no_system_takes_is_wrong_usage() -> None:
    async with command("--socket", "/" + "x" * 200, "--json") as run:
        assert await run.exit_code() == 2
