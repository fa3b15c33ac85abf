"""Puts the parts together; the only place that knows them all."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import structlog
from fastapi import FastAPI

from watchkeeper import __version__
from watchkeeper.accounts import jobs as account_jobs
from watchkeeper.accounts.events import ProfileChanged, ProfileCreated
from watchkeeper.accounts.router import routers as account_routers
from watchkeeper.accounts.service import Accounts
from watchkeeper.admin.router import router as admin_router
from watchkeeper.catalogue.router import router as catalogue_router
from watchkeeper.catalogue.service import Catalogue
from watchkeeper.core import health
from watchkeeper.core.auth import TokenSigner
from watchkeeper.core.background import repeat
from watchkeeper.core.clock import Clock, DatabaseClock
from watchkeeper.core.database import Database
from watchkeeper.core.edge import add_middleware
from watchkeeper.core.errors import add_error_handlers
from watchkeeper.core.events import Subscriptions
from watchkeeper.core.floor import Floor
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
from watchkeeper.viewing.heartbeat_rate import HeartbeatRate
from watchkeeper.viewing.history_router import router as history_router
from watchkeeper.viewing.parental_router import router as parental_router
from watchkeeper.viewing.router import router as viewing_router
from watchkeeper.viewing.service import Viewing
from watchkeeper.viewing.service.history import History
from watchkeeper.viewing.service.weekly_report import WeeklyReports
from watchkeeper.viewing.subscribers import follow_profile, open_viewing_account
from watchkeeper.viewing.title_router import router as title_router

log = structlog.get_logger(__name__)
API = "/api/v1"


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
            _start_jobs(app, floor, gate)
            yield
        finally:
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
    app.state.heartbeat_rate = HeartbeatRate(floor.clock.monotonic)
    app.state.history = History(floor)
    app.state.weekly_reports = WeeklyReports(floor)
    subscriptions.on(ProfileCreated, open_viewing_account)
    subscriptions.on(ProfileChanged, follow_profile)
    follow_deletions(subscriptions)
    app.state.catalogue = Catalogue(floor)
    app.state.exports = Exports(floor)
    routers = (
        *account_routers,
        catalogue_router,
        viewing_router,
        parental_router,
        title_router,
        history_router,
        privacy_router,
        admin_router,
    )
    for router in routers:
        app.include_router(router, prefix=API, responses=problem_responses(*OF_EVERY_CALL))


def _start_jobs(app: FastAPI, floor: Floor, gate: health.SchemaGate) -> None:
    """Begin the background work; it waits while the schema isn't current."""
    jobs: tuple[tuple[str, float, Callable[[], Awaitable[object]]], ...] = (
        (
            "silent sessions",
            viewing_jobs.EVERY_SECONDS,
            lambda: viewing_jobs.close_silent_sessions(floor, app.state.viewing.heartbeats),
        ),
        (
            "expired rows",
            account_jobs.EVERY_SECONDS,
            lambda: account_jobs.forget_expired_rows(floor),
        ),
        (
            "retention",
            privacy_jobs.EVERY_SECONDS,
            lambda: privacy_jobs.apply_retention(floor, app.state.settings.privacy),
        ),
    )
    for name, every_seconds, job in jobs:
        work = partial(_when_open, gate, job)
        floor.background.start(name, partial(repeat, work, every_seconds=every_seconds))


async def _when_open(gate: health.SchemaGate, job: Callable[[], Awaitable[object]]) -> None:
    if gate.is_open:
        await job()
