"""The rows of the ledger of grants, which are only ever added."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, tuple_

from watchkeeper.core.database import UnitOfWork
from watchkeeper.viewing.models import grants
from watchkeeper.viewing.repository import ProfileKey


async def insert_grant(unit: UnitOfWork, entry: dict[str, Any]) -> None:
    """Add an entry."""
    await unit.execute(insert(grants).values(entry))


async def find_by_key(unit: UnitOfWork, key: ProfileKey, idempotency_key: str | None) -> Any:
    """The entry that a request with this key made, if any."""
    if idempotency_key is None:
        return None
    statement = select(grants).where(
        grants.c.household_id == key.household_id,
        grants.c.profile_id == key.profile_id,
        grants.c.idempotency_key == idempotency_key,
    )
    return (await unit.execute(statement)).one_or_none()


async def find_grant(unit: UnitOfWork, key: ProfileKey, grant_id: UUID) -> Any:
    """An entry of this profile by its id."""
    statement = select(grants).where(
        grants.c.household_id == key.household_id,
        grants.c.id == grant_id,
        grants.c.profile_id == key.profile_id,
    )
    return (await unit.execute(statement)).one_or_none()


async def is_cancelled(unit: UnitOfWork, key: ProfileKey, grant_id: UUID) -> bool:
    """Whether a compensating entry exists."""
    statement = select(grants.c.id).where(
        grants.c.household_id == key.household_id, grants.c.cancels_id == grant_id
    )
    return (await unit.execute(statement)).first() is not None


async def list_entries(
    unit: UnitOfWork, key: ProfileKey, before: tuple[datetime, UUID] | None, at_most: int
) -> list[Any]:
    """The newest entries before a place in the ledger, each with `is_cancelled`. One statement."""
    cancellation = grants.alias("cancellation")
    has_been_cancelled = (
        select(cancellation.c.id)
        .where(
            cancellation.c.household_id == grants.c.household_id,
            cancellation.c.cancels_id == grants.c.id,
        )
        .exists()
        .label("is_cancelled")
    )
    statement = select(grants, has_been_cancelled).where(
        grants.c.household_id == key.household_id, grants.c.profile_id == key.profile_id
    )
    if before is not None:
        statement = statement.where(tuple_(grants.c.created_at, grants.c.id) < before)
    newest_first = statement.order_by(grants.c.created_at.desc(), grants.c.id.desc())
    return list(await unit.execute(newest_first.limit(at_most)))
