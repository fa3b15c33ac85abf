"""Looks for texts in every column of every table of a database, whoever made them.

It reads the catalogue, so tables that don't exist yet are scanned as soon as they do.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import asyncpg

_COLUMNS = """
SELECT n.nspname AS schema, c.relname AS table, a.attname AS column
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped
  AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
ORDER BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """Where a text was found, and in how many rows."""

    column: str
    needle: str
    rows: int


async def columns_of(url: str) -> list[str]:
    """Every column of every table, as ``schema.table.column``."""
    connection: Any = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(_COLUMNS)
    finally:
        await connection.close()
    return [f"{row['schema']}.{row['table']}.{row['column']}" for row in rows]


async def scan(url: str, needles: Iterable[str]) -> list[Finding]:
    """Where any of the texts occurs, in whatever case, also inside JSON, arrays and bytes."""
    wanted = sorted({needle.lower() for needle in needles})
    findings: list[Finding] = []
    connection: Any = await asyncpg.connect(url)
    try:
        for row in await connection.fetch(_COLUMNS):
            column = f"lower(CAST(t.{_quoted(row['column'])} AS text))"
            table = f"{_quoted(row['schema'])}.{_quoted(row['table'])}"
            found = await connection.fetch(
                f"SELECT w.needle, count(*) AS rows FROM {table} t, unnest($1::text[]) w (needle) "
                f"WHERE strpos({column}, w.needle) > 0 OR "
                f"strpos({column}, encode(convert_to(w.needle, 'UTF8'), 'hex')) > 0 "
                "GROUP BY w.needle",
                wanted,
            )
            name = f"{row['schema']}.{row['table']}.{row['column']}"
            findings += [Finding(name, one["needle"], one["rows"]) for one in found]
    finally:
        await connection.close()
    return findings


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
