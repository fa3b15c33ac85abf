"""The whole service in this process, on a real database, with a clock moved by hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI

from tests.harness.clock import ManualClock
from tests.harness.first_event import FirstEventOnly
from watchkeeper.core.config import DatabaseSettings, JobsSettings, SecuritySettings
from watchkeeper.core.database import Database, UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.secrets import Secrets
from watchkeeper.settings import Settings

_MARKS = "tests_marks"
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
    marks: dict[str, asyncio.Event] = field(default_factory=dict)

    @property
    def floor(self) -> Floor:
        floor: Floor = self.app.state.floor
        return floor

    @property
    def database(self) -> Database:
        return self.floor.database

    async def hear_out(self) -> None:
        """Wait until this service has heard everything that was announced before."""
        mark = uuid4().hex
        heard = self.marks[mark] = asyncio.Event()

        async def work(unit: UnitOfWork) -> None:
            unit.notify(_MARKS, mark)

        await self.database.run(work)
        async with asyncio.timeout(10):
            await heard.wait()


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
    marks: dict[str, asyncio.Event] = {}
    app.state.floor.listener.on(_MARKS, lambda mark: marks.pop(mark, asyncio.Event()).set())
    transport = httpx.ASGITransport(
        FirstEventOnly(app), raise_app_exceptions=True, client=("127.0.0.1", 4711)
    )
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://watchkeeper.test") as client,
    ):
        yield Service(app, clock, client, database_url, marks)
