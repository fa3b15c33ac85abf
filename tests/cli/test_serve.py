"""The service as a process: ready, restarted, stopped, and what keeps it from starting."""

import asyncio
import os
import signal
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.cli.commands import COMMAND, run, serving
from tests.harness.cluster import Cluster
from watchkeeper.core.urls import driver_arguments, parse_database_url

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for the tests that don't mind what is in it."""
    return tmp_path_factory.mktemp("data") / "our family's data"


@pytest.fixture
async def empty_database(cluster: Cluster) -> AsyncIterator[str]:
    """A database that was never migrated."""
    async with cluster.database(migrated=False) as url:
        yield url


async def tables_of(url: str) -> int:
    connection = await asyncpg.connect(**driver_arguments(parse_database_url(url)))
    try:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM pg_tables WHERE schemaname NOT LIKE 'pg\\_%'"
            " AND schemaname <> 'information_schema'"
        )
        return count
    finally:
        await connection.close()


async def test_an_embedded_service_starts_answers_and_stops(data_dir: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        async with serving("--data-dir", data_dir) as service:
            assert service.ready["event"] == "ready"
            assert (await service.client.get("/healthz")).status_code == 200
            assert (await service.client.get("/readyz")).json()["status"] == "ready"
            answer = await service.client.get("/api/v1/auth/me")
            assert answer.status_code == 401
            assert "server" not in answer.headers
            ended = await service.stop(number)
        assert ended.status == 0, ended.err
        assert "Traceback" not in ended.err
        assert not (data_dir / "postgres" / "postmaster.pid").exists()
    keys = data_dir / "secrets" / "keys.json"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600


async def test_open_streams_dont_hold_up_a_stop(data_dir: Path) -> None:
    async with serving("--data-dir", data_dir) as service:
        registered = await service.client.post(
            "/api/v1/auth/register",
            json={
                "email": "streams@example.com",
                "password": "correct horse battery",
                "household_name": "Streams",
                "timezone": "Europe/Madrid",
            },
        )
        headers = {"Authorization": f"Bearer {registered.json()['access_token']}"}
        async with service.client.stream(
            "GET", "/api/v1/viewing-time/events", headers=headers, timeout=60
        ) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == "event: snapshot"
            ending = asyncio.create_task(service.stop())
            # The answer ends as answers do, instead of being cut off when patience ends.
            assert [line async for line in lines if line.startswith("event:")] == []
            ended = await ending
    assert ended.status == 0, ended.err
    assert "graceful shutdown exceeded" not in ended.err
    assert "Traceback" not in ended.err
    closed = [line for line in ended.err.splitlines() if "stream.closed" in line]
    assert len(closed) == 1
    assert "stopped" in closed[0]


async def test_people_are_told_the_address(data_dir: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "serve",
        "--port",
        "0",
        "--data-dir",
        str(data_dir),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    process.terminate()
    await process.wait()
    assert line.startswith("Watchkeeper is ready on http://127.0.0.1:")


async def test_what_is_in_use_is_told_in_a_line(data_dir: Path, tmp_path: Path) -> None:
    async with serving("--data-dir", data_dir) as service:
        port = service.ready["url"].rpartition(":")[2]
        same_port = await run("serve", "--port", port, "--data-dir", tmp_path / "other")
        assert same_port.status == 1
        assert same_port.err.startswith(f"Port {port} on 127.0.0.1 is in use")
        assert same_port.err.count("\n") == 1
        assert not (tmp_path / "other").exists()

        same_folder = await run("serve", "--port", "0", "--data-dir", data_dir)
        assert same_folder.status == 1
        assert str(service.process.pid) in same_folder.err.splitlines()[-1]
        assert "Traceback" not in same_folder.err


async def test_an_address_that_isnt_ours_is_told_in_a_line(tmp_path: Path) -> None:
    ended = await run("serve", "--host", "203.0.113.7", "--port", "0", "--data-dir", tmp_path)
    assert ended.status == 1
    assert ended.err.startswith("Watchkeeper can't listen on 203.0.113.7:0 (")
    assert ended.err.count("\n") == 1


async def test_a_stop_during_the_start_is_clean(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "serve",
        "--port",
        "0",
        "--data-dir",
        str(tmp_path / "data"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    # The first line is about the database that is being made.
    await asyncio.wait_for(process.stderr.readline(), 60)
    process.terminate()
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err
    assert b"Traceback" not in err
    async with serving("--data-dir", tmp_path / "data") as service:
        assert (await service.client.get("/readyz")).status_code == 200


async def test_an_external_database_isnt_touched_unasked(
    empty_database: str, tmp_path: Path
) -> None:
    settings = {
        "WATCHKEEPER_DATABASE_URL": empty_database,
        "WATCHKEEPER_DATA_DIR": str(tmp_path),
    }
    async with serving(**settings) as service:
        answer = await service.client.get("/readyz")
        assert answer.status_code == 503
        assert "watchkeeper migrate" in answer.json()["reasons"][0]
        login = {"email": "a@example.com", "password": "does not matter"}
        refused = await service.client.post("/api/v1/auth/login", json=login)
        assert refused.status_code == 503
        assert refused.json()["type"] == "core/schema-behind"
        assert await tables_of(empty_database) == 0

        migrated = await run("migrate", "--json", **settings)
        assert migrated.status == 0, migrated.err
        assert migrated.json["before"] is None
        await service.becomes_ready()
    again = await run("migrate", **settings)
    assert again.out == f"The database is at revision {migrated.json['after']} already.\n"
    assert not (tmp_path / "postgres").exists()


@pytest.mark.parametrize("name", ["WATCHKEEPER_RUN_MIGRATIONS", "RUN_MIGRATIONS"])
async def test_an_external_database_is_migrated_when_asked(
    name: str, empty_database: str, tmp_path: Path
) -> None:
    settings = {
        "WATCHKEEPER_DATABASE_URL": empty_database,
        "WATCHKEEPER_DATA_DIR": str(tmp_path),
        name: "true",
    }
    async with serving(**settings) as service:
        assert (await service.client.get("/readyz")).status_code == 200


async def test_commands_say_that_an_external_database_is_behind(
    empty_database: str, tmp_path: Path
) -> None:
    ended = await run(
        "demo",
        WATCHKEEPER_DATABASE_URL=empty_database,
        WATCHKEEPER_DATA_DIR=str(tmp_path),
    )
    assert ended.status == 1
    assert ended.err.splitlines()[-1].endswith("run: watchkeeper migrate")
    assert await tables_of(empty_database) == 0


async def test_the_service_survives_the_end_of_its_database(data_dir: Path) -> None:
    async with serving("--data-dir", data_dir) as service:
        pid = int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        login = {"email": "nobody@example.com", "password": "does not matter"}
        answer = await service.client.post("/api/v1/auth/login", json=login, timeout=30)
        assert answer.status_code in {401, 503}
        await service.becomes_ready()
        answer = await service.client.post("/api/v1/auth/login", json=login)
        assert answer.status_code == 401
        assert (await service.stop()).status == 0
