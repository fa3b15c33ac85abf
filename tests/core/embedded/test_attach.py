"""Commands beside the service: they share one database, and the last one turns it off."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.core.embedded.conftest import RunService, StartServer, ask
from watchkeeper.core.embedded import attached, find_running
from watchkeeper.core.embedded.account import choose_account
from watchkeeper.core.embedded.folder import DataFolder
from watchkeeper.core.embedded.postmaster import find_postmaster

pytestmark = pytest.mark.system


def postgres_pid(data_dir: Path) -> int | None:
    folder = DataFolder.at(data_dir)
    found = find_postmaster(folder, choose_account(folder.pgdata))
    return found.pid if found else None


async def test_nothing_is_found_and_nothing_made_where_nothing_runs(
    data_dir: Path, tmp_path: Path
) -> None:
    assert await find_running(data_dir) is None
    assert await find_running(tmp_path / "absent") is None
    assert not (tmp_path / "absent").exists()


async def test_running_database_is_used_and_left_running(
    data_dir: Path, run_service: RunService
) -> None:
    service = await run_service(data_dir)
    assert await find_running(data_dir) == service.said["dsn"]
    async with attached(data_dir) as dsn:
        assert dsn == service.said["dsn"]
        assert await ask(dsn, "SELECT 1") == 1
    assert postgres_pid(data_dir) == service.postgres_pid


async def test_database_is_started_for_the_time_of_a_command(data_dir: Path) -> None:
    async with attached(data_dir) as dsn:
        assert await ask(dsn, "SELECT 1") == 1
    assert postgres_pid(data_dir) is None
    assert await find_running(data_dir) is None


async def test_command_makes_the_database_when_it_comes_first(new_dir: Path) -> None:
    lines: list[str] = []
    async with attached(new_dir, on_progress=lines.append) as dsn:
        assert await ask(dsn, "SELECT 1") == 1
    assert len(lines) == 1


async def test_failing_command_stops_its_database_too(data_dir: Path) -> None:
    with pytest.raises(RuntimeError, match="of the command"):
        async with attached(data_dir):
            raise RuntimeError("of the command")
    assert postgres_pid(data_dir) is None


async def test_last_of_two_commands_stops_the_database(data_dir: Path) -> None:
    async with attached(data_dir) as first:
        second = attached(data_dir)
        assert await second.__aenter__() == first
    assert await ask(first, "SELECT 1") == 1
    await second.__aexit__(None, None, None)
    assert postgres_pid(data_dir) is None


async def test_commands_that_come_at_once_share_one_database(data_dir: Path) -> None:
    pids: set[int | None] = set()

    async def command() -> None:
        async with attached(data_dir) as dsn:
            assert await ask(dsn, "SELECT 1") == 1
            pids.add(postgres_pid(data_dir))
            await asyncio.sleep(0)

    await asyncio.gather(*(command() for _ in range(5)))
    assert None not in pids
    assert postgres_pid(data_dir) is None


async def test_service_takes_over_the_database_of_a_command(
    data_dir: Path, start: StartServer
) -> None:
    async with attached(data_dir) as dsn:
        pid = postgres_pid(data_dir)
        server = await start(data_dir)
        assert (server.pid, server.dsn) == (pid, dsn)
    assert await ask(server.dsn, "SELECT 1") == 1


async def test_command_waits_while_a_service_restarts_its_database(
    data_dir: Path, run_service: RunService
) -> None:
    service = await run_service(data_dir)
    os.kill(service.postgres_pid, signal.SIGKILL)
    async with attached(data_dir) as dsn:
        assert dsn == service.said["dsn"]
        assert await ask(dsn, "SELECT 1") == 1
    assert postgres_pid(data_dir) not in (None, service.postgres_pid)
