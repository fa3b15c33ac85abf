"""`python -m bench.load`: puts heartbeats on a service, from a process of its own.

Orders are read from the command line or, without any there, from standard input, one a line:

    prime in_flight=32              open a session for every viewer
    open rate=33 seconds=30 warm_up=3     open loop, Poisson arrivals
    closed in_flight=64 seconds=10  closed loop for a time
    closed in_flight=1 count=300    closed loop for a number of heartbeats
    instant count=1000              all of them due at once
    export path=FILE                sessions for wrk's script

Each is answered by one line of JSON on standard output. Latencies count from the time at which a
heartbeat was due, so that a service that stalls can't hide what it made wait.
"""

import argparse
import asyncio
import json
import random
import resource
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bench.arrivals import poisson_schedule
from bench.generator import Generator, Tally
from bench.latency import LatencySummary
from bench.players import Player, read_viewers
from bench.wire import Address

_SEED = 20_260_101
_MOST_CONNECTIONS = 500
T = TypeVar("T")


class OrderError(Exception):
    """An order that can't be understood."""


def read_order(line: str) -> tuple[str, dict[str, str]]:
    """Split `open rate=33 seconds=30` into its verb and its values; raises `OrderError`."""
    verb, *parts = line.split()
    values: dict[str, str] = {}
    for part in parts:
        name, is_named, value = part.partition("=")
        if not is_named:
            raise OrderError(f"'{part}' isn't name=value")
        values[name] = value
    return verb, values


class Load:
    """One generator and the orders that it carries out."""

    def __init__(self, generator: Generator, players: Sequence[Player]) -> None:
        self._generator = generator
        self._players = players
        self._draw = random.Random(_SEED)

    async def carry_out(self, line: str) -> dict[str, Any]:
        """Do one order and return the answer; raises `OrderError`."""
        verb, values = read_order(line)
        before = _cpu_seconds()
        began = time.monotonic()
        if verb == "export":
            return self._export(Path(_take(values, "path", str)))
        tally = await self._run(verb, values)
        cpu_share = (_cpu_seconds() - before) / max(time.monotonic() - began, 1e-9)
        return _answer(verb, tally, cpu_share)

    async def _run(self, verb: str, values: dict[str, str]) -> Tally:
        generator = self._generator
        if verb == "prime":
            return await generator.start_sessions(_take(values, "in_flight", int, 32))
        if verb == "open":
            warm_up = _take(values, "warm_up", float, 0.0)
            seconds = _take(values, "seconds", float) + warm_up
            schedule = poisson_schedule(_take(values, "rate", float), seconds, self._draw)
            return await generator.run_open(schedule, warm_up)
        if verb == "closed":
            return await generator.run_closed(
                _take(values, "in_flight", int),
                _take(values, "seconds", float, float("inf")),
                _take(values, "count", float, float("inf")),
            )
        if verb == "instant":
            return await generator.run_open([0.0] * _take(values, "count", int))
        raise OrderError(f"there is no order '{verb}'")

    def _export(self, path: Path) -> dict[str, Any]:
        now = time.monotonic()
        lines = [player.export(now) for player in self._players if player.session_id]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return {"order": "export", "sessions": len(lines)}


def _take(values: dict[str, str], name: str, kind: Callable[[str], T], default: Any = None) -> T:
    if name not in values and default is None:
        raise OrderError(f"{name}= is missing")
    try:
        return kind(values[name]) if name in values else default
    except ValueError as error:
        raise OrderError(f"{name}={values[name]} isn't a number") from error


def _answer(verb: str, tally: Tally, cpu_share: float) -> dict[str, Any]:
    latency = LatencySummary.of_seconds(tally.latencies)
    lateness = LatencySummary.of_seconds(tally.lateness)
    answered = len(tally.latencies)
    return {
        "order": verb,
        "answered": answered,
        "errors": tally.errors,
        "statuses": dict(tally.statuses),
        "blocked": tally.blocked,
        "seconds": round(tally.seconds, 3),
        "per_second": round(answered / tally.seconds, 1) if tally.seconds else None,
        "latency": _fields(latency),
        "lateness": _fields(lateness),
        "generator_cpu_cores": round(cpu_share, 3),
    }


def _fields(summary: LatencySummary | None) -> dict[str, float] | None:
    if summary is None:
        return None
    return {name: getattr(summary, name) for name in summary.__slots__}


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _orders(given: Sequence[str]) -> AsyncIterator[str]:
    if given:
        for order in given:
            yield order
        return
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip():
            yield line


async def _main(arguments: argparse.Namespace) -> None:
    address = Address.of(arguments.url)
    players = [Player(viewer, address) for viewer in read_viewers(arguments.viewers)]
    generator = Generator(address, players, min(arguments.connections, _MOST_CONNECTIONS))
    await generator.connect()
    load = Load(generator, players)
    try:
        async for order in _orders(arguments.orders):
            print(json.dumps(await load.carry_out(order)), flush=True)
    finally:
        await generator.close()


def main() -> None:
    """Run the generator until its orders end."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--url", required=True, help="the service, as http://127.0.0.1:8000")
    parser.add_argument(
        "--viewers", required=True, type=Path, help="what `watchkeeper tokens` printed"
    )
    parser.add_argument(
        "--connections", type=int, default=100, help="kept-alive connections, at most 500"
    )
    parser.add_argument("orders", nargs="*", help="orders, each quoted; see above")
    arguments = parser.parse_args()
    try:
        _run_on_fast_loop(_main(arguments))
    except (OrderError, OSError) as error:
        sys.exit(f"bench.load: {error}")


def _run_on_fast_loop(work: Any) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)


if __name__ == "__main__":
    main()
