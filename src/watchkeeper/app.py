"""Puts the parts together; the only place that knows them all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog
from fastapi import FastAPI

from watchkeeper import __version__
from watchkeeper.accounts import jobs as account_jobs
from watchkeeper.accounts.events import (
    DeviceRevoked,
    ProfileChanged,
    ProfileCreated,
    SignInEnded,
)
from watchkeeper.accounts.revocations import tell_of_device, tell_of_sign_in
from watchkeeper.accounts.router import routers as account_routers
from watchkeeper.accounts.service import Accounts
from watchkeeper.admin.router import router as admin_router
from watchkeeper.catalogue.router import router as catalogue_router
from watchkeeper.catalogue.service import Catalogue
from watchkeeper.core import health
from watchkeeper.core.auth import TokenSigner
from watchkeeper.core.background import repeat
from watchkeeper.core.clock import Clock, DatabaseClock
from watchkeeper.core.config import JobsSettings
from watchkeeper.core.database import Database
from watchkeeper.core.edge import add_middleware
from watchkeeper.core.errors import add_error_handlers
from watchkeeper.core.events import Subscriptions
from watchkeeper.core.floor import Floor
from watchkeeper.core.job_worker import JobWorker
from watchkeeper.core.jobs import Jobs, add_core_jobs, read_figures
from watchkeeper.core.metrics import Metrics
from watchkeeper.core.offload import Executor
from watchkeeper.core.problem_documents import (
    OF_EVERY_CALL,
    describe_problems,
    problem_responses,
)
from watchkeeper.core.realtime import Listener
from watchkeeper.core.secrets import Secrets
from watchkeeper.privacy import jobs as privacy_jobs
from watchkeeper.privacy.router import router as privacy_router
from watchkeeper.privacy.service import Exports
from watchkeeper.privacy.subscribers import follow_deletions
from watchkeeper.settings import Settings
from watchkeeper.viewing import jobs as viewing_jobs
from watchkeeper.viewing import report_jobs, report_subscribers
from watchkeeper.viewing.events_router import router as events_router
from watchkeeper.viewing.grants_router import router as grants_router
from watchkeeper.viewing.heartbeat_rate import HeartbeatRate
from watchkeeper.viewing.history_router import router as history_router
from watchkeeper.viewing.parental_router import router as parental_router
from watchkeeper.viewing.requests_router import router as requests_router
from watchkeeper.viewing.router import router as viewing_router
from watchkeeper.viewing.service import Viewing
from watchkeeper.viewing.service.events import Events
from watchkeeper.viewing.service.heartbeat_batches import HeartbeatBatches
from watchkeeper.viewing.service.history import History
from watchkeeper.viewing.service.weekly_report import WeeklyReports
from watchkeeper.viewing.subscribers import follow_profile, open_viewing_account
from watchkeeper.viewing.title_router import router as title_router

log = structlog.get_logger(__name__)
API = "/api/v1"
SHOWN_EVERY_SECONDS = 15.0


def create_app(
    settings: Settings, *, database_url: str, secrets: Secrets, clock: Clock | None = None
) -> FastAPI:
    """The service on one database.

    `clock` replaces the database's clock in tests. The database is opened by the lifespan; nothing
    is connected before that.
    """
    subscriptions = Subscriptions()
    floor = _build_floor(settings, database_url, secrets, clock, subscriptions)
    gate = health.SchemaGate(floor.database, monotonic=floor.clock.monotonic)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            await floor.open()
            await gate.check()
            if gate.fault:
                log.warning("schema.behind", reason=gate.fault)
            floor.background.start("events", app.state.events.run)
            floor.background.start(
                "queue figures",
                partial(
                    repeat, partial(_show_queue, floor, gate), every_seconds=SHOWN_EVERY_SECONDS
                ),
            )
            if settings.jobs.run:
                app.state.worker.start()
            yield
        finally:
            within_seconds = settings.server.shutdown_seconds
            await asyncio.gather(
                app.state.heartbeat_batches.stop(within_seconds=within_seconds),
                app.state.worker.stop(within_seconds=within_seconds),
            )
            app.state.events.stop()
            app.state.exports.close()
            await floor.close()

    app = FastAPI(
        title="Watchkeeper",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.settings = settings
    app.state.floor = floor
    app.state.schema_gate = gate
    app.include_router(health.router)
    _add_domains(app, floor, settings, subscriptions)
    app.state.jobs = _jobs_of(app, floor)
    app.state.worker = _worker_of(app.state.jobs, floor, gate, settings.jobs)
    add_error_handlers(app)
    describe_problems(app)
    add_middleware(app, settings.server, floor.metrics, gate)
    return app


def _build_floor(
    settings: Settings,
    database_url: str,
    secrets: Secrets,
    clock: Clock | None,
    subscriptions: Subscriptions,
) -> Floor:
    metrics = Metrics()
    database_clock = DatabaseClock()
    database = Database(
        database_url,
        settings.database,
        clock=database_clock,
        metrics=metrics,
        subscriptions=subscriptions,
        echo=settings.server.debug,
    )
    return Floor(
        clock=clock or database_clock,
        database=database,
        metrics=metrics,
        secrets=secrets,
        signer=TokenSigner(secrets),
        hashing=Executor(
            "hashing",
            threads=settings.offload.hashing_threads,
            queue_limit=settings.offload.hashing_queue,
            metrics=metrics,
        ),
        listener=Listener(database.url),
    )


def _add_domains(
    app: FastAPI, floor: Floor, settings: Settings, subscriptions: Subscriptions
) -> None:
    app.state.accounts = Accounts(floor, settings.security)
    app.state.viewing = Viewing(floor, settings.cache)
    app.state.events = Events(
        floor, app.state.viewing.configurations, app.state.viewing.balances, settings.events
    )
    app.state.heartbeat_batches = HeartbeatBatches(
        app.state.viewing.heartbeats.answer, settings.heartbeats, floor.metrics
    )
    app.state.heartbeat_rate = HeartbeatRate(floor.clock.monotonic)
    app.state.history = History(floor)
    app.state.weekly_reports = WeeklyReports(floor)
    subscriptions.on(ProfileCreated, open_viewing_account)
    subscriptions.on(ProfileChanged, follow_profile)
    report_subscribers.subscribe(subscriptions)
    subscriptions.on(DeviceRevoked, tell_of_device)
    subscriptions.on(SignInEnded, tell_of_sign_in)
    follow_deletions(subscriptions)
    app.state.catalogue = Catalogue(floor)
    app.state.exports = Exports(floor)
    routers = (
        *account_routers,
        catalogue_router,
        viewing_router,
        events_router,
        parental_router,
        grants_router,
        requests_router,
        title_router,
        history_router,
        privacy_router,
        admin_router,
    )
    for router in routers:
        app.include_router(router, prefix=API, responses=problem_responses(*OF_EVERY_CALL))


def _jobs_of(app: FastAPI, floor: Floor) -> Jobs:
    """Everything that is done durably; see `core.jobs`."""
    jobs = Jobs()
    add_core_jobs(jobs, floor)
    account_jobs.add_jobs(jobs, floor)
    viewing_jobs.add_jobs(jobs, floor, app.state.viewing.heartbeats)
    report_jobs.add_jobs(jobs, floor, app.state.weekly_reports)
    privacy_jobs.add_jobs(jobs, floor, app.state.settings.privacy)
    return jobs


def _worker_of(
    jobs: Jobs, floor: Floor, gate: health.SchemaGate, settings: JobsSettings
) -> JobWorker:
    async def is_open() -> bool:
        if not gate.is_open:
            await gate.check()
        return gate.is_open

    return JobWorker(jobs, floor.database, floor.clock, floor.metrics, settings, is_open=is_open)


async def _show_queue(floor: Floor, gate: health.SchemaGate) -> None:
    if gate.is_open:
        await floor.database.run(lambda unit: read_figures(unit, floor.metrics))
