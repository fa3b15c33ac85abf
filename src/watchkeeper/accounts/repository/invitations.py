"""Invitations of guardians; a used or withdrawn one is deleted."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select

from watchkeeper.accounts.models import invitations, users
from watchkeeper.accounts.types import Invitation
from watchkeeper.core.database import UnitOfWork


def _invitation(row: Any, invited_by: str | None) -> Invitation:
    return Invitation(
        id=row.id,
        household_id=row.household_id,
        email=row.email,
        invited_by=invited_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


async def insert_invitation(
    unit: UnitOfWork, code_hash: bytes, invitation: Invitation, *, created_by: UUID
) -> None:
    """Store a new invitation in place of one to the same address."""
    await unit.execute(
        delete(invitations).where(
            invitations.c.household_id == invitation.household_id,
            invitations.c.email == invitation.email,
        )
    )
    await unit.execute(
        insert(invitations).values(
            code_hash=code_hash,
            id=invitation.id,
            household_id=invitation.household_id,
            email=invitation.email,
            created_by=created_by,
            created_at=invitation.created_at,
            expires_at=invitation.expires_at,
        )
    )


async def list_invitations(unit: UnitOfWork, household_id: UUID, now: datetime) -> list[Invitation]:
    """A household's open invitations, oldest first."""
    rows = await unit.execute(
        select(invitations, users.c.email.label("invited_by"))
        .select_from(invitations.outerjoin(users, users.c.id == invitations.c.created_by))
        .where(invitations.c.household_id == household_id, invitations.c.expires_at > now)
        .order_by(invitations.c.created_at, invitations.c.id)
    )
    return [_invitation(row, row.invited_by) for row in rows]


async def count_others(unit: UnitOfWork, household_id: UUID, email: str, now: datetime) -> int:
    """How many open invitations a household has made to other addresses."""
    query = (
        select(func.count())
        .select_from(invitations)
        .where(
            invitations.c.household_id == household_id,
            invitations.c.email != email,
            invitations.c.expires_at > now,
        )
    )
    return int((await unit.execute(query)).scalar_one())


async def find_household_of_code(unit: UnitOfWork, code_hash: bytes, now: datetime) -> UUID | None:
    """Which household an open invitation is to."""
    query = select(invitations.c.household_id).where(
        invitations.c.code_hash == code_hash, invitations.c.expires_at > now
    )
    household_id: UUID | None = (await unit.execute(query)).scalar_one_or_none()
    return household_id


async def use_invitation(unit: UnitOfWork, code_hash: bytes, now: datetime) -> Invitation | None:
    """Take an open invitation; None for whoever comes second."""
    row = (
        await unit.execute(
            delete(invitations)
            .where(invitations.c.code_hash == code_hash, invitations.c.expires_at > now)
            .returning(invitations)
        )
    ).one_or_none()
    return _invitation(row, None) if row else None


async def withdraw_invitation(
    unit: UnitOfWork, household_id: UUID, invitation_id: UUID
) -> Invitation | None:
    """Delete an invitation of this household; None when there is no such one."""
    row = (
        await unit.execute(
            delete(invitations)
            .where(invitations.c.household_id == household_id, invitations.c.id == invitation_id)
            .returning(invitations)
        )
    ).one_or_none()
    return _invitation(row, None) if row else None


async def delete_invitations_of_user(unit: UnitOfWork, household_id: UUID, user_id: UUID) -> None:
    """Withdraw the invitations that a guardian made."""
    await unit.execute(
        delete(invitations).where(
            invitations.c.household_id == household_id, invitations.c.created_by == user_id
        )
    )
