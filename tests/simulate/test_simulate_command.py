"""The command against a real service: fair, falsified, killed, interrupted."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.cli.commands import COMMAND, START_SECONDS, Ended, Serving, environment, run, serving

pytestmark = pytest.mark.system

# Nobody reads the log here, and a full pipe would stop the service.
QUIET = {"WATCHKEEPER_LOG_LEVEL": "error"}
_FAMILIES = """
SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
    SELECT d::text AS line FROM viewing.days d
    UNION ALL SELECT s::text FROM viewing.sessions s
    UNION ALL SELECT s::text FROM viewing.slices s
    UNION ALL SELECT h::text FROM accounts.households h
    UNION ALL SELECT u::text FROM accounts.users u
    UNION ALL SELECT t::text FROM catalogue.titles t
) AS everything
"""


@pytest.fixture
async def settings(database_url: str, tmp_path: Path) -> dict[str, str]:
    """A fresh, migrated database, and a folder for the secrets."""
    return {
        "WATCHKEEPER_DATABASE_URL": database_url,
        "WATCHKEEPER_DATA_DIR": str(tmp_path),
        **QUIET,
    }


@pytest.fixture
async def service(settings: dict[str, str]) -> AsyncIterator[Serving]:
    async with serving(**settings) as service:
        yield service


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Any]:
    connection: Any = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


class Simulating:
    """A simulation in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def begin(cls, url: str, *options: str, **settings: str) -> "Simulating":
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "simulate", "--url", url, *options,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(**settings),
        )  # fmt: skip
        return cls(process)

    async def ended(self) -> Ended:
        out, err = await asyncio.wait_for(self.process.communicate(), START_SECONDS)
        assert self.process.returncode is not None
        return Ended(self.process.returncode, out.decode(), err.decode())


