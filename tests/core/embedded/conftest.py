"""Real clusters, copied from one that is made once, and services in processes of their own."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from watchkeeper.core.embedded import EmbeddedServer
from watchkeeper.core.embedded.account import choose_account
from watchkeeper.core.embedded.folder import DataFolder
from watchkeeper.core.embedded.postmaster import end_orphans, find_postmaster
from watchkeeper.core.embedded.socket_folder import discard_socket_folder

SERVICE = Path(__file__).parent / "service_process.py"

StartServer = Callable[..., Coroutine[Any, Any, EmbeddedServer]]


@dataclass(slots=True)
class Service:
    """A service process and what it said when it was ready, or why it gave up."""

    process: asyncio.subprocess.Process
    said: dict[str, Any]

    @property
    def postgres_pid(self) -> int:
        return int(self.said["pid"])

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        self.process.terminate()
        return await self.process.wait()


RunService = Callable[..., Coroutine[Any, Any, Service]]


async def end_database(data_dir: Path) -> None:
    """Leave nothing running on the folder, whatever a test did."""
    folder = DataFolder.at(data_dir)
    if not folder.pgdata.exists():
        return
    account = choose_account(folder.pgdata)
    running = find_postmaster(folder, account)
    if running is not None:
        await running.stop()
    await end_orphans(folder, account)
    for base in ("/run", "/tmp"):
        discard_socket_folder(folder, Path(base, folder.cluster_name))


@pytest.fixture(scope="session")
async def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a provisioned cluster that isn't running.

    It does without fsync: processes are killed here, never the machine.
    """
    data_dir = tmp_path_factory.mktemp("embedded") / "template"
    server = await EmbeddedServer.start(data_dir, durable=False)
    await server.stop()
    return data_dir


@pytest.fixture
async def data_dir(template: Path, tmp_path: Path) -> AsyncIterator[Path]:
    """A data folder of this test's own, with a cluster that isn't running yet."""
    copy = tmp_path / "data"
    copy_folder(template, copy)
    yield copy
    await end_database(copy)


@pytest.fixture
async def new_dir(tmp_path: Path) -> AsyncIterator[Path]:
    """A data folder that doesn't exist yet."""
    path = tmp_path / "data"
    yield path
    await end_database(path)


def make_folder(path: Path, mode: int, owner: int | None = None) -> None:
    """A folder of exactly this mode, which the umask doesn't narrow."""
    path.mkdir()
    path.chmod(mode)
    if owner is not None:
        os.chown(path, owner, owner)


def copy_folder(source: Path, target: Path) -> None:
    """Copy with owners and modes, which Python's own copy leaves out."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


@pytest.fixture
async def start() -> AsyncIterator[StartServer]:
    """Start servers in this process; what still runs at the end is stopped."""
    started: list[EmbeddedServer] = []

    async def start_one(data_dir: Path, **options: Any) -> EmbeddedServer:
        server = await EmbeddedServer.start(data_dir, **options)
        started.append(server)
        return server

    yield start_one
    for server in started:
        await server.stop()


@pytest.fixture
async def run_service() -> AsyncIterator[RunService]:
    """Run services in processes of their own; the processes are killed at the end."""
    running: list[Service] = []

    async def run_one(
        data_dir: Path, *, uid: int | None = None, environment: dict[str, str] | None = None
    ) -> Service:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(SERVICE), str(data_dir), *([str(uid)] if uid else [])),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )
        service = Service(process, {})
        running.append(service)
        assert process.stdout is not None
        async with asyncio.timeout(60):
            service.said = json.loads(await process.stdout.readline())
        return service

    yield run_one
    for service in running:
        if service.process.returncode is None:
            await service.kill()


async def ask(dsn: str, query: str) -> Any:
    """One value from a connection of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for another process; fails when it doesn't come to pass."""
    async with asyncio.timeout(seconds):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServer]:
    """A server as a household has it, for tests that only look."""
    server = await EmbeddedServer.start(tmp_path_factory.mktemp("running") / "data")
    yield server
    await server.stop()
