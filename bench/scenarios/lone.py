"""A lone heartbeat on a quiet service: what one costs, without company to share the cost with."""

from bench.figures import Figure
from bench.harness import Bench, Outcome, Phase, Scenario
from bench.workload import load_process

_VIEWERS = 100


async def run(bench: Bench) -> Outcome:
    """One heartbeat after the other over one connection."""
    count = bench.size.lone_heartbeats
    async with load_process(bench.service.url, bench.take_viewers(_VIEWERS), connections=1) as load:
        await load.order(f"closed in_flight=1 count={_VIEWERS}")
        async with bench.observed() as phase:
            answer = await load.measure(f"closed in_flight=1 count={count}")
    latency = answer["latency"]
    figures = [
        Figure("lone.p50", "latency p50", latency["p50_ms"], "ms"),
        Figure("lone.p95", "latency p95", latency["p95_ms"], "ms"),
        *operation_figures("lone", phase, answer["answered"]),
        Figure("lone.errors", "errors", answer["errors"], "", must=0),
    ]
    return Outcome(figures, {"load": answer, "phase": phase.as_json()})


def operation_figures(key: str, phase: Phase, heartbeats: int) -> list[Figure]:
    """What a heartbeat costs the database, on average over a phase.

    Operations are statements with data; BEGIN and COMMIT are one transaction, and the ping of a
    connection before use is counted apart.
    """
    database = phase.database
    figures = [
        Figure(
            f"{key}.operations",
            "database operations per heartbeat",
            round(database.operations / heartbeats, 3),
            "",
            must=3,
            aim=1,
        ),
        Figure(
            f"{key}.transactions",
            "transactions per heartbeat",
            round(database.transactions / heartbeats, 3),
            "",
        ),
        Figure(
            f"{key}.pings",
            "connection checks per heartbeat",
            round(database.pings / heartbeats, 3),
            "",
        ),
    ]
    statements = phase.statements_with_data
    if statements is not None:
        label = "statements per heartbeat (pg_stat_statements)"
        figures.append(Figure(f"{key}.statements", label, round(statements / heartbeats, 3), ""))
    return figures


LONE = Scenario("lone", "A lone heartbeat, one after the other", run)
