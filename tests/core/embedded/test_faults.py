"""Whatever is killed, the next start or the watch brings the database back with its data."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from tests.core.embedded.conftest import (
    RunService,
    StartServer,
    ask,
    copy_folder,
    end_database,
    eventually,
)
from watchkeeper.core.embedded import DatabaseNotStarted, EmbeddedPostgres, EmbeddedServer
from watchkeeper.core.embedded.account import choose_account
from watchkeeper.core.embedded.folder import DataFolder
from watchkeeper.core.embedded.postmaster import find_postmaster
from watchkeeper.core.embedded.processes import find_process, list_processes

pytestmark = pytest.mark.system

SHORT = timedelta(seconds=0.3)


@asynccontextmanager
async def watched(server: EmbeddedServer) -> AsyncIterator[None]:
    watching = asyncio.create_task(server.watch())
    try:
        yield
    finally:
        await server.stop()
        await watching


def move(source: Path, target: Path) -> None:
    source.rename(target)


def backends(data_dir: Path) -> list[int]:
    prefix = f"postgres: {DataFolder.at(data_dir).cluster_name}: watchkeeper"
    return [process.pid for process in list_processes() if process.command.startswith(prefix)]


async def test_killed_postgresql_is_restarted_with_everything_committed(
    data_dir: Path, start: StartServer
) -> None:
    restarted = asyncio.Event()

    async def note_restart() -> None:
        restarted.set()

    server = await start(data_dir, on_restart=note_restart)
    async with watched(server):
        await ask(server.dsn, "CREATE TABLE kept AS SELECT 7 AS n")
        dsn, first = server.dsn, server.pid
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(20):
            await restarted.wait()
        assert server.pid != first
        assert server.dsn == dsn
        assert await ask(dsn, "SELECT n FROM kept") == 7


async def test_postgresql_killed_again_and_again_comes_back(
    data_dir: Path, start: StartServer
) -> None:
    server = await start(data_dir)
    async with watched(server):
        for _ in range(3):
            killed = server.pid
            os.kill(killed, signal.SIGKILL)
            await eventually(lambda killed=killed: server.pid != killed)  # type: ignore[misc]
            assert await ask(server.dsn, "SELECT 1") == 1


@pytest.mark.parametrize("is_frozen", [False, True])
async def test_backends_of_a_killed_postgresql_are_ended(
    data_dir: Path, start: StartServer, is_frozen: bool
) -> None:
    server = await start(data_dir)
    connection = await asyncpg.connect(server.dsn)
    # In the middle of a computation a backend doesn't notice that the server is gone.
    busy = asyncio.create_task(
        connection.execute("SELECT count(*) FROM generate_series(1, 10000000000)")
    )
    await eventually(lambda: len(backends(data_dir)) == 1)
    backend = backends(data_dir)[0]
    if is_frozen:
        os.kill(backend, signal.SIGSTOP)
    killed = server.pid
    os.kill(killed, signal.SIGKILL)
    async with watched(server):
        await eventually(lambda: server.pid != killed)
        assert find_process(backend) is None
        assert await ask(server.dsn, "SELECT 1") == 1
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await busy
    connection.terminate()


async def test_watch_tries_again_until_postgresql_can_start(
    data_dir: Path, start: StartServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = await start(data_dir)
    settings = data_dir / "postgres" / "postgresql.conf"
    right = settings.read_bytes()
    async with watched(server):
        killed = server.pid
        settings.write_bytes(right + b"\nnonsense = 1\n")
        os.kill(killed, signal.SIGKILL)
        await eventually(lambda: "can't be restarted" in caplog.text)
        settings.write_bytes(right)
        await eventually(lambda: server.pid != killed)
        assert await ask(server.dsn, "SELECT 1") == 1


async def test_removed_socket_is_healed(data_dir: Path, start: StartServer) -> None:
    server = await start(data_dir)
    async with watched(server):
        first = server.pid
        shutil.rmtree(data_dir / "run")
        await eventually(lambda: server.pid != first)
        assert await ask(server.dsn, "SELECT 1") == 1


async def test_orphan_of_a_killed_service_is_adopted(
    data_dir: Path, run_service: RunService, start: StartServer
) -> None:
    service = await run_service(data_dir)
    dsn = service.said["dsn"]
    await ask(dsn, "CREATE TABLE kept AS SELECT 7 AS n")
    await service.kill()
    server = await start(data_dir)
    assert server.pid == service.postgres_pid
    assert server.dsn == dsn
    assert await ask(dsn, "SELECT n FROM kept") == 7
    killed = server.pid
    os.kill(killed, signal.SIGKILL)
    async with watched(server):
        await eventually(lambda: server.pid != killed)
        assert await ask(dsn, "SELECT n FROM kept") == 7
    assert find_postmaster(DataFolder.at(data_dir), choose_account(data_dir / "postgres")) is None


async def test_service_and_postgresql_killed_together(
    data_dir: Path, run_service: RunService, start: StartServer
) -> None:
    service = await run_service(data_dir)
    await ask(service.said["dsn"], "CREATE TABLE kept AS SELECT 7 AS n")
    os.kill(service.postgres_pid, signal.SIGKILL)
    await service.kill()
    server = await start(data_dir)
    assert server.pid != service.postgres_pid
    assert await ask(server.dsn, "SELECT n FROM kept") == 7


async def test_orphan_that_is_just_stopping_is_waited_for(
    data_dir: Path, run_service: RunService, start: StartServer
) -> None:
    service = await run_service(data_dir)
    idle = await asyncpg.connect(service.said["dsn"])
    await service.kill()
    # A smart shutdown: it waits for the connection, which nobody closes.
    os.kill(service.postgres_pid, signal.SIGTERM)
    pid_file = data_dir / "postgres" / "postmaster.pid"
    await eventually(lambda: "stopping" in pid_file.read_text())
    server = await start(data_dir)
    assert server.pid != service.postgres_pid
    assert await ask(server.dsn, "SELECT 1") == 1
    idle.terminate()


async def test_orphan_that_doesnt_answer_is_replaced(
    data_dir: Path,
    run_service: RunService,
    start: StartServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("watchkeeper.core.embedded.opening.PROBE_LIMIT", SHORT)
    monkeypatch.setattr("watchkeeper.core.embedded.postmaster.QUIT_LIMIT", SHORT)
    service = await run_service(data_dir)
    await service.kill()
    os.kill(service.postgres_pid, signal.SIGSTOP)
    server = await start(data_dir)
    assert server.pid != service.postgres_pid
    assert find_process(service.postgres_pid) is None
    assert await ask(server.dsn, "SELECT 1") == 1


async def test_orphan_with_other_settings_is_restarted(
    data_dir: Path, run_service: RunService, start: StartServer
) -> None:
    service = await run_service(data_dir)
    await service.kill()
    server = await start(data_dir, settings=EmbeddedPostgres(data_dir, max_connections=50))
    assert server.pid != service.postgres_pid
    assert await ask(server.dsn, "SHOW max_connections") == "50"


async def test_process_id_used_by_something_else_is_no_obstacle(
    data_dir: Path, run_service: RunService, start: StartServer
) -> None:
    service = await run_service(data_dir)
    os.kill(service.postgres_pid, signal.SIGKILL)
    await service.kill()
    account = choose_account(data_dir / "postgres")
    # After a restart of a container, small process ids belong to anything.
    other = await asyncio.create_subprocess_exec(
        "sleep", "600", user=account.uid if account.is_other else None
    )
    try:
        pid_file = data_dir / "postgres" / "postmaster.pid"
        _, _, rest = pid_file.read_text().partition("\n")
        pid_file.write_text(f"{other.pid}\n{rest}")
        server = await start(data_dir)
        assert await ask(server.dsn, "SELECT 1") == 1
        assert other.returncode is None
    finally:
        other.kill()
        await other.wait()


async def test_pid_file_that_is_a_link_is_refused(
    data_dir: Path, tmp_path: Path, start: StartServer
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("first line\nsecond line\n")
    (data_dir / "postgres" / "postmaster.pid").symlink_to(precious)
    with pytest.raises(Exception, match=r"postmaster\.pid"):
        await start(data_dir)
    assert precious.read_text() == "first line\nsecond line\n"


async def test_copy_of_a_folder_isnt_taken_for_the_original(
    data_dir: Path, tmp_path: Path, start: StartServer
) -> None:
    original = await start(data_dir)
    copy = tmp_path / "copy"
    copy_folder(data_dir, copy)
    try:
        server = await start(copy)
        assert server.pid != original.pid
        assert await ask(server.admin_dsn, "SHOW data_directory") == str(copy / "postgres")
        assert await ask(original.dsn, "SELECT 1") == 1
    finally:
        await original.stop()
        await server.stop()
        await end_database(copy)


async def test_folder_moved_under_a_running_database_is_refused(
    data_dir: Path, tmp_path: Path, run_service: RunService, start: StartServer
) -> None:
    service = await run_service(data_dir)
    await service.kill()
    moved = tmp_path / "moved"
    move(data_dir, moved)
    try:
        with pytest.raises(DatabaseNotStarted, match="shared memory block"):
            await start(moved)
    finally:
        move(moved, data_dir)
        os.kill(service.postgres_pid, signal.SIGQUIT)
        await eventually(lambda: find_process(service.postgres_pid) is None)


async def test_start_killed_in_the_middle_of_creating_is_repeated(
    new_dir: Path, run_service: RunService, start: StartServer
) -> None:
    first = asyncio.create_task(run_service(new_dir))
    await eventually(lambda: any(new_dir.glob(".postgres-new-*/pgdata/PG_VERSION")))
    holder = int((new_dir / "service.lock").read_text().split()[0])
    os.kill(holder, signal.SIGKILL)
    with pytest.raises(ValueError, match="Expecting value"):
        await first
    assert not (new_dir / "postgres").exists()
    server = await start(new_dir)
    assert await ask(server.dsn, "SELECT 1") == 1


async def test_cluster_that_was_never_provisioned_is_finished(
    data_dir: Path, start: StartServer
) -> None:
    # What is left when the first start is killed between making the cluster and its database.
    server = await start(data_dir)
    for statement in ("DROP DATABASE watchkeeper", "DROP ROLE watchkeeper"):
        await ask(server.admin_dsn.replace("/watchkeeper?", "/postgres?"), statement)
    await server.stop()
    (data_dir / "postgres.json").unlink()
    again = await start(data_dir)
    assert await ask(again.dsn, "SHOW lock_timeout") == "10s"


async def test_service_that_is_told_to_stop_stops_the_database(
    data_dir: Path, run_service: RunService
) -> None:
    service = await run_service(data_dir)
    assert await service.stop() == 0
    assert find_process(service.postgres_pid) is None
