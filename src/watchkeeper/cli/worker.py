"""`watchkeeper worker`: the durable jobs, apart from the service."""

import asyncio
import contextlib
import logging
import os
import signal
from dataclasses import replace

import structlog

from watchkeeper.app import create_app
from watchkeeper.cli.database import database_url, secrets_of
from watchkeeper.cli.terminal import say, say_json
from watchkeeper.core.health import SchemaGate
from watchkeeper.core.job_worker import JobWorker
from watchkeeper.core.logging import configure_logging
from watchkeeper.core.schema import migrate
from watchkeeper.settings import Settings

log = structlog.get_logger("watchkeeper.worker")


def work(settings: Settings, *, as_json: bool) -> None:
    """Run jobs until SIGINT or SIGTERM; returns after a clean stop.

    Raises what `cli.failures.explain` knows when the database can't be used.
    """
    configure_logging(settings.logging)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    asyncio.run(_work(_for_a_worker(settings), as_json))


def _for_a_worker(settings: Settings) -> Settings:
    """A worker runs jobs whatever the service beside it does, and needs few connections."""
    return replace(
        settings,
        jobs=settings.jobs.model_copy(update={"run": True}),
        database=settings.database.model_copy(
            update={"prewarm_connections": settings.jobs.concurrency}
        ),
    )


async def _work(settings: Settings, as_json: bool) -> None:
    main = asyncio.current_task()
    assert main is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, main.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        async with database_url(settings) as url:
            await _work_on(url, settings, as_json)


async def _work_on(url: str, settings: Settings, as_json: bool) -> None:
    if settings.database.url is None or settings.server.run_migrations:
        await migrate(url)
    app = create_app(settings, database_url=url, secrets=secrets_of(settings))
    async with app.router.lifespan_context(app):
        gate: SchemaGate = app.state.schema_gate
        worker: JobWorker = app.state.worker
        if gate.fault:
            log.warning("worker.waits", reason=gate.fault)
        await worker.is_working.wait()
        log.info("worker.ready", concurrency=settings.jobs.concurrency)
        if as_json:
            say_json({"event": "ready", "pid": os.getpid()})
        else:
            say("Watchkeeper's worker is ready.")
        await asyncio.Event().wait()
