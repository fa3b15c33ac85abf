"""Accounts that an operator makes: the first administrator, agents, forgotten passwords."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from watchkeeper.accounts.passwords import Hasher
from watchkeeper.accounts.problems import EmailTaken
from watchkeeper.accounts.repository import households, sign_ins, users
from watchkeeper.accounts.service.announcements import announce_ended
from watchkeeper.accounts.service.auditing import record_audit
from watchkeeper.accounts.types import EndReason, Household, User
from watchkeeper.core.auth import Role, UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.ids import new_id
from watchkeeper.core.problems import NotFound, Unauthenticated

DEMO_ACCOUNTS_ADDED = "watchkeeper_demo_accounts"


class Users:
    """People's accounts as their owner sees them and as the command line makes them."""

    def __init__(self, floor: Floor, hasher: Hasher) -> None:
        self._floor = floor
        self._hasher = hasher

    async def create(
        self,
        email: str,
        password: str,
        roles: Iterable[Role],
        now: datetime,
        *,
        household_id: UUID | None = None,
        is_demo: bool = False,
    ) -> UUID:
        """Make an account and return its id; raises `EmailTaken` (409)."""
        password_hash = await self._floor.hashing.run(self._hasher.hash_password, password)

        async def store(unit: UnitOfWork) -> UUID:
            return await create_user(
                unit,
                email=email,
                password_hash=password_hash,
                roles=roles,
                household_id=household_id,
                is_demo=is_demo,
                now=now,
            )

        return await self._floor.database.run(store)

    async def get_with_household(self, principal: UserPrincipal) -> tuple[User, Household | None]:
        """The signed-in person and their household, if any; raises `Unauthenticated` (401)."""

        async def read(unit: UnitOfWork) -> tuple[User, Household | None]:
            user = await users.find_user(unit, principal.user_id)
            if user is None:
                raise Unauthenticated(log="the user is gone")
            if user.household_id is None:
                return user, None
            return user, await households.find_household(unit, user.household_id)

        return await self._floor.database.run(read)

    async def reset_password(self, email: str, password: str, now: datetime) -> None:
        """Store another password and end all sign-ins of the account; raises `NotFound` (404)."""
        password_hash = await self._floor.hashing.run(self._hasher.hash_password, password)

        async def store(unit: UnitOfWork) -> None:
            user = await users.find_user_by_email(unit, email)
            if user is None:
                raise NotFound("There is no account with this e-mail address.")
            await users.store_password(unit, user.id, password_hash, now)
            ended = await sign_ins.end_sign_ins_of_user(
                unit, user.id, EndReason.PASSWORD_RESET, now
            )
            await announce_ended(unit, ended, EndReason.PASSWORD_RESET, now)
            if user.household_id is not None:
                await record_audit(
                    unit,
                    user.household_id,
                    at=now,
                    actor="cli",
                    action="password.reset",
                    subject=f"user:{user.id}",
                )

        await self._floor.database.run(store)


async def create_user(
    unit: UnitOfWork,
    *,
    email: str,
    password_hash: str,
    roles: Iterable[Role],
    household_id: UUID | None,
    is_demo: bool,
    now: datetime,
) -> UUID:
    """Store a new account and return its id; raises `EmailTaken` (409).

    A demo account, whose password is published, is announced to every process, so that one that
    listens to other machines can stop.
    """
    user_id = new_id()
    is_new = await users.insert_user(
        unit,
        user_id=user_id,
        email=email,
        password_hash=password_hash,
        roles=roles,
        household_id=household_id,
        is_demo=is_demo,
        now=now,
    )
    if not is_new:
        raise EmailTaken
    if is_demo:
        unit.notify(DEMO_ACCOUNTS_ADDED, "")
    return user_id


def hasher_of(floor: Floor) -> Hasher:
    """The hasher that a service on this floor uses."""
    return Hasher(floor.secrets.pin_pepper)
