"""The harness's side of the load: the generator's process, and wrk's."""

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.players import Viewer, write_viewers
from bench.service import BenchError

_SCRIPT = Path(__file__).with_name("saturation.lua")
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class LoadProcess:
    """A running `python -m bench.load` that takes orders."""

    process: Process
    folder: Path

    async def order(self, line: str) -> dict[str, Any]:
        """Have one order carried out and return its answer; raises `BenchError`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n".encode())
        answer = await self.process.stdout.readline()
        if not answer:
            raise BenchError(f"the load generator ended during '{line}'")
        fields: dict[str, Any] = json.loads(answer)
        return fields

    async def measure(self, line: str) -> dict[str, Any]:
        """An order whose latencies are wanted; raises `BenchError` when nothing was answered."""
        answer = await self.order(line)
        if answer["latency"] is None:
            raise BenchError(f"'{line}' got no answers: {answer['statuses']}")
        return answer


@asynccontextmanager
async def load_process(
    url: str, viewers: list[Viewer], *, connections: int
) -> AsyncIterator[LoadProcess]:
    """A load generator whose viewers all have an open session; raises `BenchError`."""
    with TemporaryDirectory(prefix="watchkeeper-bench-") as name:
        folder = Path(name)
        write_viewers(folder / "viewers", viewers)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.load", "--url", url),
            *("--viewers", str(folder / "viewers"), "--connections", str(connections)),
            stdin=PIPE,
            stdout=PIPE,
            cwd=_ROOT,
            start_new_session=True,
        )
        try:
            load = LoadProcess(process, folder)
            primed = await load.order("prime in_flight=16")
            if primed["answered"] != len(viewers):
                raise BenchError(f"not every session could be opened: {primed['statuses']}")
            yield load
        finally:
            await _end(process)


async def _end(process: Process) -> None:
    if process.returncode is None:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def has_wrk() -> bool:
    """Whether wrk is installed."""
    return shutil.which("wrk") is not None


async def run_wrk(url: str, load: LoadProcess, *, in_flight: int, seconds: int) -> dict[str, Any]:
    """Saturate the service with wrk over the sessions of `load`; raises `BenchError`.

    One thread of wrk is enough: it costs a few percent of a core at our rates.
    """
    table = load.folder / "sessions"
    await load.order(f"export path={table}")
    before = os.times()
    process = await asyncio.create_subprocess_exec(
        *("wrk", "--threads", "1", "--connections", str(in_flight), "--timeout", "30s"),
        *("--duration", f"{seconds}s", "--script", str(_SCRIPT), url, "--", str(table), "1"),
        stdout=PIPE,
        stderr=DEVNULL,
        start_new_session=True,
    )
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    after = os.times()
    result = _last_json_line(out.decode())
    if result is None:
        raise BenchError(f"wrk ended with exit code {process.returncode} and no result")
    wall_seconds = result["microseconds"] / 1e6
    cpu_seconds = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    errors = {name: result[name] for name in ("connect", "read", "write", "timeout", "status")}
    return {
        "generator": "wrk",
        "answered": result["requests"],
        "per_second": round((result["requests"] - errors["status"]) / wall_seconds, 1),
        "errors": sum(errors.values()),
        "statuses": errors,
        "latency": {
            f"{name}_ms": result[f"{name}_us"] / 1000 for name in ("p50", "p95", "p99", "max")
        },
        "generator_cpu_cores": round(cpu_seconds / wall_seconds, 3),
    }


def _last_json_line(text: str) -> dict[str, Any] | None:
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            fields: dict[str, Any] = json.loads(line)
            return fields
    return None
