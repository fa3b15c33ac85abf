"""The whole service in this process, on a real database, with a clock moved by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from tests.harness.clock import ManualClock
from watchkeeper.core.config import DatabaseSettings, JobsSettings, SecuritySettings
from watchkeeper.core.database import Database
from watchkeeper.core.floor import Floor
from watchkeeper.core.secrets import Secrets
from watchkeeper.settings import Settings

SECRETS = Secrets("test", {"test": b"k" * 32}, b"p" * 32)


def quick_settings(**parts: Any) -> Settings:
    """Settings for tests: few connections opened ahead, no limits that hundreds of calls meet."""
    defaults: dict[str, Any] = {
        "database": DatabaseSettings(prewarm_connections=1),
        # Tests say themselves when jobs run; see tests/harness/jobs.py.
        "jobs": JobsSettings(run=False),
        # Tokens outlive the hours that tests move the clock by; expiry has tests of its own.
        "security": SecuritySettings(
            registrations_per_hour=100_000,
            sign_ins_per_minute_per_address=100_000,
            access_token_seconds=86_400,
        ),
    }
    return Settings(**defaults | parts)


@dataclass(slots=True)
class Service:
    """A running service and a client that speaks to it without a socket."""

    app: FastAPI
    clock: ManualClock
    client: httpx.AsyncClient
    database_url: str

    @property
    def floor(self) -> Floor:
        floor: Floor = self.app.state.floor
        return floor

    @property
    def database(self) -> Database:
        return self.floor.database


@asynccontextmanager
async def running_service(
    database_url: str, *, clock: ManualClock | None = None, settings: Settings | None = None
) -> AsyncIterator[Service]:
    """Open the service, as a server would, and close it again."""
    from watchkeeper.app import create_app  # pure tests need not import the whole service

    clock = clock or ManualClock()
    app = create_app(
        settings or quick_settings(), database_url=database_url, secrets=SECRETS, clock=clock
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=True, client=("127.0.0.1", 4711))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://watchkeeper.test") as client,
    ):
        yield Service(app, clock, client, database_url)
