"""A household's PIN and its wrong tries."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from watchkeeper.accounts.models import pin_attempts, pins, sign_ins
from watchkeeper.accounts.types import PinAttempts, PinRecord
from watchkeeper.core.database import UnitOfWork


async def find_pin(
    unit: UnitOfWork, household_id: UUID, *, with_lock: bool = False
) -> PinRecord | None:
    """A household's PIN; `with_lock` makes every PIN check of the household wait its turn."""
    query = select(pins.c.pin_hash, pins.c.wrong_at).where(pins.c.household_id == household_id)
    row = (await unit.execute(query.with_for_update() if with_lock else query)).one_or_none()
    return PinRecord(household_id, row.pin_hash, tuple(row.wrong_at)) if row else None


async def insert_pin(
    unit: UnitOfWork, household_id: UUID, pin_hash: str, *, set_by: UUID, now: datetime
) -> bool:
    """Store a household's first PIN; False when another request was quicker."""
    statement = (
        insert(pins)
        .values(household_id=household_id, pin_hash=pin_hash, set_at=now, set_by=set_by)
        .on_conflict_do_nothing(constraint="pins_pkey")
        .returning(pins.c.household_id)
    )
    return (await unit.execute(statement)).one_or_none() is not None


async def store_pin(
    unit: UnitOfWork, household_id: UUID, pin_hash: str, *, set_by: UUID, now: datetime
) -> None:
    """Store a household's PIN, its first or another one, and forget the wrong tries."""
    values = {"pin_hash": pin_hash, "set_at": now, "set_by": set_by, "wrong_at": []}
    await unit.execute(
        insert(pins)
        .values(household_id=household_id, **values)
        .on_conflict_do_update(constraint="pins_pkey", set_=values)
    )


async def upgrade_pin_hash(unit: UnitOfWork, household_id: UUID, better: str) -> None:
    """Replace the hash of the same PIN. The caller holds the PIN's lock."""
    await unit.execute(
        update(pins).where(pins.c.household_id == household_id).values(pin_hash=better)
    )


async def store_wrong(unit: UnitOfWork, household_id: UUID, wrong_at: tuple[datetime, ...]) -> None:
    """Store the household's wrong tries. The caller holds the PIN's lock."""
    await unit.execute(
        update(pins).where(pins.c.household_id == household_id).values(wrong_at=list(wrong_at))
    )


async def get_attempts(unit: UnitOfWork, household_id: UUID, subject: str) -> PinAttempts:
    """The wrong tries of one device or sign-in."""
    row = (
        await unit.execute(
            select(pin_attempts.c.wrong_count, pin_attempts.c.locked_until).where(
                pin_attempts.c.household_id == household_id, pin_attempts.c.subject == subject
            )
        )
    ).one_or_none()
    return PinAttempts(row.wrong_count, row.locked_until) if row else PinAttempts()


async def store_attempts(
    unit: UnitOfWork, household_id: UUID, subject: str, attempts: PinAttempts, now: datetime
) -> None:
    """Store the wrong tries of one device or sign-in. The caller holds the PIN's lock."""
    values = {
        "wrong_count": attempts.wrong_count,
        "locked_until": attempts.locked_until,
        "tried_at": now,
    }
    await unit.execute(
        insert(pin_attempts)
        .values(household_id=household_id, subject=subject, **values)
        .on_conflict_do_update(constraint="pin_attempts_pkey", set_=values)
    )


async def clear_attempts(unit: UnitOfWork, household_id: UUID, subject: str) -> None:
    """Forget the wrong tries of one device or sign-in."""
    await unit.execute(
        delete(pin_attempts).where(
            pin_attempts.c.household_id == household_id, pin_attempts.c.subject == subject
        )
    )


async def find_last_elevation(unit: UnitOfWork, sign_in_id: UUID) -> datetime | None:
    """When a sign-in last gave the right PIN."""
    query = select(sign_ins.c.last_elevated_at).where(sign_ins.c.id == sign_in_id)
    at: datetime | None = (await unit.execute(query)).scalar_one_or_none()
    return at
