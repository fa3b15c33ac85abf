"""A family opens its account."""

from datetime import datetime

from watchkeeper.accounts.passwords import Hasher
from watchkeeper.accounts.repository import households, rate_limits, users
from watchkeeper.accounts.service.auditing import record_audit
from watchkeeper.accounts.service.limits import CallLimits, network_of
from watchkeeper.accounts.service.sign_ins import SignIns
from watchkeeper.accounts.service.users import create_user
from watchkeeper.accounts.types import Household, HouseholdTime, SignedIn, User
from watchkeeper.core.auth import Role
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.ids import new_id


class Registration:
    """Makes households with their first guardian."""

    def __init__(self, floor: Floor, hasher: Hasher, limits: CallLimits, sign_ins: SignIns) -> None:
        self._floor = floor
        self._hasher = hasher
        self._limits = limits
        self._sign_ins = sign_ins

    async def register(
        self,
        *,
        email: str,
        password: str,
        household_name: str,
        timezone: str,
        address: str | None,
        client: str,
        now: datetime,
    ) -> SignedIn:
        """Make a household and sign its guardian in.

        Raises `EmailTaken` (409), `TooManyRequests` (429), or `Overloaded` (503).
        """
        await self._admit(address, now)
        password_hash = await self._floor.hashing.run(self._hasher.hash_password, password)

        async def store(unit: UnitOfWork) -> SignedIn:
            household = Household(
                household_id=new_id(),
                name=household_name,
                time=HouseholdTime(timezone),
                is_demo=False,
                is_load_test=False,
                created_at=now,
            )
            user = await create_household_with_guardian(
                unit, household, email=email, password_hash=password_hash
            )
            return await self._sign_ins.start(unit, user, client=client, now=now)

        return await self._floor.database.run(store)

    async def _admit(self, address: str | None, now: datetime) -> None:
        async def admit(unit: UnitOfWork) -> None:
            await rate_limits.forget_stale(unit, now, at_most=10)
            await self._limits.admit(
                unit, self._limits.registration_from_address, network_of(address), now
            )

        await self._floor.database.run(admit)


async def create_household_with_guardian(
    unit: UnitOfWork, household: Household, *, email: str, password_hash: str
) -> User:
    """Store a household and its first guardian; raises `EmailTaken` (409)."""
    user_id = await create_user(
        unit,
        email=email,
        password_hash=password_hash,
        roles=[Role.GUARDIAN],
        household_id=household.household_id,
        is_demo=household.is_demo,
        now=household.created_at,
    )
    await households.insert_household(unit, household)
    await record_audit(
        unit,
        household.household_id,
        at=household.created_at,
        actor=f"user:{user_id}",
        action="household.created",
        subject=f"household:{household.household_id}",
    )
    user = await users.find_user(unit, user_id)
    assert user is not None
    return user
