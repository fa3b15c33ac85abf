"""Runs scenarios one after the other on one service, and puts the results together."""

import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.figures import repeat_figures
from bench.harness import Bench, Outcome, Scenario, Size
from bench.machine import (
    describe_commit,
    describe_machine,
    describe_versions,
    measured_at,
    settings_of,
)
from bench.players import Viewer, read_viewers
from bench.processes import resident_mib
from bench.results import LEGEND, SCHEMA, ScenarioResult, render
from bench.service import BenchError, Service, make_viewers, running_service, service_environment

_VIEWERS = 1_000
_BUSY_LOAD = 0.5


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for on the command line. `url` is a service of somebody else's."""

    size_name: str
    size: Size
    scenarios: Sequence[Scenario]
    repeats: int
    url: str | None = None
    viewers_path: Path | None = None


def progress(text: str) -> None:
    """A line for whoever waits; standard output is for results."""
    print(text, file=sys.stderr, flush=True)


async def run_bench(order: Order) -> dict[str, Any]:
    """Run what was ordered, print the table as it grows, and return the results document."""
    machine = describe_machine()
    if machine["load_before"] > _BUSY_LOAD:
        progress(
            f"Note: this machine is busy already (load {machine['load_before']}); "
            "figures will be worse than on a quiet one."
        )
    results: list[ScenarioResult] = []
    async with _bench(order) as bench:
        versions = {**describe_versions(), **await _describe_database(bench)}
        for scenario in order.scenarios:
            result = await _run_scenario(bench, scenario, order)
            print(render(result), flush=True)
            results.append(result)
    print(LEGEND, flush=True)
    return {
        "schema": SCHEMA,
        "measured_at": measured_at(),
        "size": order.size_name,
        "repeats": order.repeats,
        "commit": describe_commit(),
        "machine": machine,
        "versions": versions,
        "settings": settings_of(service_environment()),
        "scenarios": [result.as_json() for result in results],
    }


@asynccontextmanager
async def _bench(order: Order) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="watchkeeper-bench-")))
        if order.url is not None:
            viewers = list(read_viewers(order.viewers_path)) if order.viewers_path else []
            yield Bench(folder, order.size, Service(order.url), viewers)
            return
        progress("Starting a service on a fresh data folder ...")
        service = await stack.enter_async_context(running_service(folder / "data"))
        idle_mib = None if service.pid is None else resident_mib(service.pid)
        yield Bench(folder, order.size, service, await _viewers(service), idle_mib)


async def _viewers(service: Service) -> list[Viewer]:
    assert service.data_dir is not None
    progress(f"Making {_VIEWERS} load-test viewers ...")
    return await make_viewers(service.data_dir, _VIEWERS)


async def _describe_database(bench: Bench) -> dict[str, str]:
    async with bench.connection() as connection:
        if connection is None:
            return {}
        return {
            "postgresql": await connection.fetchval("SHOW server_version"),
            "fsync": await connection.fetchval("SHOW fsync"),
            "synchronous_commit": await connection.fetchval("SHOW synchronous_commit"),
        }


async def _run_scenario(bench: Bench, scenario: Scenario, order: Order) -> ScenarioResult:
    if scenario.is_own_only and order.url is not None:
        reason = "needs a service that the bench starts itself (leave out --url)"
        return ScenarioResult(scenario.name, scenario.title, skipped=reason)
    outcomes: list[Outcome] = []
    bench.other_programs_cores = 0.0
    began = time.monotonic()
    for number in range(1, order.repeats + 1):
        turn = f" ({number} of {order.repeats})" if order.repeats > 1 else ""
        progress(f"{scenario.name}: {scenario.title}{turn} ...")
        try:
            outcomes.append(await scenario.run(bench))
        except BenchError as error:
            raise BenchError(f"{scenario.name}: {error}") from error
    return ScenarioResult(
        name=scenario.name,
        title=scenario.title,
        figures=repeat_figures([outcome.figures for outcome in outcomes]),
        details=[outcome.details for outcome in outcomes],
        seconds=time.monotonic() - began,
        other_programs_cores=bench.other_programs_cores,
    )
