"""The embedded database as the service gets it: made, reached, guarded, stopped."""

import os
import socket
import stat
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.core.embedded.conftest import StartServer, ask, make_folder
from watchkeeper.core.embedded import DataDirInUse, EmbeddedServer, default_data_dir
from watchkeeper.core.embedded.cluster import prune_logs
from watchkeeper.core.embedded.folder import DataFolder
from watchkeeper.core.embedded.passwords import find_passwords
from watchkeeper.core.embedded.processes import find_process, list_processes
from watchkeeper.core.urls import parse_database_url

pytestmark = pytest.mark.system


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_first_start_says_what_takes_time_and_later_ones_dont(
    new_dir: Path, start: StartServer
) -> None:
    lines: list[str] = []
    server = await start(new_dir, on_progress=lines.append)
    assert lines == ["Creating the database (first start only) ..."]
    assert await ask(server.dsn, "SELECT current_user || ' in ' || current_database()") == (
        "watchkeeper in watchkeeper"
    )
    await server.stop()
    lines.clear()
    await start(new_dir, on_progress=lines.append)
    assert lines == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("listen_addresses", ""),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("jit", "off"),
        ("TimeZone", "UTC"),
        ("max_connections", "100"),
        ("shared_buffers", "128MB"),
        ("statement_timeout", "30s"),
        ("lock_timeout", "10s"),
        ("logging_collector", "on"),
        ("log_rotation_size", "10MB"),
    ],
)
async def test_settings_as_the_service_sees_them(
    running: EmbeddedServer, setting: str, value: str
) -> None:
    assert await ask(running.dsn, f"SELECT current_setting('{setting}')") == value


async def test_statistics_of_statements_are_loaded(running: EmbeddedServer) -> None:
    assert await ask(running.admin_dsn, "SHOW shared_preload_libraries") == "pg_stat_statements"


async def test_text_sorts_the_same_on_every_machine(running: EmbeddedServer) -> None:
    locale = (
        "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'watchkeeper'"
    )
    assert await ask(running.dsn, locale) == "bC.UTF-8"


