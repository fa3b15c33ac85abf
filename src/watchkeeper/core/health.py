"""`/healthz`, `/readyz` and `/metrics`: what supervisors, load balancers and operators ask."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from watchkeeper.core.database import Database, UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.problems import DatabaseBusy, Problem, SchemaBehind
from watchkeeper.core.schema import current_revision, is_known_revision, newest_revision

log = structlog.get_logger(__name__)
_ASK_AGAIN_SECONDS = 1.0
_READY_WITHIN_SECONDS = 2.0


class SchemaGate:
    """Knows whether the database's schema is one that this version can work on.

    While it is behind, the schema is asked about again at most once a second, so that a migration
    run elsewhere opens the gate without a restart. A schema that a newer version migrated is
    fine: migrations expand before they contract, so the version before still works on it.
    """

    def __init__(self, database: Database, *, monotonic: Callable[[], float]) -> None:
        self._database = database
        self._monotonic = monotonic
        self._wanted = newest_revision()
        self._asked_at = float("-inf")
        self.fault: str | None = "the schema hasn't been checked yet"

    @property
    def is_open(self) -> bool:
        """Whether requests may work on the database."""
        return self.fault is None

    async def check(self) -> None:
        """Ask the database for its revision, unless that was done within the last second."""
        if self._monotonic() - self._asked_at < _ASK_AGAIN_SECONDS:
            return
        self._asked_at = self._monotonic()

        async def read(unit: UnitOfWork) -> str | None:
            return await unit.connection.run_sync(current_revision)

        current = await self._database.run(read)
        self.fault = self._fault_of(current)
        if self.fault is None and current != self._wanted:
            log.warning("schema.newer", revision=current, known=self._wanted)

    def _fault_of(self, current: str | None) -> str | None:
        if current == self._wanted or (current is not None and not is_known_revision(current)):
            return None
        return (
            f"the schema is at revision {current or 'none'}, this version needs {self._wanted}: "
            "run `watchkeeper migrate` or start with WATCHKEEPER_RUN_MIGRATIONS=true"
        )


class RefuseUntilMigrated:
    """Answers 503 on the API while the schema gate is closed."""

    def __init__(self, app: ASGIApp, gate: SchemaGate) -> None:
        self.app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api/") and not self._gate.is_open:
            await self._gate.check()
            if not self._gate.is_open:
                raise SchemaBehind(log=self._gate.fault)
        await self.app(scope, receive, send)


router = APIRouter(tags=["operations"])


@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> dict[str, str]:
    """Answers without touching anything else."""
    return {"status": "ok"}


@router.get("/readyz", summary="May requests be sent here?", responses={503: {}})
async def readyz(request: Request) -> JSONResponse:
    """503 with the reasons while the database can't be used or its schema isn't current."""
    reasons = await _reasons_against(request.app.state.schema_gate, request.app.state.floor)
    body: dict[str, Any] = {"status": "unavailable" if reasons else "ready", "reasons": reasons}
    return JSONResponse(body, status_code=503 if reasons else 200)


async def _reasons_against(gate: SchemaGate, floor: Floor) -> list[str]:
    try:
        # Whoever asks has a time limit of their own, and wants the reason before it ends.
        async with asyncio.timeout(_READY_WITHIN_SECONDS):
            await (floor.database.run(_touch) if gate.is_open else gate.check())
    except Problem as problem:
        return [f"{problem.type}: {problem.detail}"]
    except TimeoutError:
        return [f"{DatabaseBusy.type}: no answer from the database in {_READY_WITHIN_SECONDS:g} s"]
    if gate.fault:
        return [f"{SchemaBehind.type}: {gate.fault}"]
    if not floor.listener.is_connected:
        return ["core/listener: not listening for announcements of other processes"]
    return []


async def _touch(unit: UnitOfWork) -> None:
    await unit.connection.exec_driver_sql("SELECT 1")


@router.get("/metrics", summary="Metrics in Prometheus' text format", response_class=Response)
async def metrics(request: Request) -> Response:
    """Counters, gauges and histograms of this process."""
    return Response(
        request.app.state.floor.metrics.prometheus(),
        media_type="text/plain; version=0.0.4; charset=utf-8",
    )
