"""Sign-ins, their refresh tokens and their elevation."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, insert, select, update

from watchkeeper.accounts.models import pins, refresh_tokens, sign_ins, users
from watchkeeper.accounts.types import EndReason, SignInState
from watchkeeper.core.auth import Role, UserPrincipal
from watchkeeper.core.database import UnitOfWork


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A presented refresh token, with the state of its family."""

    sign_in_id: UUID
    user_id: UUID
    expires_at: datetime
    used_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class EndedSignIn:
    """A sign-in that has just been ended."""

    id: UUID
    user_id: UUID
    household_id: UUID | None


async def insert_sign_in(
    unit: UnitOfWork,
    *,
    sign_in_id: UUID,
    user_id: UUID,
    household_id: UUID | None,
    client: str,
    now: datetime,
) -> None:
    """Store a new sign-in; `client` says in a few words what the person used."""
    await unit.execute(
        insert(sign_ins).values(
            id=sign_in_id,
            user_id=user_id,
            household_id=household_id,
            client=client,
            created_at=now,
            last_used_at=now,
        )
    )


async def insert_refresh_token(
    unit: UnitOfWork, token_hash: bytes, sign_in_id: UUID, *, now: datetime, expires_at: datetime
) -> None:
    """Store the hash of a new refresh token, and forget those of its family that have lapsed."""
    await unit.execute(
        delete(refresh_tokens).where(
            refresh_tokens.c.sign_in_id == sign_in_id, refresh_tokens.c.expires_at < now
        )
    )
    await unit.execute(
        insert(refresh_tokens).values(
            token_hash=token_hash, sign_in_id=sign_in_id, issued_at=now, expires_at=expires_at
        )
    )


async def lock_refresh_token(unit: UnitOfWork, token_hash: bytes) -> RefreshToken | None:
    """The token of a hash. Locks its family first, so that of two uses at once one is a reuse.

    The token is read in a second statement: a row read together with the lock could be older
    than what the other use has stored.
    """
    family = (
        await unit.execute(
            select(sign_ins.c.id, sign_ins.c.user_id, sign_ins.c.ended_at)
            .join(refresh_tokens, refresh_tokens.c.sign_in_id == sign_ins.c.id)
            .where(refresh_tokens.c.token_hash == token_hash)
            .with_for_update(of=sign_ins)
        )
    ).one_or_none()
    if family is None:
        return None
    token = (
        await unit.execute(
            select(refresh_tokens.c.expires_at, refresh_tokens.c.used_at).where(
                refresh_tokens.c.token_hash == token_hash
            )
        )
    ).one_or_none()
    if token is None:
        return None
    return RefreshToken(family.id, family.user_id, token.expires_at, token.used_at, family.ended_at)


async def use_refresh_token(
    unit: UnitOfWork, token_hash: bytes, sign_in_id: UUID, now: datetime
) -> None:
    """Mark a refresh token as used and its sign-in as alive."""
    await unit.execute(
        update(refresh_tokens).where(refresh_tokens.c.token_hash == token_hash).values(used_at=now)
    )
    await unit.execute(update(sign_ins).where(sign_ins.c.id == sign_in_id).values(last_used_at=now))


async def end_sign_in(
    unit: UnitOfWork, sign_in_id: UUID, reason: EndReason, now: datetime
) -> list[EndedSignIn]:
    """End one sign-in; the list is empty when it had ended before."""
    return await _end(unit, sign_ins.c.id == sign_in_id, reason, now)


async def end_sign_ins_of_user(
    unit: UnitOfWork, user_id: UUID, reason: EndReason, now: datetime, *, but: UUID | None = None
) -> list[EndedSignIn]:
    """End every sign-in of a user, `but` one that is kept."""
    return await _end(
        unit, (sign_ins.c.user_id == user_id) & (sign_ins.c.id.is_distinct_from(but)), reason, now
    )


async def end_sign_ins_of_household(
    unit: UnitOfWork, household_id: UUID, reason: EndReason, now: datetime
) -> list[EndedSignIn]:
    """End every sign-in of a household."""
    return await _end(unit, sign_ins.c.household_id == household_id, reason, now)


async def _end(unit: UnitOfWork, which: Any, reason: EndReason, now: datetime) -> list[EndedSignIn]:
    rows = await unit.execute(
        update(sign_ins)
        .where(which, sign_ins.c.ended_at.is_(None))
        .values(ended_at=now, end_reason=reason, elevated_until=None)
        .returning(sign_ins.c.id, sign_ins.c.user_id, sign_ins.c.household_id)
    )
    return [EndedSignIn(row.id, row.user_id, row.household_id) for row in rows]


async def find_state(unit: UnitOfWork, principal: UserPrincipal) -> SignInState | None:
    """The state of the sign-in behind an access token; None when it has ended. One statement."""
    has_pin = exists().where(pins.c.household_id == users.c.household_id)
    row = (
        await unit.execute(
            select(
                users.c.roles,
                users.c.household_id,
                sign_ins.c.created_at,
                sign_ins.c.elevated_until,
                has_pin.label("has_pin"),
            )
            .join(users, users.c.id == sign_ins.c.user_id)
            .where(
                sign_ins.c.id == principal.sign_in_id,
                users.c.id == principal.user_id,
                sign_ins.c.ended_at.is_(None),
                users.c.disabled_at.is_(None),
            )
        )
    ).one_or_none()
    if row is None:
        return None
    return SignInState(
        principal=UserPrincipal(
            user_id=principal.user_id,
            sign_in_id=principal.sign_in_id,
            household_id=row.household_id,
            roles=frozenset(Role(role) for role in row.roles),
        ),
        started_at=row.created_at,
        elevated_until=row.elevated_until,
        has_pin=row.has_pin,
    )


async def elevate(unit: UnitOfWork, sign_in_id: UUID, *, until: datetime, now: datetime) -> None:
    """Elevate a sign-in until an instant."""
    await unit.execute(
        update(sign_ins)
        .where(sign_ins.c.id == sign_in_id, sign_ins.c.ended_at.is_(None))
        .values(elevated_until=until, last_elevated_at=now)
    )


async def end_elevation(unit: UnitOfWork, sign_in_id: UUID) -> None:
    """End the elevation of one sign-in."""
    await unit.execute(
        update(sign_ins).where(sign_ins.c.id == sign_in_id).values(elevated_until=None)
    )


async def end_elevations_of_household(unit: UnitOfWork, household_id: UUID, *, but: UUID) -> None:
    """End the elevations of a household's sign-ins, `but` one."""
    await unit.execute(
        update(sign_ins)
        .where(
            sign_ins.c.household_id == household_id,
            sign_ins.c.id != but,
            sign_ins.c.elevated_until.is_not(None),
        )
        .values(elevated_until=None)
    )
