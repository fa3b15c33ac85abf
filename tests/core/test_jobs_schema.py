"""The queue's tables are those that the installed library expects: frozen text can grow stale."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from pgqueuer import AsyncpgDriver
from pgqueuer.adapters.persistence import schema_inspect
from pgqueuer.domain.schema.declaration import target

from watchkeeper.core.job_queue import queries_on, queue_settings


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Any]:
    connection: Any = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_the_library_would_change_nothing(connection: Any) -> None:
    plan = await queries_on(AsyncpgDriver(connection)).plan_upgrade()
    assert (plan.statements, plan.notes) == ((), ()), "it needs a migration of ours"


async def test_the_tables_are_as_the_library_declares_them(connection: Any) -> None:
    settings = queue_settings()
    found = await schema_inspect.inspect(AsyncpgDriver(connection), settings)
    wanted = target(settings)
    assert found.tables == wanted.tables
    assert found.enums == wanted.enums
    assert {index.name for index in found.indexes} >= {index.name for index in wanted.indexes}
    assert found.indexes == wanted.indexes


async def test_a_missing_column_would_be_seen(connection: Any) -> None:
    await connection.execute("ALTER TABLE jobs.pgqueuer DROP COLUMN slot")
    plan = await queries_on(AsyncpgDriver(connection)).plan_upgrade()
    assert any("slot" in statement for statement in plan.statements)


def test_names_come_from_nowhere_but_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library would read them from variables that others use for other things."""
    for name in ("CHANNEL", "FUNCTION", "TRIGGER", "QUEUE_TABLE", "PGQUEUER_PREFIX"):
        monkeypatch.setenv(name, "elsewhere")
    settings = queue_settings()
    assert "elsewhere" not in repr(settings)
    assert settings.qualified.queue_table == "jobs.pgqueuer"
