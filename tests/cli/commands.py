"""Runs the command line as people do: in a process of its own."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

COMMAND = (sys.executable, "-c", "from watchkeeper.cli import main; main()")
START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without its settings, and with those given."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("WATCHKEEPER_") and name != "RUN_MIGRATIONS"
    }
    return kept | settings


async def run(*arguments: str | Path, stdin: str = "", **settings: str) -> Ended:
    """Run a command to its end; `settings` are environment variables."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**settings),
    )
    out, err = await asyncio.wait_for(process.communicate(stdin.encode()), START_SECONDS)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


@dataclass(slots=True)
class Serving:
    """A service in a process of its own."""

    process: asyncio.subprocess.Process
    ready: dict[str, Any]
    client: httpx.AsyncClient

    async def becomes_ready(self) -> None:
        """Ask until it says that it is ready."""
        async with asyncio.timeout(START_SECONDS):
            while (await self.client.get("/readyz", timeout=30)).status_code != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.2)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> Ended:
        """Ask it to stop and wait for its end."""
        self.process.send_signal(number)
        return await self.wait()

    async def wait(self) -> Ended:
        """Wait for its end."""
        out, err = await asyncio.wait_for(self.process.communicate(), START_SECONDS)
        assert self.process.returncode is not None
        return Ended(self.process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def serving(*arguments: str | Path, **settings: str) -> AsyncIterator[Serving]:
    """A service that is ready, on a free port unless the arguments say otherwise."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "serve",
        "--json",
        "--port",
        "0",
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**settings),
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
        if not line:
            _, err = await process.communicate()
            raise AssertionError(f"the service ended: {err.decode()}")
        ready = json.loads(line)
        address = ready["url"].replace("0.0.0.0", "127.0.0.1")
        async with httpx.AsyncClient(base_url=address) as client:
            yield Serving(process, ready, client)
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.communicate(), START_SECONDS)


@asynccontextmanager
async def working(*arguments: str | Path, **settings: str) -> AsyncIterator[Process]:
    """A worker that is ready, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "worker",
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**settings),
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
        assert line == b"Watchkeeper's worker is ready.\n", (line, await process.communicate())
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.communicate(), START_SECONDS)
