"""The service under measurement: a real `watchkeeper serve` on a data folder of its own."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.players import Viewer
from bench.wire import Address, Caller, WireError, request_head, with_body

_START_LIMIT_SECONDS = 90.0
_STOP_LIMIT_SECONDS = 30.0
_ASK_READY_EVERY_SECONDS = 0.005
# Set by whoever runs the bench for a service of theirs; the bench makes its own.
_NOT_OURS = ("WATCHKEEPER_DATABASE_URL", "WATCHKEEPER_DATA_DIR", "WATCHKEEPER_DEBUG")


class BenchError(Exception):
    """The bench can't go on; the message says why, for a person."""


def command_path() -> Path:
    """The `watchkeeper` command of the environment that this bench runs in."""
    path = Path(sys.executable).parent / "watchkeeper"
    if not path.exists():
        raise BenchError(f"there is no command '{path}': run `make setup` first")
    return path


def service_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of our own services: everybody's settings, but never their database."""
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
    return {**inherited, **(extra or {})}


@dataclass(slots=True)
class Service:
    """A running service. `data_dir` and `pid` are None when somebody else started it."""

    url: str
    pid: int | None = None
    data_dir: Path | None = None
    ready_seconds: float | None = None
    _process: Process | None = field(default=None, repr=False)

    @property
    def address(self) -> Address:
        return Address.of(self.url)

    @classmethod
    async def start(cls, data_dir: Path, *, settings: Mapping[str, str] | None = None) -> "Service":
        """Start a service and wait until /readyz says 200; its logs go beside its data folder.

        `ready_seconds` is the time from the start of its process. Raises `BenchError`.
        """
        log_path = data_dir.with_name(f"{data_dir.name}.log")
        began = time.monotonic()
        with log_path.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(str(command_path()), "serve", "--port", "0", "--data-dir", str(data_dir)),
                stdout=PIPE,
                stderr=log,
                env=service_environment(settings),
                start_new_session=True,
            )
        service = cls("", pid=process.pid, data_dir=data_dir, _process=process)
        try:
            async with asyncio.timeout(_START_LIMIT_SECONDS):
                service.url = await _announced_url(process)
                await _wait_until_ready(service.address)
            service.ready_seconds = time.monotonic() - began
        except (BenchError, TimeoutError) as error:
            raise BenchError(f"the service didn't start: {error}\n{_tail(log_path)}") from error
        finally:
            if service.ready_seconds is None:
                await service.stop()
        return service

    async def stop(self) -> float:
        """End our service by its pid; returns the seconds that a clean stop took."""
        process = self._process
        if process is None or process.returncode is not None:
            return 0.0
        began = time.monotonic()
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_LIMIT_SECONDS):
                await process.wait()
        except TimeoutError:
            self.kill_database()
            process.kill()
            await process.wait()
        return time.monotonic() - began

    def kill_database(self) -> None:
        """End an embedded PostgreSQL whose service doesn't end by itself."""
        pid = self.postmaster_pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)

    @property
    def postmaster_pid(self) -> int | None:
        """The first process of the embedded PostgreSQL; None when there is none."""
        if self.data_dir is None:
            return None
        try:
            return int((self.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None

    async def read_metrics(self) -> str:
        """The service's /metrics; raises `BenchError`."""
        caller = Caller(self.address)
        try:
            response, _ = await caller.call(
                with_body(request_head("GET", "/metrics", self.address))
            )
        finally:
            caller.close()
        if response.status != 200:
            raise BenchError(f"/metrics answered {response.status}")
        return response.body.decode()


async def _announced_url(process: Process) -> str:
    assert process.stdout is not None
    async for line in process.stdout:
        for word in line.decode().split():
            if word.startswith("http://"):
                return word.rstrip("/")
    raise BenchError(f"its process ended with exit code {await process.wait()}")


async def _wait_until_ready(address: Address) -> None:
    caller = Caller(address)
    request = with_body(request_head("GET", "/readyz", address))
    try:
        while True:
            with contextlib.suppress(OSError, WireError):
                response, _ = await caller.call(request)
                if response.status == 200:
                    return
            await asyncio.sleep(_ASK_READY_EVERY_SECONDS)
    finally:
        caller.close()


def _tail(log_path: Path) -> str:
    lines = log_path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-12:])


async def make_viewers(data_dir: Path, count: int) -> list[Viewer]:
    """Make load-test children in the database of a running service; raises `BenchError`."""
    process = await asyncio.create_subprocess_exec(
        *(str(command_path()), "tokens", "--viewers", str(count), "--data-dir", str(data_dir)),
        stdout=PIPE,
        stderr=PIPE,
        env=service_environment(),
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if process.returncode != 0:
        raise BenchError(f"`watchkeeper tokens` failed: {err.decode().strip()}")
    return [Viewer.of_json(line) for line in out.decode().splitlines() if line.strip()]


@asynccontextmanager
async def running_service(
    data_dir: Path, *, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Service]:
    """A service for the time of a block."""
    service = await Service.start(data_dir, settings=settings)
    try:
        yield service
    finally:
        await service.stop()
