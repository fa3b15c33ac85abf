"""A thousand viewers at their own pace: 33 heartbeats a second, arriving at random."""

from bench.figures import Figure
from bench.harness import Bench, Outcome, Scenario
from bench.scenarios.lone import operation_figures
from bench.workload import load_process

VIEWERS = 1_000
RATE_PER_SECOND = 33
CONNECTIONS = 100
_WARM_UP_SECONDS = 3


async def run(bench: Bench) -> Outcome:
    """Open loop; latency counts from the time at which a heartbeat was due."""
    viewers = bench.take_viewers(VIEWERS)
    async with load_process(bench.service.url, viewers, connections=CONNECTIONS) as load:
        await load.order(f"open rate={RATE_PER_SECOND} seconds={_WARM_UP_SECONDS}")
        async with bench.observed() as phase:
            answer = await load.measure(
                f"open rate={RATE_PER_SECOND} seconds={bench.size.steady_seconds}"
            )
    latency = answer["latency"]
    figures = [
        Figure("steady.p50", "latency p50", latency["p50_ms"], "ms"),
        Figure("steady.p95", "latency p95", latency["p95_ms"], "ms", must=20, aim=5),
        Figure("steady.p99", "latency p99", latency["p99_ms"], "ms"),
        Figure("steady.errors", "errors", answer["errors"], "", must=0),
        *operation_figures("steady", phase, answer["answered"]),
    ]
    return Outcome(figures, {"load": answer, "phase": phase.as_json()})


STEADY = Scenario("steady", "1 000 viewers, 33 heartbeats/s, open loop", run)
