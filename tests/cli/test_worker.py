"""`watchkeeper worker` as a process: ready, at work beside a service, stopped, killed."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.cli.commands import Serving, run, serving, working
from tests.harness.cluster import Cluster
from watchkeeper.core.urls import driver_arguments, parse_database_url

pytestmark = pytest.mark.system

PERIODIC = {
    "accounts.forget-expired",
    "jobs.forget-finished",
    "privacy.retention",
    "viewing.close-silent",
    "viewing.find-weeks",
}


@pytest.fixture
async def database_url(cluster: Cluster) -> AsyncIterator[str]:
    async with cluster.database() as url:
        yield url


async def fetch(url: str, statement: str) -> list[Any]:
    connection: Any = await asyncpg.connect(**driver_arguments(parse_database_url(url)))
    try:
        rows: list[Any] = await connection.fetch(statement)
        return rows
    finally:
        await connection.close()


async def runs_of(url: str) -> dict[str, int]:
    """How often each job was done."""
    rows = await fetch(
        url,
        "SELECT entrypoint, count(*) FROM jobs.pgqueuer_log WHERE status = 'successful' GROUP BY 1",
    )
    return {row["entrypoint"]: row["count"] for row in rows}


async def all_were_done(url: str) -> None:
    async with asyncio.timeout(60):
        while set(await runs_of(url)) != PERIODIC:  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.1)


def on(url: str, tmp_path: Path, **settings: str) -> dict[str, str]:
    """Settings of processes that share a database and its secrets."""
    return {
        "WATCHKEEPER_DATABASE_URL": url,
        "WATCHKEEPER_SECURITY_SECRETS_FILE": str(tmp_path / "keys.json"),
        **settings,
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_does_the_jobs_that_the_service_leaves(
    database_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    quiet = on(database_url, tmp_path, WATCHKEEPER_JOBS_RUN="false")
    async with serving(**quiet) as service:
        assert (await service.client.get("/readyz")).status_code == 200
        async with working(**quiet) as worker:
            await all_were_done(database_url)
            worker.send_signal(number)
            _, err = await asyncio.wait_for(worker.communicate(), 30)
            assert worker.returncode == 0
            assert b"Traceback" not in err
        by_worker = await runs_of(database_url)
        await service.stop()
        assert await runs_of(database_url) == by_worker


async def test_without_a_worker_nothing_is_unready(database_url: str, tmp_path: Path) -> None:
    quiet = on(database_url, tmp_path, WATCHKEEPER_JOBS_RUN="false")
    async with serving(**quiet) as service:
        await fetch(
            database_url,
            "INSERT INTO jobs.pgqueuer (priority, status, entrypoint) VALUES (0, 'queued', 'x')",
        )
        assert (await service.client.get("/readyz")).json()["status"] == "ready"
    assert await runs_of(database_url) == {}


async def test_two_services_begin_each_period_once(database_url: str, tmp_path: Path) -> None:
    settings = on(database_url, tmp_path)
    async with serving(**settings) as first, serving(**settings) as second:
        await all_were_done(database_url)
        # Periods of a minute may have ended meanwhile; each is begun by one of the two.
        begun = await fetch(
            database_url,
            "SELECT entrypoint, count(*), count(DISTINCT date_trunc('minute', created)) AS periods "
            "FROM jobs.pgqueuer_log WHERE status = 'queued' GROUP BY 1",
        )
        assert {row["entrypoint"] for row in begun} == PERIODIC
        assert all(row["count"] == row["periods"] for row in begun), begun
        for service in (first, second):
            await _stops_cleanly(service)


async def _stops_cleanly(service: Serving) -> None:
    ended = await service.stop()
    assert ended.status == 0
    assert "Traceback" not in ended.err


async def test_a_worker_waits_for_the_schema(cluster: Cluster, tmp_path: Path) -> None:
    async with cluster.database(migrated=False) as url:
        settings = on(url, tmp_path)

        async def migrate_later() -> None:
            await asyncio.sleep(1)
            assert (await run("migrate", **settings)).status == 0

        migrating = asyncio.create_task(migrate_later())
        async with working(**settings):
            await migrating
            await all_were_done(url)


async def test_an_embedded_database_has_a_worker_beside_its_service(tmp_path: Path) -> None:
    quiet = {"WATCHKEEPER_JOBS_RUN": "false"}
    async with (
        serving("--data-dir", tmp_path, **quiet) as service,
        working("--data-dir", tmp_path, **quiet),
    ):
        assert (await service.client.get("/readyz")).status_code == 200
