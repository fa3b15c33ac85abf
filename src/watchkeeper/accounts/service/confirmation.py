"""A signed-in person shows that they know their password."""

from datetime import datetime
from uuid import UUID

from watchkeeper.accounts.passwords import Hasher
from watchkeeper.accounts.problems import WrongPassword
from watchkeeper.accounts.repository import users
from watchkeeper.accounts.service.limits import CallLimits
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.problems import Unauthenticated


class Confirmation:
    """Checks passwords of people who are signed in; counts towards the account's sign-ins."""

    def __init__(self, floor: Floor, hasher: Hasher, limits: CallLimits) -> None:
        self._floor = floor
        self._hasher = hasher
        self._limits = limits

    async def confirm(self, user_id: UUID, password: str, now: datetime) -> None:
        """Return when the password is right.

        Raises `WrongPassword` (403), `TooManyRequests` (429), or `Overloaded` (503).
        """

        async def admit(unit: UnitOfWork) -> str:
            user = await users.find_user(unit, user_id)
            if user is None:
                raise Unauthenticated(log="the user is gone")
            await self._limits.admit(
                unit, self._limits.password_of_account, user.email.lower(), now
            )
            return user.password_hash

        stored = await self._floor.database.run(admit)
        is_right, better = await self._floor.hashing.run(
            self._hasher.check_password, password, stored
        )
        if not is_right:
            raise WrongPassword
        if better is not None:
            replacement = better

            async def upgrade(unit: UnitOfWork) -> None:
                await users.upgrade_hash(unit, user_id, stored=stored, better=replacement)

            await self._floor.database.run(upgrade)
