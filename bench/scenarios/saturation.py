"""How many heartbeats a second one process answers when 64 are always on their way."""

from typing import Any

from bench.figures import Better, Figure
from bench.harness import Bench, Outcome, Phase, Scenario
from bench.workload import LoadProcess, has_wrk, load_process, run_wrk

VIEWERS = 500
IN_FLIGHT = 64
_WARM_UP_SECONDS = 2


async def run(bench: Bench) -> Outcome:
    """Closed loop, by wrk where it is installed and by our own generator elsewhere."""
    viewers = bench.take_viewers(VIEWERS)
    async with load_process(bench.service.url, viewers, connections=IN_FLIGHT) as load:
        await load.order(f"closed in_flight={IN_FLIGHT} seconds={_WARM_UP_SECONDS}")
        async with bench.observed() as phase:
            answer = await _saturate(bench, load)
    latency = answer["latency"]
    figures = [
        Figure(
            "saturation.rate",
            f"heartbeats/s ({answer['generator']})",
            answer["per_second"],
            "/s",
            must=3_400,
            aim=5_000,
            better=Better.HIGHER,
        ),
        Figure("saturation.p95", "latency p95", latency["p95_ms"], "ms"),
        Figure("saturation.errors", "errors", answer["errors"], "", must=0),
        *_cost_figures(phase, answer["answered"]),
    ]
    return Outcome(figures, {"load": answer, "phase": phase.as_json()})


async def _saturate(bench: Bench, load: LoadProcess) -> dict[str, Any]:
    seconds = bench.size.saturation_seconds
    if has_wrk():
        return await run_wrk(bench.service.url, load, in_flight=IN_FLIGHT, seconds=seconds)
    answer = await load.measure(f"closed in_flight={IN_FLIGHT} seconds={seconds}")
    return {"generator": "bench.load", **answer}


def _cost_figures(phase: Phase, heartbeats: int) -> list[Figure]:
    operations = round(phase.database.operations / heartbeats, 3)
    figures = [Figure("saturation.operations", "database operations per heartbeat", operations, "")]
    for key, label, spent_seconds in (
        ("service_cpu", "processor time of the service per heartbeat", phase.service_cpu_seconds),
        ("database_cpu", "processor time of PostgreSQL per heartbeat", phase.database_cpu_seconds),
    ):
        if spent_seconds is not None:
            each_ms = round(spent_seconds * 1000 / heartbeats, 3)
            figures.append(Figure(f"saturation.{key}", label, each_ms, "ms"))
    return figures


SATURATION = Scenario("saturation", "Saturation, 64 heartbeats in flight, closed loop", run)
