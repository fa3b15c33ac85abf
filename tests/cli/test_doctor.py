"""`watchkeeper doctor`: what it says, how it ends, and that it works whatever runs."""

import json
import stat
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.cli.commands import run, serving
from watchkeeper.core.embedded import find_running

pytestmark = pytest.mark.system

# Nobody reads the log here, and a full pipe would stop the service.
QUIET = {"WATCHKEEPER_LOG_LEVEL": "error"}


def checks_of(out: str) -> dict[str, Any]:
    """The checks of the JSON document, by name."""
    return {check["name"]: check for check in json.loads(out)["checks"]}


async def test_an_embedded_database_that_runs_and_one_that_doesnt(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    async with serving("--data-dir", data_dir, **QUIET):
        beside = await run("doctor", "--data-dir", data_dir)
    assert beside.status == 0, beside.out + beside.err
    assert beside.out.splitlines()[-1].endswith(": 0 faults, 0 warnings.")
    alone = await run("doctor", "--json", "--data-dir", data_dir)
    assert alone.status == 0, alone.out + alone.err
    assert json.loads(alone.out)["verdict"] == "ok"
    assert {check["verdict"] for check in checks_of(alone.out).values()} == {"ok"}
    # It was started for the moment, and stopped.
    assert await find_running(data_dir) is None


async def test_faults_end_with_1_and_say_what_to_do(database_url: str, tmp_path: Path) -> None:
    settings = {"WATCHKEEPER_DATABASE_URL": database_url, "WATCHKEEPER_DATA_DIR": str(tmp_path)}
    assert (await run("demo", **settings)).status == 0
    connection: Any = await asyncpg.connect(database_url)
    await connection.execute("DROP INDEX viewing.sessions_open")
    await connection.execute(
        "UPDATE viewing.days SET counted_ms = counted_ms - 1 WHERE counted_ms > 0"
    )
    await connection.close()
    keys = tmp_path / "secrets" / "keys.json"
    keys.chmod(0o644)

    told = await run("doctor", **settings)
    assert told.status == 1
    lines = told.out.splitlines()
    for check in ("indexes", "secrets_file", "days_against_slices"):
        assert any(line.startswith(f"FAULT   {check}: ") for line in lines), told.out
    assert f"        → Run: chmod 600 '{keys}', " in told.out
    assert "        - viewing.sessions_open: missing" in lines
    assert lines[-1].endswith(": 3 faults, 0 warnings.")

    listed = await run("doctor", "--json", **settings)
    assert listed.status == 1
    checks = checks_of(listed.out)
    assert checks["indexes"]["examples"] == ["viewing.sessions_open: missing"]
    assert checks["schema"]["advice"] is None
    # Nothing was mended, and names of people are in none of it.
    assert stat.S_IMODE(keys.stat().st_mode) == 0o644
    assert not {"Noa", "Leo", "Carmen", "Rivera"} & set(told.out.replace("'", " ").split())


async def test_a_database_that_was_never_migrated(cluster: Any, tmp_path: Path) -> None:
    async with cluster.database(migrated=False) as url:
        settings = {"WATCHKEEPER_DATABASE_URL": url, "WATCHKEEPER_DATA_DIR": str(tmp_path)}
        ended = await run("doctor", "--json", **settings)
    assert ended.status == 1
    checks = checks_of(ended.out)
    assert checks["schema"]["advice"] == "Run: watchkeeper migrate"
    assert "days_against_slices" not in checks
    assert checks["clock"]["verdict"] == "ok"


async def test_a_folder_without_a_database_stays_one(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    ended = await run("doctor", "--data-dir", missing)
    assert ended.status == 1
    assert ended.err.startswith(f"There is no database in '{missing}'")
    assert not missing.exists()


async def test_warnings_alone_end_with_0(database_url: str, tmp_path: Path) -> None:
    settings = {"WATCHKEEPER_DATABASE_URL": database_url, "WATCHKEEPER_DATA_DIR": str(tmp_path)}
    connection: Any = await asyncpg.connect(database_url)
    await connection.execute("UPDATE alembic_version SET version_num = 'of 2040'")
    await connection.close()
    ended = await run("doctor", **settings)
    assert ended.status == 0, ended.out
    assert "WARNING schema: " in ended.out
