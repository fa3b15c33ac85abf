"""Memory of the service's process: when it is ready, and after the load."""

from bench.figures import Figure
from bench.harness import Bench, Outcome, Scenario
from bench.processes import proportional_mib_of_family, resident_mib
from bench.scenarios.saturation import IN_FLIGHT
from bench.service import BenchError
from bench.workload import load_process

_VIEWERS = 200


async def run(bench: Bench) -> Outcome:
    """Saturates the service once more, so that the figure means the same when run alone."""
    seconds = bench.size.saturation_seconds
    viewers = bench.take_viewers(_VIEWERS)
    async with (
        load_process(bench.service.url, viewers, connections=IN_FLIGHT) as load,
        bench.observed(),
    ):
        answer = await load.measure(f"closed in_flight={IN_FLIGHT} seconds={seconds}")
    pid, postmaster = bench.service.pid, bench.service.postmaster_pid
    after = None if pid is None else resident_mib(pid)
    if after is None:
        raise BenchError("the memory of a process can't be read on this system")
    figures = [
        Figure("memory.after", "after all load of this run", after, "MiB", must=200, aim=120)
    ]
    if bench.idle_mib is not None:
        figures.insert(0, Figure("memory.idle", "when ready", bench.idle_mib, "MiB"))
    database = None if postmaster is None else proportional_mib_of_family(postmaster)
    if database is not None:
        label = "PostgreSQL, all its processes (shared pages once)"
        figures.append(Figure("memory.database", label, database, "MiB"))
    return Outcome(figures, {"load": answer})


MEMORY = Scenario("memory", "Memory of the service's process", run, is_own_only=True)
