"""Plain ASGI middleware around every request: id, metrics and log line; headers; the boundary."""

import asyncio
import re
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from watchkeeper.core.errors import log_refusal, problem_response
from watchkeeper.core.ids import new_id
from watchkeeper.core.logging import pseudonym
from watchkeeper.core.metrics import Metrics, count_operations
from watchkeeper.core.problems import InternalError, Problem

log = structlog.get_logger("watchkeeper.request")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_QUIET = {"/healthz", "/readyz", "/metrics"}
_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"}
# What nginx logs for a caller that went away before the answer.
_CALLER_WENT_AWAY = 499


class RequestContext:
    """Gives each request an id, counts its database operations, and logs one line about it.

    Whoever finds out for which household a request is puts the id into `request.state`
    as `household_id`; the log line shows a pseudonym of it.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else new_id().hex
        # The lifespan's state is shared by all requests, so this one gets its own.
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = 500
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
                if scope["state"].get("is_stream", False):
                    # It may last for hours; how it went is told when it ends, by its owner.
                    self._record(scope, status, time.perf_counter() - started)
            await send(message)

        with count_operations() as count:
            try:
                await self.app(scope, receive, send_with_id)
            except asyncio.CancelledError:
                status = _CALLER_WENT_AWAY
                raise
            finally:
                if not scope["state"].get("is_stream", False):
                    seconds = time.perf_counter() - started
                    self._record(scope, status, seconds)
                    self._log(scope, status, seconds, count.operations)
                structlog.contextvars.unbind_contextvars("request_id")

    @staticmethod
    def _log(scope: Scope, status: int, seconds: float, operations: int) -> None:
        # Heartbeats are logged by the batch that settles them.
        has_own_line = scope["state"].get("has_own_line", False)
        if scope["path"] not in _QUIET and not has_own_line:
            log.info("request", **_line(scope, status, seconds, operations))

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        # Labels are words of ours alone: callers must not be able to make new time series.
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(method=method, route=route, status=status).inc()
        self._metrics.request_seconds.labels(route=route).observe(seconds)


def _line(scope: Scope, status: int, seconds: float, operations: int) -> dict[str, Any]:
    line = {
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "duration_ms": round(seconds * 1000, 2),
        "database_operations": operations,
    }
    household_id = scope["state"].get("household_id")
    if household_id is not None:
        line["household"] = pseudonym(household_id)
    return line


class Boundary:
    """Answers what nobody below has answered: refusals of middleware, and bugs.

    A bug is logged with its traceback and answered with 500 and none of it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_started = False

        async def note_start(message: Message) -> None:
            nonlocal is_started
            is_started = is_started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, note_start)
        except Problem as problem:
            if is_started:
                raise
            log_refusal(problem)
            await problem_response(problem, scope["path"])(scope, receive, send)
        except Exception:
            log.exception("request.failed")
            if is_started:
                raise  # The server breaks the connection off, so that half isn't taken for whole.
            await problem_response(InternalError(), scope["path"])(scope, receive, send)


class SecurityHeaders:
    """Headers that tell browsers to be strict; the policy allows nothing from elsewhere."""

    HEADERS: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "Content-Security-Policy": "default-src 'self'; base-uri 'none'; object-src 'none'; "
            "frame-ancestors 'none'; form-action 'self'",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
        }
    )

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/api/"):
                    headers.setdefault("Cache-Control", "no-store")
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        await self.app(scope, receive, send_with_headers)