async def test_service_role_may_what_it_needs_and_no_more(running: EmbeddedServer) -> None:
    connection = await asyncpg.connect(running.dsn)
    async with connection.transaction():
        await connection.execute("CREATE SCHEMA viewing")
        for extension in ("citext", "pg_trgm", "btree_gist"):
            await connection.execute(f"CREATE EXTENSION {extension}")
    assert await connection.fetchval("SELECT count(*) FROM pg_stat_statements") > 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("COPY (SELECT 1) TO PROGRAM 'true'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("CREATE ROLE intruder")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.fetchval("SELECT pg_read_file('/etc/hostname')")
    await connection.close()
    assert await ask(running.admin_dsn, "SHOW is_superuser") == "on"


async def test_nobody_gets_in_without_the_password(running: EmbeddedServer) -> None:
    folder = find_folder(running)
    passwords = find_passwords(folder)
    assert passwords is not None
    for role, right, wrong in (
        ("watchkeeper", passwords.service, passwords.superuser),
        ("postgres", passwords.superuser, passwords.service),
    ):
        dsn = running.dsn.replace("watchkeeper:", f"{role}:").replace(passwords.service, right)
        assert await ask(dsn, "SELECT 1") == 1
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(dsn.replace(right, wrong))


async def test_passwords_are_neither_shown_nor_kept_in_statistics(running: EmbeddedServer) -> None:
    passwords = find_passwords(find_folder(running))
    assert passwords is not None
    assert passwords.superuser not in repr(running)
    assert passwords.service not in repr(passwords)
    found = await ask(
        running.admin_dsn, "SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%PASSWORD%'"
    )
    assert found == 0


async def test_sqlalchemy_connects_with_the_same_url(running: EmbeddedServer) -> None:
    engine = create_async_engine(parse_database_url(running.dsn))
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    await engine.dispose()


async def test_only_what_we_make_is_private(new_dir: Path, start: StartServer) -> None:
    above = new_dir.parent
    before = mode(above)
    await start(new_dir)
    folder = DataFolder.at(new_dir)
    # When root starts it, PostgreSQL's user passes through the folder by its group.
    assert mode(new_dir) == (0o710 if os.geteuid() == 0 else 0o700)
    for path in (folder.pgdata, folder.logs, folder.secrets):
        assert mode(path) == 0o700
    for path in (*folder.secrets.iterdir(), folder.service_lock, folder.state):
        assert mode(path) == 0o600
    assert mode(above) == before


@pytest.mark.parametrize("before", [0o700, 0o750, 0o755])
async def test_existing_data_folder_keeps_its_mode(
    new_dir: Path, start: StartServer, before: int
) -> None:
    make_folder(new_dir, before)
    await start(new_dir)
    assert mode(new_dir) == before


@pytest.mark.parametrize(
    "name",
    [
        "with a space",
        'quote\'s "and" $HOME `id` %s',
        "commas, colons: and & = ? #",
        "Fernseh-Wächter 子供",
        "/".join(["a-long-part-of-a-path"] * 12),
    ],
)
async def test_odd_and_long_paths_work(tmp_path: Path, start: StartServer, name: str) -> None:
    data_dir = tmp_path / name
    server = await start(data_dir, durable=False)
    assert await ask(server.dsn, "SELECT 1") == 1
    assert await ask(server.admin_dsn, "SHOW data_directory") == str(data_dir / "postgres")
    engine = create_async_engine(parse_database_url(server.dsn))
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    await engine.dispose()
    await server.stop()
    again = await start(data_dir)
    assert again.dsn == server.dsn


async def test_second_service_is_refused_with_the_first_ones_pid(
    data_dir: Path, start: StartServer
) -> None:
    server = await start(data_dir)
    with pytest.raises(DataDirInUse, match=rf"already used by process {os.getpid()}:") as refusal:
        await start(data_dir)
    assert refusal.value.pid == os.getpid()
    assert "\n" not in str(refusal.value)
    assert await ask(server.dsn, "SELECT 1") == 1
    await server.stop()
    await start(data_dir)


async def test_stop_is_clean_and_leaves_nothing(data_dir: Path, start: StartServer) -> None:
    server = await start(data_dir)
    idle = await asyncpg.connect(server.dsn)
    pid = server.pid
    await server.stop()
    assert find_process(pid) is None
    name = DataFolder.at(data_dir).cluster_name
    assert [process for process in list_processes() if name in process.command] == []
    log = "".join(path.read_text() for path in DataFolder.at(data_dir).logs.iterdir())
    assert "database system is shut down" in log
    assert not (data_dir / "postgres" / "postmaster.pid").exists()
    idle.terminate()


async def test_ctrl_c_of_a_terminal_doesnt_reach_postgresql(running: EmbeddedServer) -> None:
    assert os.getsid(running.pid) == running.pid != os.getsid(0)


async def test_sockets_of_the_service_arent_inherited(data_dir: Path, start: StartServer) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.set_inheritable(True)
    address = listening.getsockname()
    await start(data_dir)
    listening.close()
    # PostgreSQL would still hold the port if it had got the socket.
    with socket.create_server(address, reuse_port=False) as again:
        assert again.getsockname() == address


async def test_environment_of_the_service_doesnt_reach_postgresql(
    data_dir: Path, start: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "1", "PGDATESTYLE": "German", "PGHOST": "nowhere"}.items():
        monkeypatch.setenv(name, value)
    server = await start(data_dir)
    assert await ask(server.dsn, "SHOW DateStyle") == "ISO, MDY"


async def test_lost_passwords_are_replaced(data_dir: Path, start: StartServer) -> None:
    server = await start(data_dir)
    await ask(server.dsn, "CREATE TABLE kept AS SELECT 7 AS n")
    await server.stop()
    for path in DataFolder.at(data_dir).secrets.iterdir():
        path.unlink()
    renewed = await start(data_dir)
    assert renewed.dsn != server.dsn
    assert await ask(renewed.dsn, "SELECT n FROM kept") == 7
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.dsn)


async def test_server_logs_are_bounded(data_dir: Path) -> None:
    folder = DataFolder.at(data_dir)
    for day in range(1, 10):
        (folder.logs / f"postgresql-2030-01-0{day}_000000.log").touch()
    prune_logs(folder, keep=5)
    kept = sorted(path.name[11:21] for path in folder.logs.iterdir())
    assert kept == [f"2030-01-0{day}" for day in (5, 6, 7, 8, 9)]


async def test_failed_statements_dont_reach_the_logs(running: EmbeddedServer) -> None:
    with pytest.raises(asyncpg.PostgresError):
        await ask(running.dsn, "SELECT 'secret of a child'::int")
    log = "".join(path.read_text() for path in find_folder(running).logs.iterdir())
    assert "ready to accept connections" in log
    assert "secret of a child" not in log


def test_default_data_dir_is_the_users_own() -> None:
    assert default_data_dir().name == "watchkeeper"
    assert default_data_dir().is_relative_to(Path.home())


def find_folder(server: EmbeddedServer) -> DataFolder:
    return server._database.folder
