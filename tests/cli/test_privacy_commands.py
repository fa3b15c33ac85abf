"""`watchkeeper export` and `watchkeeper purge`, beside a running service."""

import asyncio
import csv
import io
import json
import stat
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.cli.commands import Serving, run, serving
from tests.harness.scan import scan

pytestmark = pytest.mark.system

API = "/api/v1"
PASSWORD = "a long enough password"
GUARDIAN = "guardian@example.com"


@pytest.fixture
async def settings(database_url: str, tmp_path: Path) -> dict[str, str]:
    """A fresh, migrated database, and a folder for the secrets."""
    return {
        "WATCHKEEPER_DATABASE_URL": database_url,
        "WATCHKEEPER_DATA_DIR": str(tmp_path / "data"),
    }


@pytest.fixture
async def service(settings: dict[str, str]) -> AsyncIterator[Serving]:
    async with serving(**settings) as service:
        yield service


async def call(service: Serving, path: str, body: Any, token: str = "") -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = await service.client.post(f"{API}{path}", json=body, headers=headers)
    assert answer.is_success, answer.text
    return answer.json()


@pytest.fixture
async def token(service: Serving) -> str:
    """The token of a guardian with the children Noa and Leo, who watched a little."""
    body = {"email": GUARDIAN, "password": PASSWORD, "household_name": "H", "timezone": "UTC"}
    token = str((await call(service, "/auth/register", body))["access_token"])
    for name in ("Noa", "Leo"):
        child = await call(service, "/profiles", {"name": name}, token)
        beat = {
            "profile_id": child["id"],
            "device_id": f"tv-{name}",
            "device_type": "tv",
            "title_ref": {"source": "home", "id": name, "name": f"=Film of {name}"},
        }
        await call(service, "/viewing-time/heartbeat", beat, token)
    return token


async def test_an_export_is_one_private_file(
    token: str, settings: dict[str, str], tmp_path: Path
) -> None:
    output = tmp_path / "household.json"
    arguments = ("export", "--household", GUARDIAN.upper(), "--output", output)
    ended = await run(*arguments, "--json", **settings)
    assert ended.status == 0, ended.err
    assert ended.json["bytes"] == output.stat().st_size
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    document = json.loads(output.read_text())
    assert {one["name"] for one in document["tables"]["accounts.profiles"]} == {"Noa", "Leo"}
    assert token not in output.read_text()

    again = await run(*arguments, **settings)
    assert again.status == 1
    assert again.err == f"'{output}' exists already; choose another name.\n"
    assert json.loads(output.read_text()) == document
    left = {name.name for name in await asyncio.to_thread(lambda: list(tmp_path.iterdir()))}
    assert left == {"data", "household.json"}


@pytest.mark.usefixtures("token")
async def test_one_child_as_csv(settings: dict[str, str], tmp_path: Path) -> None:
    output = tmp_path / "noa.zip"
    ended = await run(
        "export", "--household", GUARDIAN, "--child", "noa", "--format", "csv",
        "--output", output, **settings,
    )  # fmt: skip
    assert ended.status == 0, ended.err
    archive = zipfile.ZipFile(output)
    assert archive.testzip() is None
    titles = csv.DictReader(io.StringIO(archive.read("viewing.watched_titles.csv").decode()))
    assert [one["name"] for one in titles] == ["'=Film of Noa"]
    assert "Leo" not in b"".join(archive.read(name) for name in archive.namelist()).decode()


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--household", "nobody@example.com"), "no guardian"),
        (("--household", "01a20d56-d75c-7971-ba54-2a78abb7edc1"), "couldn't find"),
        (("--household", GUARDIAN, "--child", "Mia"), "nobody called 'Mia'"),
    ],
)
async def test_who_isnt_there_leaves_no_file(
    settings: dict[str, str], tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    output = tmp_path / "x.json"
    ended = await run("export", *arguments, "--output", output, **settings)
    assert ended.status == 1
    assert told in ended.err
    assert ended.err.count("\n") == 1
    assert not output.exists()


async def test_a_household_is_deleted_while_the_service_runs(
    service: Serving, token: str, settings: dict[str, str]
) -> None:
    asked = await run("purge", "--household", GUARDIAN, **settings)
    assert asked.status == 1
    assert "--yes" in asked.err
    mixed = await run("purge", "--household", GUARDIAN, "--dry-run", **settings)
    assert mixed.status == 1
    ended = await run("purge", "--household", GUARDIAN, "--yes", "--json", **settings)
    assert ended.status == 0, ended.err
    assert ended.json["kind"] == "household"
    assert ended.json["rows_by_table"]["accounts.profiles"] == 2
    answer = await service.client.get(
        f"{API}/profiles", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 401
    assert await scan(settings["WATCHKEEPER_DATABASE_URL"], [GUARDIAN, "Film of"]) == []
    again = await run("purge", "--household", GUARDIAN, "--yes", **settings)
    assert again.status == 1
    assert "no guardian" in again.err


@pytest.mark.usefixtures("token")
async def test_what_is_old_is_counted_and_then_forgotten(settings: dict[str, str]) -> None:
    nothing = await run("purge", **settings)
    assert (nothing.status, nothing.out) == (0, "Nothing is older than the settings allow.\n")
    connection: Any = await asyncpg.connect(settings["WATCHKEEPER_DATABASE_URL"])
    await connection.execute(
        "INSERT INTO viewing.decisions SELECT household_id, profile_id, 1000, "
        "now() - interval '91 days', gen_random_uuid(), 'tv', 'allowed', NULL, 0 "
        "FROM viewing.viewers"
    )
    await connection.close()
    dry = await run("purge", "--dry-run", **settings)
    assert (dry.status, dry.out) == (0, "viewing.decisions: 2 rows would be forgotten\n")
    longer = {"WATCHKEEPER_PRIVACY_DETAIL_DAYS": "100"}
    kept = await run("purge", "--json", **settings, **longer)
    assert kept.json == {"dry_run": False, "rows_by_table": {}}
    done = await run("purge", "--json", **settings)
    assert done.json == {"dry_run": False, "rows_by_table": {"viewing.decisions": 2}}
