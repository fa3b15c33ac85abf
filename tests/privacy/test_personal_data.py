"""Every table and column has a word on export and deletion, and the words fit the schema."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.harness.cluster import Cluster
from tests.harness.service import Service
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.personal_data import ExportedRows, PersonalTable, erase, read_rows
from watchkeeper.privacy.tables import NOT_PERSONAL, TABLES

OWN = [table for table in TABLES if not table.is_view]
SECRET_WORDS = ("hash", "secret", "token", "password_", "pairing_id")


@pytest.fixture(scope="module")
async def columns(cluster: Cluster) -> dict[str, set[str]]:
    """The columns of every table that a migration makes, by table."""
    async with cluster.database() as url:
        connection: Any = await asyncpg.connect(url)
        rows = await connection.fetch(
            "SELECT table_schema || '.' || table_name AS name, column_name AS column "
            "FROM information_schema.columns JOIN information_schema.tables "
            "USING (table_schema, table_name) WHERE table_type = 'BASE TABLE' "
            "AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        await connection.close()
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["name"], set()).add(row["column"])
    del found["public.alembic_version"]
    return found


def test_every_table_is_declared(columns: dict[str, set[str]]) -> None:
    declared = {table.name for table in OWN}
    assert declared | NOT_PERSONAL.keys() == columns.keys(), (
        "say in the domain's personal_data.py what the table keeps of people"
    )
    assert not declared & NOT_PERSONAL.keys()
    assert all(NOT_PERSONAL.values())


@pytest.mark.parametrize("table", OWN, ids=lambda table: table.name)
def test_every_column_is_exported_or_left_out(
    columns: dict[str, set[str]], table: PersonalTable
) -> None:
    exported, left_out = set(table.columns.split()), set(table.left_out.split())
    assert not exported & left_out
    assert exported | left_out | {"household_id"} == columns[table.name] | {"household_id"}
    assert set(table.key.split()) <= columns[table.name]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_no_secret_is_exported(table: PersonalTable) -> None:
    exported = set(table.columns.split()) - {"password_changed_at"}
    assert not [name for name in exported if any(word in name for word in SECRET_WORDS)]


@pytest.mark.parametrize("table", OWN, ids=lambda table: table.name)
def test_what_names_a_profile_is_erased_with_it(
    columns: dict[str, set[str]], table: PersonalTable
) -> None:
    if any(name.endswith("profile_id") for name in columns[table.name]):
        assert table.of_profile is not None


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("profile_id", [None, uuid4()], ids=["household", "profile"])
async def test_the_conditions_fit_the_schema(
    service: Service, table: PersonalTable, profile_id: UUID | None
) -> None:
    if table.condition(profile_id) is None:
        return

    async def work(unit: UnitOfWork) -> tuple[ExportedRows, dict[str, int]]:
        rows = await read_rows(unit, table, uuid4(), profile_id, after=None, at_most=1)
        return rows, await erase(unit, [table], uuid4(), profile_id)

    assert await service.database.run(work) == (ExportedRows((), None), {})
