"""What each table keeps of people: how it is exported, erased and forgotten.

Every domain declares its tables once, in its ``personal_data.py``. Exports, deletions and time
limits follow from that alone, and a test fails on a table or a column without a word. See ADR 19
and ADR 20.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from watchkeeper.core.database import UnitOfWork

OF_HOUSEHOLD = "t.household_id = k.household_id"
OF_PROFILE = "t.household_id = k.household_id AND t.profile_id = k.profile_id"

_SUBJECT = (
    "(SELECT CAST(:household_id AS uuid) AS household_id, "
    "CAST(:profile_id AS uuid) AS profile_id) k"
)


@dataclass(frozen=True, slots=True)
class PersonalTable:
    """One table. Conditions are SQL about its row `t` and the subject `k`.

    `columns` are exported, in this order; `left_out` are not, for they are secrets or say nothing
    (`household_id` is the same in every row and needs no word). `key` pages an export and names
    rows that are forgotten; it is unique. `of_profile` is None where nothing belongs to one
    person. `source` is read instead of the table itself when it only shows other tables' rows.
    `forgotten_when` says which rows of a profile are too old, by `k.keep_from`, the start of the
    first viewing day of which detail is kept, and `k.totals_from`, the instant from which daily
    totals are; None keeps them as long as the profile.
    """

    name: str
    columns: str
    key: str
    of_profile: str | None
    of_household: str = OF_HOUSEHOLD
    left_out: str = ""
    source: str | None = None
    is_erased_here: bool = True
    forgotten_when: str | None = None

    @property
    def is_view(self) -> bool:
        """Whether it shows rows that are another entry's to erase."""
        return self.source is not None

    def condition(self, profile_id: UUID | None) -> str | None:
        """Which rows belong to the household, or to one of its profiles."""
        return self.of_household if profile_id is None else self.of_profile


async def erase(
    unit: UnitOfWork,
    tables: Iterable[PersonalTable],
    household_id: UUID,
    profile_id: UUID | None = None,
) -> dict[str, int]:
    """Delete what the tables keep of a household, or of one profile, in the order given.

    Returns how many rows went by table, without zeros. Query cost: a statement a table.
    """
    erased: dict[str, int] = {}
    for table in tables:
        condition = table.condition(profile_id)
        if table.is_view or not table.is_erased_here or condition is None:
            continue
        statement = text(f"DELETE FROM {table.name} t USING {_SUBJECT} WHERE {condition}")  # noqa: S608
        subject = {"household_id": household_id, "profile_id": profile_id}
        count = (await unit.execute(statement, subject)).rowcount
        if count:
            erased[table.name] = count
    return erased


@dataclass(frozen=True, slots=True)
class ExportedRows:
    """Some rows as JSON documents, and where the next ones begin (None at the end)."""

    documents: tuple[str, ...]
    following: str | None


async def read_rows(
    unit: UnitOfWork,
    table: PersonalTable,
    household_id: UUID,
    profile_id: UUID | None,
    *,
    after: str | None,
    at_most: int,
) -> ExportedRows:
    """The next rows of a household or profile in order of the key. Query cost: 1 statement.

    The server writes the documents: types, instants and escapes are its own, and no value passes
    through objects of ours.
    """
    subject: dict[str, Any] = {
        "household_id": household_id,
        "profile_id": profile_id,
        "at_most": at_most,
    }
    if after is not None:
        subject["after"] = after
    statement = text(_page_of(table, profile_id, is_first=after is None))
    rows = (await unit.execute(statement, subject)).all()
    is_last = len(rows) < at_most
    return ExportedRows(tuple(row.document for row in rows), None if is_last else rows[-1].position)


def _page_of(table: PersonalTable, profile_id: UUID | None, *, is_first: bool) -> str:
    source = table.source or table.name
    columns = ", ".join(f"t.{name}" for name in table.columns.split())
    keys = table.key.split()
    ordered = ", ".join(f"t.{name}" for name in keys)
    pairs = ", ".join(f"'{name}', t.{name}" for name in keys)
    begins = (
        ""
        if is_first
        else (
            f" AND ({ordered}) > (SELECT {', '.join(f'x.{name}' for name in keys)} "  # noqa: S608
            f"FROM jsonb_populate_record(NULL::{source}, CAST(:after AS jsonb)) x)"
        )
    )
    return (
        f"SELECT CAST((SELECT row_to_json(r) FROM (SELECT {columns}) r) AS text) AS document, "  # noqa: S608
        f"CAST(jsonb_build_object({pairs}) AS text) AS position "
        f"FROM {source} t, {_SUBJECT} WHERE ({table.condition(profile_id)}){begins} "
        f"ORDER BY {ordered} LIMIT :at_most"
    )


@dataclass(frozen=True, slots=True)
class Edge:
    """From when on a profile's detail and its daily totals are kept."""

    household_id: UUID
    profile_id: UUID
    keep_from: datetime
    totals_from: datetime


_EDGES = (
    "unnest(CAST(:households AS uuid[]), CAST(:profiles AS uuid[]), "
    "CAST(:keep_from AS timestamptz[]), CAST(:totals_from AS timestamptz[])) "
    "AS k (household_id, profile_id, keep_from, totals_from)"
)


def _edge_parameters(edges: Sequence[Edge]) -> dict[str, Any]:
    return {
        "households": [edge.household_id for edge in edges],
        "profiles": [edge.profile_id for edge in edges],
        "keep_from": [edge.keep_from for edge in edges],
        "totals_from": [edge.totals_from for edge in edges],
    }


async def forget_old(
    unit: UnitOfWork, table: PersonalTable, edges: Sequence[Edge], *, at_most: int
) -> int:
    """Delete up to `at_most` rows of some profiles that are too old; returns how many went.

    Several processes may do it at once: a row that is gone is gone. Query cost: 1 statement.
    """
    keys = table.key.split()
    named = ", ".join(f"t.{name}" for name in keys)
    same = " AND ".join(f"t.{name} = old.{name}" for name in keys)
    statement = text(
        f"DELETE FROM {table.name} t USING ("  # noqa: S608 - names of ours
        f"SELECT o.* FROM {_EDGES} CROSS JOIN LATERAL ("
        f"SELECT {named} FROM {table.name} t "
        f"WHERE {table.of_profile} AND {table.forgotten_when} LIMIT :at_most) o "
        f"LIMIT :at_most) old WHERE {same}"
    )
    parameters = _edge_parameters(edges) | {"at_most": at_most}
    return int((await unit.execute(statement, parameters)).rowcount)


async def count_old(unit: UnitOfWork, table: PersonalTable, edges: Sequence[Edge]) -> int:
    """How many rows `forget_old` would delete in the end. Query cost: 1 statement."""
    statement = text(
        f"SELECT count(*) FROM {_EDGES}, {table.name} t "  # noqa: S608 - names of ours
        f"WHERE {table.of_profile} AND {table.forgotten_when}"
    )
    return int((await unit.execute(statement, _edge_parameters(edges))).scalar_one())


def cells_of(table: PersonalTable, document: str) -> list[Any]:
    """The values of a document in the order of the table's columns."""
    row: dict[str, Any] = json.loads(document)
    return [row[name] for name in table.columns.split()]


def exported(tables: Sequence[PersonalTable], profile_id: UUID | None) -> tuple[PersonalTable, ...]:
    """The tables that say anything about a household, or about one profile."""
    return tuple(table for table in tables if table.condition(profile_id) is not None)
