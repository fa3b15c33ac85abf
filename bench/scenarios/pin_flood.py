"""Eight PIN checks at a time beside 1 000 viewers: hashing must not slow heartbeats."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from bench.figures import Better, Figure
from bench.harness import Bench, Outcome, Scenario
from bench.households import PIN, Household, registered_household
from bench.latency import LatencySummary
from bench.scenarios.steady import CONNECTIONS, RATE_PER_SECOND, VIEWERS
from bench.service import BenchError
from bench.workload import load_process

_CHECKS_AT_ONCE = 8
_WARM_UP_SECONDS = 3


@dataclass(slots=True)
class _Flood:
    """PIN checks of several households, each again and again until they are told to stop."""

    households: list[Household]
    latencies: list[float] = field(default_factory=list)
    refused: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Check PINs until `stop` is set."""
        await asyncio.gather(*(self._check(household, stop) for household in self.households))

    async def _check(self, household: Household, stop: asyncio.Event) -> None:
        request = household.request("POST", "/parental-controls/pin/verify", {"pin": PIN})
        while not stop.is_set():
            try:
                _, seconds = await household.send(request)
            except BenchError:
                self.refused += 1
            else:
                self.latencies.append(seconds)


async def run(bench: Bench) -> Outcome:
    """The same load twice in one run, without and with the flood, so that the ratio is fair."""
    viewers = bench.take_viewers(VIEWERS)
    order = f"open rate={RATE_PER_SECOND} seconds={bench.size.flood_seconds}"
    async with AsyncExitStack() as stack:
        flood = _Flood([])
        for _ in range(_CHECKS_AT_ONCE):
            household = await stack.enter_async_context(registered_household(bench.service.address))
            await household.elevate()
            flood.households.append(household)
        load = await stack.enter_async_context(
            load_process(bench.service.url, viewers, connections=CONNECTIONS)
        )
        await load.order(f"open rate={RATE_PER_SECOND} seconds={_WARM_UP_SECONDS}")
        alone = await load.measure(order)
        stop = asyncio.Event()
        async with bench.observed() as phase, asyncio.TaskGroup() as tasks:
            tasks.create_task(flood.run(stop))
            try:
                beside = await load.measure(order)
            finally:
                stop.set()
    checks = LatencySummary.of_seconds(flood.latencies)
    if checks is None:
        raise BenchError("no PIN was checked")
    rate = round(checks.count / phase.wall_seconds, 1)
    figures = [
        *_figures(alone["latency"]["p95_ms"], beside["latency"]["p95_ms"]),
        Figure("pin_flood.errors", "errors", alone["errors"] + beside["errors"], "", must=0),
        Figure("pin_flood.checks", "PINs checked", rate, "/s", better=Better.HIGHER),
        Figure("pin_flood.check_p95", "PIN check p95", checks.p95_ms, "ms"),
        Figure("pin_flood.refused", "PIN checks refused", flood.refused, ""),
    ]
    return Outcome(figures, {"alone": alone, "beside": beside, "phase": phase.as_json()})


def _figures(alone_ms: float, beside_ms: float) -> list[Figure]:
    added = round(beside_ms - alone_ms, 3)
    return [
        Figure("pin_flood.alone", "heartbeat p95 without", alone_ms, "ms"),
        Figure("pin_flood.beside", "heartbeat p95 beside 8 PIN checks", beside_ms, "ms"),
        Figure("pin_flood.added", "added p95, where a core is free", added, "ms", must=10),
        Figure("pin_flood.ratio", "times p95 without", round(beside_ms / alone_ms, 2), "x", must=2),
    ]


PIN_FLOOD = Scenario("pin_flood", "8 concurrent PIN checks beside 33 heartbeats/s", run)
