"""A database that a family uses, and the doctor's view of it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.harness.clock import ManualClock
from tests.harness.cluster import Cluster
from tests.harness.family import Family
from tests.harness.service import SECRETS, running_service
from watchkeeper.accounts.public import ProfileCreated
from watchkeeper.core.auth import TokenSigner
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.config import DatabaseSettings
from watchkeeper.core.database import Database
from watchkeeper.core.events import Subscriptions
from watchkeeper.core.floor import Floor
from watchkeeper.core.metrics import Metrics
from watchkeeper.core.offload import Executor
from watchkeeper.core.realtime import Listener
from watchkeeper.core.secrets import load_or_create_secrets
from watchkeeper.demo.family import make_demo
from watchkeeper.doctor.subject import Subject, read_clock
from watchkeeper.settings import Settings
from watchkeeper.viewing.subscribers import open_viewing_account

SETTINGS = DatabaseSettings(prewarm_connections=1, pool_size=2)


async def _live(url: str) -> None:
    """The demo's month, and an afternoon with heartbeats, a takeover, grants and a cancellation."""
    subscriptions = Subscriptions()
    subscriptions.on(ProfileCreated, open_viewing_account)
    metrics = Metrics()
    clock = ManualClock(SystemClock().now())
    database = Database(url, SETTINGS, metrics=metrics, subscriptions=subscriptions)
    floor = Floor(
        clock=clock,
        database=database,
        metrics=metrics,
        secrets=SECRETS,
        signer=TokenSigner(SECRETS),
        hashing=Executor("hashing", threads=1, queue_limit=8, metrics=metrics),
        listener=Listener(database.url),
    )
    await make_demo(floor, lambda _text: None)
    floor.hashing.close()
    await database.close()
    async with running_service(url, clock=ManualClock(SystemClock().now())) as service:
        family = await Family.register(service)
        child = await family.add_profile("Sam")
        first = family.player(child, "tv", counting=True)
        await first.play(10)
        second = family.player(child, "phone", counting=True)
        await second.play(5, every=5)
        await family.grant(child, 15)
        await family.grant(child, None)
        taken = await family.grant(child, -30)
        await family.call(
            "DELETE", f"/parental-controls/profiles/{child}/viewing-time/grants/{taken['grant_id']}"
        )
        await second.play(5, every=5)


@pytest.fixture(scope="module")
async def lived_in(cluster: Cluster) -> AsyncIterator[str]:
    """The database that the tests' own are copies of."""
    async with cluster.database() as url:
        await _live(url)
        yield url


@pytest.fixture
async def used_database(cluster: Cluster, lived_in: str) -> AsyncIterator[str]:
    """A used database to plant a fault in."""
    async with cluster.database(like=lived_in) as url:
        yield url


@pytest.fixture
async def patient(used_database: str) -> AsyncIterator[Any]:
    """A connection to it, for planting."""
    connection: Any = await asyncpg.connect(used_database)
    yield connection
    await connection.close()


@pytest.fixture
async def subject(used_database: str, tmp_path: Path) -> AsyncIterator[Subject]:
    """The doctor's view of the used database, with sound secrets and clocks that agree."""
    secrets_file = tmp_path / "keys.json"
    load_or_create_secrets(secrets_file)
    database = Database(used_database, SETTINGS, metrics=Metrics())
    now = await read_clock(database)
    yield Subject(
        database=database,
        settings=Settings(),
        data_dir=tmp_path,
        secrets_file=secrets_file,
        is_embedded=True,
        now=now,
        machine_now=now,
    )
    await database.close()


def at(subject: Subject, now: datetime) -> Subject:
    """The same subject at another time."""
    return replace(subject, now=now, machine_now=now)
