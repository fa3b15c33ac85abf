"""A restart: from the new process's start until it is ready, embedded and external database."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from bench.figures import Figure
from bench.harness import Bench, Outcome, Scenario
from bench.service import Service
from watchkeeper.core.embedded import EmbeddedServer


async def run(bench: Bench) -> Outcome:
    """Clean restarts with an embedded database, and with one that goes on running."""
    embedded = await _restarts(bench.folder / "restart", bench.size.restarts)
    external = await _external_restarts(bench)
    figures = [
        Figure(
            "restart.embedded",
            "restart to ready, embedded database",
            median(embedded["ready"]),
            "s",
            must=4,
            aim=2,
        ),
        Figure("restart.stop", "clean stop, embedded database", median(embedded["stop"]), "s"),
        Figure(
            "restart.external",
            "restart to ready, external database",
            median(external["ready"]),
            "s",
            must=2,
            aim=1,
        ),
    ]
    return Outcome(figures, {"embedded": embedded, "external": external})


async def _restarts(
    data_dir: Path, count: int, settings: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Start once to prepare, then `count` times; seconds to ready and seconds to stop."""
    await (await Service.start(data_dir, settings=settings)).stop()
    ready: list[float] = []
    stop: list[float] = []
    for _ in range(count):
        service = await Service.start(data_dir, settings=settings)
        assert service.ready_seconds is not None
        ready.append(round(service.ready_seconds, 3))
        stop.append(round(await service.stop(), 3))
    return {"ready": ready, "stop": stop}


async def _external_restarts(bench: Bench) -> dict[str, Any]:
    """A PostgreSQL that goes on running stands in for an external one."""
    server = await EmbeddedServer.start(bench.folder / "external-database")
    try:
        settings = {
            "WATCHKEEPER_DATABASE_URL": server.dsn,
            "WATCHKEEPER_RUN_MIGRATIONS": "true",
        }
        return await _restarts(bench.folder / "external", bench.size.restarts, settings)
    finally:
        await server.stop()


RESTART = Scenario("restart", "Restart of the service", run, is_own_only=True)
