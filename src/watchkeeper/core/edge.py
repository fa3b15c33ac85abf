"""The order of what every request passes through before a route sees it."""

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from watchkeeper.core.config import ServerSettings
from watchkeeper.core.health import RefuseUntilMigrated, SchemaGate
from watchkeeper.core.metrics import Metrics
from watchkeeper.core.middleware import Boundary, RequestContext, SecurityHeaders
from watchkeeper.core.request_checks import AddressCheck, BodyLimit, HeadAsGet, HostCheck

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_REQUEST_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "X-Client", "X-Request-Id")
_ANSWER_HEADERS = ("Retry-After", "X-Request-Id")
_PREFLIGHT_SECONDS = 600


def add_middleware(
    app: FastAPI, settings: ServerSettings, metrics: Metrics, gate: SchemaGate
) -> None:
    """Put the middleware around the routes, from the innermost to the outermost."""
    app.add_middleware(RefuseUntilMigrated, gate=gate)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(AddressCheck)
    if "*" not in settings.allowed_hosts:
        app.add_middleware(HostCheck, allowed=settings.allowed_hosts)
    app.add_middleware(Boundary)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_credentials=True,
            allow_methods=_METHODS,
            allow_headers=_REQUEST_HEADERS,
            expose_headers=_ANSWER_HEADERS,
            max_age=_PREFLIGHT_SECONDS,
        )
    app.add_middleware(SecurityHeaders)
    if settings.debug:
        # Imported here so that a service without debug doesn't even load it.
        from watchkeeper.core.debug import TimingHeader

        app.add_middleware(TimingHeader)
    app.add_middleware(RequestContext, metrics=metrics)
    app.add_middleware(HeadAsGet)
