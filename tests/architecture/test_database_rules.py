"""Rules of the house that the migrated database can check."""

import ast
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Dialect, MetaData, Table, make_url, text

from tests.architecture.sources import PACKAGE
from tests.harness.cluster import Cluster
from watchkeeper.core.queries import Queries

DIALECT: Dialect = make_url("postgresql+asyncpg://").get_dialect()()
DOMAINS = ("accounts", "catalogue", "viewing")

# Looked up by what a caller knows before the household is known; small, and kept on one node or
# copied to all when the rest is distributed.
DIRECTORY_TABLES = {
    "accounts.users",
    "accounts.sign_ins",
    "accounts.refresh_tokens",
    "accounts.pairing_codes",
    "accounts.invitations",
    "accounts.rate_limits",
    # Belongs to nobody: it is kept when a household is gone.
    "accounts.deletion_receipts",
}
# The same everywhere: copied to every node.
REFERENCE_TABLES = {"catalogue.titles"}

UNIQUE_INDEXES = """
SELECT format('%s.%s', n.nspname, t.relname) AS "table", i.relname AS index,
       a.attname AS first_column
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]
WHERE x.indisunique AND n.nspname = ANY ($1)
"""
TABLES = """
SELECT format('%s.%s', n.nspname, c.relname) AS "table"
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY ($1)
"""


@pytest.fixture(scope="module")
async def connection(cluster: Cluster) -> AsyncIterator[Any]:
    async with cluster.database() as url:
        connection: Any = await asyncpg.connect(url)
        yield connection
        await connection.close()


async def test_the_household_is_first_in_every_key(connection: Any) -> None:
    rows = await connection.fetch(UNIQUE_INDEXES, DOMAINS)
    exempt = DIRECTORY_TABLES | REFERENCE_TABLES
    wrong = [
        f"{row['table']}: {row['index']}"
        for row in rows
        if row["table"] not in exempt and row["first_column"] != "household_id"
    ]
    assert not wrong, "these tables couldn't be distributed by household_id"


async def test_every_household_table_has_a_key(connection: Any) -> None:
    tables = {row["table"] for row in await connection.fetch(TABLES, DOMAINS)}
    keyed = {row["table"] for row in await connection.fetch(UNIQUE_INDEXES, DOMAINS)}
    assert tables == keyed
    # An exemption for a table that is gone would hide one that comes under its name.
    assert tables >= DIRECTORY_TABLES | REFERENCE_TABLES


async def test_foreign_keys_stay_within_a_household(connection: Any) -> None:
    """Between distributed tables both sides must begin with the household."""
    rows = await connection.fetch(
        """
        SELECT conrelid::regclass::text AS "from", confrelid::regclass::text AS "to", conname,
               (SELECT attname FROM pg_attribute
                WHERE attrelid = conrelid AND attnum = conkey[1]) AS first_column
        FROM pg_constraint WHERE contype = 'f'
        """
    )
    exempt = DIRECTORY_TABLES | REFERENCE_TABLES
    wrong = [
        row["conname"]
        for row in rows
        if row["from"] not in exempt and row["first_column"] != "household_id"
    ]
    assert not wrong


def query_files() -> list[tuple[str, str]]:
    """Every file of named queries, with its package."""
    return [
        (".".join(("watchkeeper", *path.parent.relative_to(PACKAGE).parts)), path.name)
        for path in sorted(PACKAGE.rglob("*.sql"))
        if "migrations" not in path.parts
    ]


@pytest.mark.parametrize(("package", "file_name"), query_files())
async def test_named_queries_fit_the_schema(connection: Any, package: str, file_name: str) -> None:
    queries = Queries(package, file_name)
    assert queries.sources
    for name in queries.sources:
        await connection.prepare(str(queries[name].compile(dialect=DIALECT)))


@pytest.mark.parametrize(("package", "file_name"), query_files())
def test_named_queries_say_what_they_are_for(package: str, file_name: str) -> None:
    for name, source in Queries(package, file_name).sources.items():
        assert source.startswith("-- "), f"{name} has no purpose"


def metadata_of(domain: str) -> list[MetaData]:
    """The metadata objects of a domain's `models.py`; none for a domain without one."""
    from importlib import import_module

    module = import_module(f"watchkeeper.{domain}.models")
    return [value for value in vars(module).values() if isinstance(value, MetaData)]


@pytest.mark.parametrize("domain", DOMAINS)
async def test_models_have_the_columns_that_the_migrations_made(
    connection: Any, domain: str
) -> None:
    rows = await connection.fetch(
        "SELECT table_name, column_name, is_nullable = 'YES' AS nullable "
        "FROM information_schema.columns WHERE table_schema = $1",
        domain,
    )
    migrated = {(row["table_name"], row["column_name"]): row["nullable"] for row in rows}
    tables: list[Table] = [
        table
        for metadata in metadata_of(domain)
        for table in metadata.tables.values()
        if table.schema == domain
    ]
    assert tables
    for table in tables:
        for column in table.columns:
            assert (table.name, column.name) in migrated, f"{table.name}.{column.name}"


async def test_domains_read_others_tables_through_their_public_names() -> None:
    """In SQL another domain's objects are `pub_*`; its tables are its own."""
    wrong = []
    for domain in DOMAINS:
        for path in (PACKAGE / domain).rglob("*"):
            if path.suffix not in {".py", ".sql"}:
                continue
            texts = _literals(path.read_text(encoding="utf-8"), is_sql=path.suffix == ".sql")
            wrong += [
                f"{path.relative_to(PACKAGE)}: {word}"
                for source in texts
                for word in source.replace("(", " ").replace(",", " ").split()
                for other in DOMAINS
                if other != domain
                and word.startswith(f"{other}.")
                and not word.startswith((f"{other}.pub_", f"{other}.py", f"{other}.public"))
            ]
    assert not wrong


def _literals(source: str, *, is_sql: bool) -> list[str]:
    if is_sql:
        return [line.partition("--")[0] for line in source.splitlines()]
    return [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and "SELECT" in node.value.upper()
    ]


async def test_a_statement_of_ours_can_be_told_by_its_name(connection: Any) -> None:
    queries = Queries(*query_files()[0])
    name = next(iter(queries.sources))
    compiled = str(text(queries[name].text).compile(dialect=DIALECT))
    assert compiled.startswith(f"/* {name} */")
