"""What can't be used is refused with one sentence, and nothing is changed."""

import asyncio
from pathlib import Path

import pytest

from tests.core.embedded.conftest import StartServer, ask
from watchkeeper.core.embedded import (
    DatabaseNotStarted,
    DataDirUnusable,
    EmbeddedError,
    WrongVersion,
)
from watchkeeper.core.embedded.folder import DataFolder
from watchkeeper.core.embedded.lock import try_lock_service

pytestmark = pytest.mark.system


async def refusal(start: StartServer, data_dir: Path, **options: bool) -> EmbeddedError:
    with pytest.raises(EmbeddedError) as caught:
        await start(data_dir, **options)
    assert "\n" not in str(caught.value)
    return caught.value


async def test_file_in_the_place_of_the_folder(tmp_path: Path, start: StartServer) -> None:
    (tmp_path / "data").write_text("mine")
    error = await refusal(start, tmp_path / "data")
    assert isinstance(error, DataDirUnusable)
    assert "is a file" in str(error)
    assert "a file of that name is in the way" in str(await refusal(start, tmp_path / "data" / "x"))


async def test_path_longer_than_postgresql_can_hold(tmp_path: Path, start: StartServer) -> None:
    data_dir = tmp_path / "/".join(["p" * 200] * 5)
    assert "longer than 900 bytes" in str(await refusal(start, data_dir))
    assert not (tmp_path / ("p" * 200)).exists()


@pytest.mark.parametrize(
    ("version", "advice"), [("19", "install the newer Watchkeeper"), ("17", "export it")]
)
async def test_cluster_of_another_version(
    data_dir: Path, start: StartServer, version: str, advice: str
) -> None:
    (data_dir / "postgres" / "PG_VERSION").write_text(version + "\n")
    error = await refusal(start, data_dir)
    assert isinstance(error, WrongVersion)
    assert f"made by PostgreSQL {version}" in str(error)
    assert advice in str(error)


async def test_foreign_files_in_the_place_of_the_cluster(new_dir: Path, start: StartServer) -> None:
    (new_dir / "postgres").mkdir(parents=True)
    (new_dir / "postgres" / "thesis.txt").write_text("mine")
    assert "aren't a PostgreSQL database" in str(await refusal(start, new_dir))
    assert (new_dir / "postgres" / "thesis.txt").read_text() == "mine"


async def test_postgresqls_own_reason_is_told(data_dir: Path, start: StartServer) -> None:
    with (data_dir / "postgres" / "postgresql.conf").open("a") as file:
        file.write("nonsense = 1\n")
    error = await refusal(start, data_dir)
    assert isinstance(error, DatabaseNotStarted)
    assert "contains errors" in str(error)


async def test_damaged_cluster_is_told_and_the_folder_let_go(
    data_dir: Path, start: StartServer
) -> None:
    control = data_dir / "postgres" / "global" / "pg_control"
    right = control.read_bytes()
    control.write_bytes(b"x" * len(right))
    await refusal(start, data_dir)
    control.write_bytes(right)
    server = await start(data_dir)
    assert await ask(server.dsn, "SELECT 1") == 1


async def test_password_files_of_another_database(data_dir: Path, start: StartServer) -> None:
    for path in DataFolder.at(data_dir).secrets.iterdir():
        path.write_text("0" * 64)
    assert "aren't the database's" in str(await refusal(start, data_dir))


async def test_real_data_never_runs_without_fsync(data_dir: Path, start: StartServer) -> None:
    (data_dir / "postgres.json").write_text('{"durable": true, "provisioned": 1}')
    assert "isn't run without fsync" in str(await refusal(start, data_dir, durable=False))


async def test_cluster_of_tests_stays_one(new_dir: Path, start: StartServer) -> None:
    server = await start(new_dir, durable=False)
    assert await ask(server.dsn, "SHOW fsync") == "off"
    await server.stop()
    again = await start(new_dir)
    assert await ask(again.dsn, "SHOW fsync") == "off"


async def test_command_that_holds_the_folder_shortly_is_waited_for(
    data_dir: Path, start: StartServer
) -> None:
    held = try_lock_service(DataFolder.at(data_dir), "command")
    assert held is not None
    starting = asyncio.create_task(start(data_dir))
    done, _ = await asyncio.wait({starting}, timeout=0.1)
    assert not done
    held.release()
    server = await starting
    assert await ask(server.dsn, "SELECT 1") == 1