async def a_day_with_time(database: Any) -> Any:
    """The first day on which something was charged."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            day = await database.fetchrow(
                "SELECT household_id, profile_id, starts_at FROM viewing.days "
                "WHERE counted_ms > 500 LIMIT 1"
            )
            if day is not None:
                return day
            await asyncio.sleep(0.05)


async def test_a_fair_run_leaves_nothing_behind(
    service: Serving, settings: dict[str, str], database: Any
) -> None:
    assert (await run("demo", **settings)).status == 0
    families = await database.fetchval(_FAMILIES)
    simulation = await Simulating.begin(
        service.ready["url"], "--viewers", "10", "--minutes", "0.25", "--speed", "60", "--json",
        "--seed", "3", **settings,
    )  # fmt: skip
    ended = await simulation.ended()
    assert ended.status == 0, ended.out + ended.err
    document = ended.json
    assert document["is_fair"] is True
    assert document["within"] == len(document["children"]) == 10
    # Something was watched, and things happened: else the run shows nothing.
    assert document["charged_ms"] > 20_000
    assert sum(document["happenings"].values()) > 20
    assert document["requests"]["arrived"] > 50
    assert document["requests"]["lost"] > 0
    assert await database.fetchval(_FAMILIES) == families
    assert await database.fetchval("SELECT count(*) FROM viewing.viewers") == 3


async def test_a_falsified_charge_is_found(
    service: Serving, settings: dict[str, str], database: Any
) -> None:
    simulation = await Simulating.begin(
        service.ready["url"], "--viewers", "4", "--minutes", "0.2", "--speed", "60", **settings
    )
    day = await a_day_with_time(database)
    async with database.transaction():
        # As heartbeats do: under the child's lock, so that none of them writes over it.
        await database.execute(
            "SELECT FROM viewing.viewers WHERE profile_id = $1 FOR UPDATE", day["profile_id"]
        )
        await database.execute(
            "UPDATE viewing.days SET counted_ms = counted_ms + 1000 WHERE profile_id = $1",
            day["profile_id"],
        )
    ended = await simulation.ended()
    assert ended.status == 1, ended.out + ended.err
    (line,) = [line for line in ended.out.splitlines() if "beyond by" in line]
    assert line.startswith(str(day["profile_id"]))
    assert "Within their bounds: 3 of 4" in ended.out


async def test_a_service_that_is_killed_in_the_middle_charges_nobody_wrongly(
    settings: dict[str, str], database: Any
) -> None:
    options = ("--viewers", "10", "--minutes", "0.35", "--speed", "60", "--json")
    async with serving(**settings) as service:
        url = service.ready["url"]
        simulation = await Simulating.begin(url, *options, **settings)
        await a_day_with_time(database)
        service.process.send_signal(signal.SIGKILL)
        await service.process.wait()
    async with serving("--port", url.rpartition(":")[2], **settings):
        ended = await simulation.ended()
    assert ended.status == 0, ended.out + ended.err
    assert ended.json["within"] == 10
    # The kill was felt.
    felt = ended.json["deliveries"]
    assert felt.get("nobody listened", 0) + felt.get("broken off", 0) > 0


async def test_an_interrupted_run_says_what_it_has(
    service: Serving, settings: dict[str, str], database: Any
) -> None:
    simulation = await Simulating.begin(
        service.ready["url"], "--viewers", "4", "--minutes", "30", "--speed", "60", **settings
    )
    await a_day_with_time(database)
    simulation.process.send_signal(signal.SIGINT)
    ended = await simulation.ended()
    assert ended.status == 0, ended.out + ended.err
    assert "Within their bounds: 4 of 4" in ended.out
    assert await database.fetchval("SELECT count(*) FROM accounts.households") == 0


async def test_what_was_kept_is_removed_when_asked_for(
    service: Serving, settings: dict[str, str], database: Any
) -> None:
    kept = await Simulating.begin(
        service.ready["url"], "--viewers", "3", "--minutes", "0.05", "--tidy", "never", **settings
    )
    assert (await kept.ended()).status == 0
    assert (await run("tokens", "--viewers", "2", **settings)).status == 0
    removed = await run("simulate", "--tidy", "only", **settings)
    assert (removed.status, removed.out) == (0, "Households removed: 2.\n")
    # Those of other load tests stay.
    names = await database.fetch("SELECT name FROM accounts.households")
    assert [row["name"] for row in names] == ["Load test"]
    sources = await database.fetch("SELECT DISTINCT source FROM catalogue.titles")
    assert [row["source"] for row in sources] == ["load-test"]


async def test_a_service_that_isnt_there_is_one_line(settings: dict[str, str]) -> None:
    ended = await run("simulate", "--url", "http://127.0.0.1:1", "--viewers", "1", **settings)
    assert ended.status == 1
    assert ended.err.splitlines()[-1].startswith("No service answers at http://127.0.0.1:1 ")


async def test_a_service_with_other_secrets_is_refused(
    service: Serving, settings: dict[str, str], tmp_path: Path, database: Any
) -> None:
    others = settings | {"WATCHKEEPER_DATA_DIR": str(tmp_path / "other")}
    ended = await run("simulate", "--url", service.ready["url"], "--viewers", "1", **others)
    assert ended.status == 1
    assert "doesn't know the simulated children" in ended.err
    assert await database.fetchval("SELECT count(*) FROM accounts.households") == 0


async def test_the_doctor_finds_nothing_after_a_simulation(
    service: Serving, settings: dict[str, str]
) -> None:
    """Its households, while they are there, are as sound as real ones."""
    kept = await Simulating.begin(
        service.ready["url"], "--viewers", "6", "--minutes", "0.15", "--speed", "100",
        "--tidy", "never", **settings,
    )  # fmt: skip
    assert (await kept.ended()).status == 0
    ended = await run("doctor", "--json", **settings)
    document = json.loads(ended.out)
    wrong = [check for check in document["checks"] if check["verdict"] != "ok"]
    assert (ended.status, wrong) == (0, [])
