"""PostgreSQL restarted and killed under a real service: an answer or a 503, and nothing lost."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.cli.commands import Serving, serving
from tests.system.crowd import Crowd

pytestmark = pytest.mark.system

RESTARTS = [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL]
# Nobody reads the log here, and a full pipe would stop the service.
QUIET = {"WATCHKEEPER_LOG_LEVEL": "error"}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("restarts") / "data"


def postmaster(data_dir: Path) -> int:
    """The process id of the PostgreSQL that runs at the moment."""
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


@asynccontextmanager
async def served(
    data_dir: Path, players: int, **settings: str
) -> AsyncIterator[tuple[Serving, Crowd]]:
    """A service and a crowd whose sessions have begun."""
    async with (
        serving("--data-dir", data_dir, **QUIET, **settings) as service,
        Crowd.gathered(players, data_dir, service.ready["url"]) as crowd,
    ):
        await crowd.all_beat()
        yield service, crowd


async def test_the_requests_after_a_restart_succeed(data_dir: Path) -> None:
    # A busy machine may need longer for a restart than players wait, which isn't the point here.
    async with served(data_dir, 12, WATCHKEEPER_DATABASE_RESTART_WAIT_SECONDS="60") as (_, crowd):
        for number in RESTARTS:
            before = postmaster(data_dir)
            os.kill(before, number)
            # More players than pooled connections, all of which are lost.
            await crowd.all_beat()
            await crowd.all_beat()
            assert postmaster(data_dir) != before
        assert set(crowd.outcomes()) == {"200 allowed"}
        await crowd.assert_everything_acknowledged_is_kept(data_dir)


async def test_restarts_under_load_are_answered_by_nothing_worse_than_a_503(
    data_dir: Path,
) -> None:
    async with served(data_dir, 100) as (service, crowd):
        async with crowd.beating():
            for number in RESTARTS:
                await crowd.are_accepted(150)
                before = postmaster(data_dir)
                os.kill(before, number)
                await crowd.are_accepted(150)
                assert postmaster(data_dir) != before
        outcomes = crowd.outcomes()
        await crowd.all_beat()
        await crowd.assert_everything_acknowledged_is_kept(data_dir)
        assert (await service.client.get("/readyz")).status_code == 200
    refusals = {outcome for outcome in outcomes if not outcome.startswith("200 allowed")}
    assert refusals <= {
        "503 core/database-unavailable with Retry-After",
        "503 core/database-busy with Retry-After",
        "503 core/pool-exhausted with Retry-After",
    }, outcomes


async def test_while_the_database_stays_away_the_refusal_says_when_to_come_back(
    data_dir: Path,
) -> None:
    async with served(data_dir, 30, WATCHKEEPER_DATABASE_RESTART_WAIT_SECONDS="0.2") as (
        service,
        crowd,
    ):
        before = postmaster(data_dir)
        settings = data_dir / "postgres" / "postgresql.conf"
        right = settings.read_bytes()
        settings.write_bytes(right + b"\nnonsense = 1\n")
        os.kill(before, signal.SIGKILL)
        told = [await beater.beat() for beater in crowd.beaters]
        settings.write_bytes(right)
        for answer in told:
            assert answer is not None
            assert answer.status_code == 503
            assert answer.json()["type"] == "core/database-unavailable"
            assert int(answer.headers["retry-after"]) > 0
            assert "enforcement" not in answer.json()
        ready = await service.client.get("/readyz")
        assert ready.status_code == 503
        assert (await service.client.get("/healthz")).status_code == 200
        await service.becomes_ready()
        await crowd.all_beat()
        await crowd.assert_everything_acknowledged_is_kept(data_dir)
