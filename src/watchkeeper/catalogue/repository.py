"""All SQL of the catalogue."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, and_, bindparam, select, text, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from watchkeeper.catalogue.models import titles
from watchkeeper.catalogue.types import Sight, Title, TitleFilter, TitlePage, Viewpoint
from watchkeeper.core.database import UnitOfWork

# A title named by id, whoever's it is, or by reference, then only the global one. The rows are
# locked in the order of their ids, so that two batches can't wait for each other.
_FIND_FOR_UPDATE = text(
    """
    SELECT t.* FROM catalogue.titles t
    WHERE t.id = ANY (CAST(:ids AS uuid[]))
       OR (t.household_id IS NULL AND (t.source, t.external_id) IN
           (SELECT * FROM unnest(CAST(:sources AS text[]), CAST(:external_ids AS text[]))))
    ORDER BY t.id
    FOR UPDATE
    """
)

# One statement however many titles there are; JSON carries the lists of different lengths.
_UPSERT = text(
    """
    INSERT INTO catalogue.titles AS t
    SELECT r.* FROM jsonb_populate_recordset(NULL::catalogue.titles, CAST(:rows AS jsonb)) AS r
    ON CONFLICT (id) DO UPDATE SET
        source = excluded.source, external_id = excluded.external_id, name = excluded.name,
        is_educational = excluded.is_educational, is_classified = excluded.is_classified,
        tags = excluded.tags, genres = excluded.genres, library = excluded.library,
        duration_seconds = excluded.duration_seconds, updated_at = excluded.updated_at
    """
)


async def find_for_update(
    unit: UnitOfWork, ids: Sequence[UUID], references: Sequence[tuple[str, str]]
) -> list[Title]:
    """The titles that a write may meet, locked until the transaction ends. One statement."""
    result = await unit.execute(
        _FIND_FOR_UPDATE,
        {
            "ids": list(ids),
            "sources": [source for source, _ in references],
            "external_ids": [external_id for _, external_id in references],
        },
    )
    return [_title(row) for row in result]


async def upsert(unit: UnitOfWork, written: Sequence[Title]) -> None:
    """Store whole titles. One statement; raises `IntegrityError` when a reference was taken."""
    await unit.execute(_UPSERT, {"rows": json.dumps([_row(title) for title in written])})


async def list_visible_to(
    unit: UnitOfWork,
    viewpoint: Viewpoint,
    narrowed: TitleFilter,
    *,
    after: tuple[str, UUID] | None,
    limit: int,
) -> TitlePage:
    """A page of at most `limit` titles in order of name and id, beginning after `after`.

    Global and household titles are read from their own indexes and merged, so a family's page
    costs the same however many families there are. One statement.
    """
    branches = [
        _branch(scope, narrowed, after, limit + 1).subquery() for scope in _scopes(viewpoint)
    ]
    first = select(branches[0])
    merged = first.union_all(*(select(branch) for branch in branches[1:])).subquery()
    statement = select(merged).order_by(merged.c.name, merged.c.id).limit(limit + 1)
    found = [_title(row) for row in await unit.execute(statement)]
    is_last = len(found) <= limit
    page = tuple(found[:limit])
    return TitlePage(page, None if is_last else (page[-1].name, page[-1].id))


async def list_names(unit: UnitOfWork, household_id: UUID, ids: Sequence[UUID]) -> dict[UUID, str]:
    """The names of the given titles that the household may see. One statement."""
    statement = select(titles.c.id, titles.c.name).where(
        titles.c.id == bindparam("ids", list(ids), type_=ARRAY(Uuid)).any_(),
        titles.c.household_id.is_(None) | (titles.c.household_id == household_id),
    )
    return {row.id: row.name for row in await unit.execute(statement)}


async def delete_own_titles(unit: UnitOfWork, household_id: UUID, ids: Sequence[UUID]) -> int:
    """Remove those of the given titles that only this household knows. One statement."""
    result = await unit.execute(
        titles.delete().where(
            titles.c.household_id == household_id,
            titles.c.id == bindparam("ids", list(ids), type_=ARRAY(Uuid)).any_(),
        )
    )
    return int(result.rowcount)


def _scopes(viewpoint: Viewpoint) -> list[ColumnElement[bool]]:
    is_global: ColumnElement[bool] = titles.c.household_id.is_(None)
    if viewpoint.sight is Sight.NO_HOUSEHOLD:
        return [is_global]
    if viewpoint.sight is Sight.OWN_HOUSEHOLD:
        return [is_global, titles.c.household_id == viewpoint.household_id]
    return [is_global, titles.c.household_id.is_not(None)]


def _branch(
    scope: ColumnElement[bool],
    narrowed: TitleFilter,
    after: tuple[str, UUID] | None,
    limit: int,
) -> Select[Any]:
    conditions = [scope, *_conditions(narrowed)]
    if after is not None:
        conditions.append(tuple_(titles.c.name, titles.c.id) > after)
    return select(titles).where(and_(*conditions)).order_by(titles.c.name, titles.c.id).limit(limit)


def _conditions(narrowed: TitleFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if narrowed.query:
        conditions.append(titles.c.name.icontains(narrowed.query, autoescape=True))
    if narrowed.tags:
        conditions.append(titles.c.tags.contains(list(narrowed.tags)))
    if narrowed.genre is not None:
        conditions.append(titles.c.genres.contains([narrowed.genre]))
    if narrowed.library is not None:
        conditions.append(titles.c.library == narrowed.library)
    if narrowed.is_educational is not None:
        conditions.append(titles.c.is_educational.is_(narrowed.is_educational))
    if narrowed.is_classified is not None:
        conditions.append(titles.c.is_classified.is_(narrowed.is_classified))
    return conditions


def _title(row: Any) -> Title:
    return Title(
        id=row.id,
        household_id=row.household_id,
        source=row.source,
        external_id=row.external_id,
        name=row.name,
        is_educational=row.is_educational,
        is_classified=row.is_classified,
        tags=tuple(row.tags),
        genres=tuple(row.genres),
        library=row.library,
        duration_seconds=row.duration_seconds,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _row(title: Title) -> dict[str, Any]:
    return {
        "id": str(title.id),
        "household_id": str(title.household_id) if title.household_id else None,
        "source": title.source,
        "external_id": title.external_id,
        "name": title.name,
        "is_educational": title.is_educational,
        "is_classified": title.is_classified,
        "tags": list(title.tags),
        "genres": list(title.genres),
        "library": title.library,
        "duration_seconds": title.duration_seconds,
        "created_at": title.created_at.isoformat(),
        "updated_at": title.updated_at.isoformat(),
    }
