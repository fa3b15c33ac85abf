"""A thousand heartbeats at one instant, as after a network came back."""

import asyncio

from bench.figures import Figure
from bench.harness import Bench, Outcome, Scenario
from bench.latency import percentile
from bench.workload import load_process

VIEWERS = 1_000
_CONNECTIONS = 500
_REST_SECONDS = 1.0


async def run(bench: Bench) -> Outcome:
    """Several bursts with a rest between them; the figure is the median burst's."""
    viewers = bench.take_viewers(VIEWERS)
    bursts = []
    async with (
        load_process(bench.service.url, viewers, connections=_CONNECTIONS) as load,
        bench.observed() as phase,
    ):
        for _ in range(bench.size.bursts):
            await asyncio.sleep(_REST_SECONDS)
            bursts.append(await load.measure(f"instant count={VIEWERS}"))
    p95s = sorted(burst["latency"]["p95_ms"] for burst in bursts)
    figures = [
        Figure("instant.p95", "latency p95", percentile(p95s, 0.5), "ms", must=500, aim=250),
        Figure("instant.worst", "latency p95 of the slowest burst", p95s[-1], "ms"),
        Figure("instant.errors", "errors", sum(burst["errors"] for burst in bursts), "", must=0),
    ]
    return Outcome(figures, {"bursts": bursts, "phase": phase.as_json()})


INSTANT = Scenario("instant", "1 000 heartbeats at one instant", run)
