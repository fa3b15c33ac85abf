"""People who sign in."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from watchkeeper.accounts.models import households, users
from watchkeeper.accounts.types import Guardian, User
from watchkeeper.core.auth import Role
from watchkeeper.core.database import UnitOfWork


def _users() -> Select[Any]:
    return select(users, households.c.name.label("household_name")).select_from(
        users.outerjoin(households, households.c.household_id == users.c.household_id)
    )


def _user(row: Any) -> User | None:
    if row is None:
        return None
    return User(
        id=row.id,
        email=row.email,
        password_hash=row.password_hash,
        roles=frozenset(Role(role) for role in row.roles),
        household_id=row.household_id,
        household_name=row.household_name,
        is_demo=row.is_demo,
        password_changed_at=row.password_changed_at,
        disabled_at=row.disabled_at,
    )


async def find_user_by_email(unit: UnitOfWork, email: str) -> User | None:
    """The user of an e-mail address, in whatever case it was typed."""
    return _user((await unit.execute(_users().where(users.c.email == email))).one_or_none())


async def find_user(unit: UnitOfWork, user_id: UUID, *, with_lock: bool = False) -> User | None:
    """A user; `with_lock` keeps the password from changing until the commit."""
    query = _users().where(users.c.id == user_id)
    if with_lock:
        query = query.with_for_update(of=users)
    return _user((await unit.execute(query)).one_or_none())


async def insert_user(
    unit: UnitOfWork,
    *,
    user_id: UUID,
    email: str,
    password_hash: str,
    roles: Iterable[Role],
    household_id: UUID | None,
    is_demo: bool,
    now: datetime,
) -> bool:
    """Store a new user; False when the e-mail address is taken."""
    statement = (
        insert(users)
        .values(
            id=user_id,
            email=email,
            password_hash=password_hash,
            roles=sorted(roles),
            household_id=household_id,
            is_demo=is_demo,
            created_at=now,
            password_changed_at=now,
        )
        .on_conflict_do_nothing(constraint="users_email")
        .returning(users.c.id)
    )
    return (await unit.execute(statement)).one_or_none() is not None


async def store_password(
    unit: UnitOfWork, user_id: UUID, password_hash: str, now: datetime
) -> None:
    """Store a new password's hash."""
    await unit.execute(
        update(users)
        .where(users.c.id == user_id)
        .values(password_hash=password_hash, password_changed_at=now)
    )


async def upgrade_hash(unit: UnitOfWork, user_id: UUID, *, stored: str, better: str) -> None:
    """Replace the hash of the same password, unless the password was changed meanwhile."""
    await unit.execute(
        update(users)
        .where(users.c.id == user_id, users.c.password_hash == stored)
        .values(password_hash=better)
    )


async def has_demo_accounts(unit: UnitOfWork) -> bool:
    """Whether any account with a published password exists."""
    query = select(select(users.c.id).where(users.c.is_demo).exists())
    return bool((await unit.execute(query)).scalar_one())


async def has_users(unit: UnitOfWork) -> bool:
    """Whether anybody has an account; demo data are only put into an empty database."""
    query = select(select(users.c.id).exists())
    return bool((await unit.execute(query)).scalar_one())


async def list_guardians(unit: UnitOfWork, household_id: UUID) -> list[Guardian]:
    """The guardians of a household, in the order in which they joined."""
    rows = await unit.execute(
        select(users.c.id, users.c.email, users.c.created_at)
        .where(users.c.household_id == household_id)
        .order_by(users.c.created_at, users.c.id)
    )
    return [Guardian(row.id, row.email, row.created_at) for row in rows]


async def delete_guardian(unit: UnitOfWork, household_id: UUID, user_id: UUID) -> bool:
    """Delete the account of a guardian of this household, and its sign-ins with it."""
    result = await unit.execute(
        delete(users).where(users.c.id == user_id, users.c.household_id == household_id)
    )
    return bool(result.rowcount)
