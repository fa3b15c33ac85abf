"""The people of a household."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update

from watchkeeper.accounts.models import profiles
from watchkeeper.accounts.types import Profile
from watchkeeper.core.database import UnitOfWork


def _profile(row: Any) -> Profile:
    return Profile(
        household_id=row.household_id,
        id=row.id,
        name=row.name,
        is_child=row.is_child,
        avatar=row.avatar,
        created_at=row.created_at,
    )


async def list_profiles(unit: UnitOfWork, household_id: UUID) -> list[Profile]:
    """A household's profiles, in the order in which they were added."""
    rows = await unit.execute(
        select(profiles)
        .where(profiles.c.household_id == household_id)
        .order_by(profiles.c.created_at, profiles.c.id)
    )
    return [_profile(row) for row in rows]


async def find_profile(
    unit: UnitOfWork, household_id: UUID, profile_id: UUID, *, with_lock: bool = False
) -> Profile | None:
    """A profile of this household."""
    query = select(profiles).where(
        profiles.c.household_id == household_id, profiles.c.id == profile_id
    )
    row = (await unit.execute(query.with_for_update() if with_lock else query)).one_or_none()
    return _profile(row) if row else None


async def lock_profiles(unit: UnitOfWork, household_id: UUID) -> None:
    """Lock the profiles of a household in key order, before the household is deleted."""
    await unit.execute(
        select(profiles.c.id)
        .where(profiles.c.household_id == household_id)
        .order_by(profiles.c.id)
        .with_for_update()
    )


async def count_profiles(unit: UnitOfWork, household_id: UUID) -> int:
    """How many profiles a household has."""
    query = (
        select(func.count()).select_from(profiles).where(profiles.c.household_id == household_id)
    )
    return int((await unit.execute(query)).scalar_one())


async def insert_profile(unit: UnitOfWork, profile: Profile) -> None:
    """Store a new profile."""
    await unit.execute(
        insert(profiles).values(
            household_id=profile.household_id,
            id=profile.id,
            name=profile.name,
            is_child=profile.is_child,
            avatar=profile.avatar,
            created_at=profile.created_at,
        )
    )


async def store_profile(unit: UnitOfWork, profile: Profile) -> None:
    """Store a changed profile."""
    await unit.execute(
        update(profiles)
        .where(profiles.c.household_id == profile.household_id, profiles.c.id == profile.id)
        .values(name=profile.name, is_child=profile.is_child, avatar=profile.avatar)
    )
