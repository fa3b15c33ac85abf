"""PostgreSQL itself dies and is replaced while requests run: none of them fails."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.core.conftest import opened
from tests.core.work import in_use, read_one
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.embedded import EmbeddedServer

REQUESTS = 40


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A server of this test's own, watched as a running service does."""
    server = await EmbeddedServer.start(tmp_path / "data", durable=False)
    watching = asyncio.create_task(server.watch())
    yield server
    await server.stop()
    await watching


async def test_requests_outlive_the_death_of_the_server(server: EmbeddedServer) -> None:
    async def create(unit: UnitOfWork) -> None:
        await unit.execute(text("CREATE TABLE hits (request int PRIMARY KEY)"))

    async def hit(request: int) -> None:
        async def work(unit: UnitOfWork) -> None:
            await unit.execute(
                text("INSERT INTO hits VALUES (:request) ON CONFLICT DO NOTHING"),
                {"request": request},
            )

        await database.run(work, is_replayable=True)

    async with opened(server.dsn, prewarm_connections=10, restart_wait_seconds=30) as database:
        await database.run(create)
        first = server.pid
        requests = []
        for number in range(REQUESTS):
            requests.append(asyncio.create_task(hit(number)))
            if number == REQUESTS // 2:
                await requests[0]
                os.kill(first, signal.SIGKILL)
        await asyncio.gather(*requests)
        assert server.pid != first

        async def count(unit: UnitOfWork) -> int:
            return int((await unit.execute(text("SELECT count(*) FROM hits"))).scalar_one())

        assert await database.run(count) == REQUESTS
        assert in_use(database.engine) == 0


async def test_the_first_request_after_a_restart_between_requests(server: EmbeddedServer) -> None:
    async with opened(server.dsn, prewarm_connections=3, restart_wait_seconds=30) as database:
        first = server.pid
        os.kill(first, signal.SIGINT)
        async with asyncio.timeout(30):
            while server.pid == first:  # noqa: ASYNC110 - the watcher has no event for it
                await asyncio.sleep(0.01)
        assert await database.run(read_one) == 1
