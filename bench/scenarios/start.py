"""The first start: a new database, its schema, and the service on it."""

from statistics import median

from bench.figures import Figure
from bench.harness import Bench, Outcome, Scenario
from bench.service import Service


async def run(bench: Bench) -> Outcome:
    """From the start of the process on an empty folder until /readyz says 200."""
    taken: list[float] = []
    for number in range(bench.size.starts):
        service = await Service.start(bench.folder / f"start-{number}")
        await service.stop()
        assert service.ready_seconds is not None
        taken.append(round(service.ready_seconds, 3))
    figure = Figure("start.fresh", "first start to ready (makes the database)", median(taken), "s")
    return Outcome([figure], {"seconds": taken})


START = Scenario("start", "First start on an empty data folder", run, is_own_only=True)
