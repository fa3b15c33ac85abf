"""Migrations: from nothing, back again, by several processes at once, and none by themselves."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import structlog

from tests.core.work import turns_until
from tests.harness.cluster import Cluster
from watchkeeper.core.schema import (
    NewerSchemaError,
    is_known_revision,
    migrate,
    newest_revision,
)

OBJECTS = """
SELECT format('%s.%s %s', n.nspname, c.relname, c.relkind) AS object
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1
"""


@pytest.fixture
async def url(cluster: Cluster) -> AsyncIterator[str]:
    async with cluster.database(migrated=False) as url:
        yield url


async def objects_in(url: str) -> list[str]:
    connection: Any = await asyncpg.connect(url)
    try:
        return [row["object"] for row in await connection.fetch(OBJECTS)]
    finally:
        await connection.close()


async def test_up_from_nothing_down_to_nothing_and_up_again(url: str) -> None:
    head = newest_revision()
    assert await migrate(url) == (None, head)
    migrated = await objects_in(url)
    assert any(name.startswith("viewing.sessions ") for name in migrated)
    assert await migrate(url) == (head, head)
    assert await migrate(url, "base") == (head, None)
    assert await objects_in(url) == ["public.alembic_version r", "public.alembic_version_pkc i"]
    assert await migrate(url) == (None, head)
    assert await objects_in(url) == migrated


async def test_each_migration_can_be_undone_on_its_own(url: str) -> None:
    assert is_known_revision("0001")
    assert not is_known_revision("9999")
    for revision in ("0001", "0002", "0003", "0004", "0005", "0006", "0009"):
        await migrate(url, revision)
        before = await objects_in(url)
        await migrate(url, "head")
        assert await migrate(url, revision) == (newest_revision(), revision)
        assert await objects_in(url) == before


async def test_two_processes_may_migrate_at_once(url: str) -> None:
    results = await asyncio.gather(migrate(url), migrate(url), migrate(url))
    head = newest_revision()
    assert sorted(results, key=str) == [(head, head), (head, head), (None, head)]


async def test_a_second_process_waits_outside_of_a_transaction(url: str) -> None:
    """One that waited in a transaction would hold up a concurrent index build for ever."""
    holder: Any = await asyncpg.connect(url)
    await holder.execute(f"SELECT pg_advisory_lock({0x57_4B_4D_47})")
    with structlog.testing.capture_logs() as logs:
        waiting = asyncio.create_task(migrate(url))
        await turns_until(lambda: bool(logs))
        assert logs[0]["event"] == "schema.waiting"
        in_transaction = await holder.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND state LIKE 'idle in transaction%'"
        )
        assert in_transaction == 0
        await holder.close()
        assert await waiting == (None, newest_revision())


async def test_a_schema_of_a_newer_version_is_refused_with_a_sentence(url: str) -> None:
    await migrate(url)
    connection: Any = await asyncpg.connect(url)
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    await connection.close()
    with pytest.raises(NewerSchemaError, match="migrated by a newer version of Watchkeeper"):
        await migrate(url)


async def test_no_index_is_left_half_built(url: str) -> None:
    await migrate(url)
    connection: Any = await asyncpg.connect(url)
    rows = await connection.fetch(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
    )
    await connection.close()
    assert rows == []


async def test_a_process_that_died_while_migrating_holds_nobody_up(url: str) -> None:
    holder: Any = await asyncpg.connect(url)
    await holder.execute(f"SELECT pg_advisory_lock({0x57_4B_4D_47})")
    waiting = asyncio.create_task(migrate(url))
    holder.terminate()
    assert await waiting == (None, newest_revision())
