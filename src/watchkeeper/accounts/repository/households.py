"""Households, their time settings, and receipts of deletions."""

from uuid import UUID

from sqlalchemy import insert, select, update

from watchkeeper.accounts.models import deletion_receipts, households
from watchkeeper.accounts.types import Household, HouseholdTime, Receipt
from watchkeeper.core.database import UnitOfWork


async def insert_household(unit: UnitOfWork, household: Household) -> None:
    """Store a new household."""
    await unit.execute(
        insert(households).values(
            household_id=household.household_id,
            name=household.name,
            timezone=household.time.timezone,
            reset_hour=household.time.reset_hour,
            weekend_days=list(household.time.weekend_days),
            is_demo=household.is_demo,
            is_load_test=household.is_load_test,
            created_at=household.created_at,
        )
    )


async def find_household(
    unit: UnitOfWork, household_id: UUID, *, with_lock: bool = False
) -> Household | None:
    """A household; `with_lock` keeps other writers of its settings and bounds out."""
    query = select(households).where(households.c.household_id == household_id)
    row = (await unit.execute(query.with_for_update() if with_lock else query)).one_or_none()
    if row is None:
        return None
    return Household(
        household_id=row.household_id,
        name=row.name,
        time=HouseholdTime(row.timezone, row.reset_hour, tuple(row.weekend_days)),
        is_demo=row.is_demo,
        is_load_test=row.is_load_test,
        created_at=row.created_at,
    )


async def list_household_ids(unit: UnitOfWork, after: UUID | None, at_most: int) -> list[UUID]:
    """The next ids of households in order, for work that goes through all of them."""
    query = select(households.c.household_id).order_by(households.c.household_id).limit(at_most)
    if after is not None:
        query = query.where(households.c.household_id > after)
    return list((await unit.execute(query)).scalars())


async def hold_household(unit: UnitOfWork, household_id: UUID) -> bool:
    """Keep everybody out who changes or joins a household; False when there is none.

    Who only refers to it may go on, and is waited for when its row is deleted.
    """
    query = (
        select(households.c.household_id)
        .where(households.c.household_id == household_id)
        .with_for_update(key_share=True)
    )
    return (await unit.execute(query)).one_or_none() is not None


async def insert_receipt(unit: UnitOfWork, receipt: Receipt) -> None:
    """Store a receipt."""
    await unit.execute(
        insert(deletion_receipts).values(
            id=receipt.id,
            kind=receipt.kind,
            deleted_at=receipt.deleted_at,
            rows_by_table=receipt.rows_by_table,
        )
    )


async def store_time(unit: UnitOfWork, household_id: UUID, time: HouseholdTime) -> None:
    """Store a household's time settings."""
    await unit.execute(
        update(households)
        .where(households.c.household_id == household_id)
        .values(
            timezone=time.timezone,
            reset_hour=time.reset_hour,
            weekend_days=list(time.weekend_days),
        )
    )
