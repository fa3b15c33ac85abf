"""Setting, changing, resetting and using the household's PIN.

A household has one PIN, which its guardians share. Setting or changing it elevates nobody; a
change ends the elevation of every other sign-in of the household, because whoever was elevated
knew the old one.
"""

from datetime import datetime
from uuid import UUID

from watchkeeper.accounts import rules
from watchkeeper.accounts.passwords import Hasher
from watchkeeper.accounts.problems import PasswordRequired
from watchkeeper.accounts.repository import pins, sign_ins
from watchkeeper.accounts.service.auditing import record_audit
from watchkeeper.accounts.service.confirmation import Confirmation
from watchkeeper.accounts.service.pin_checks import (
    PinChecks,
    household_of,
    is_trusted,
    subject_of,
)
from watchkeeper.accounts.types import PinStatus, SignInState
from watchkeeper.core.auth import UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.problems import Conflict, InvalidRequest


class Pins:
    """What a guardian does with the PIN. `state` is the caller's sign-in as it is now."""

    def __init__(
        self, floor: Floor, hasher: Hasher, checks: PinChecks, confirmation: Confirmation
    ) -> None:
        self._floor = floor
        self._hasher = hasher
        self._checks = checks
        self._confirmation = confirmation

    async def verify(self, state: SignInState, pin: str, now: datetime) -> None:
        """Elevate the sign-in for 15 minutes when `pin` is right; raises as `PinChecks.check`."""
        sign_in_id = state.principal.sign_in_id

        async def elevate(unit: UnitOfWork) -> None:
            await sign_ins.elevate(unit, sign_in_id, until=now + rules.ELEVATED_FOR, now=now)

        await self._checks.check(state.principal, pin, now, on_right=elevate)

    async def lock(self, state: SignInState) -> None:
        """End the sign-in's elevation."""

        async def end(unit: UnitOfWork) -> None:
            await sign_ins.end_elevation(unit, state.principal.sign_in_id)

        await self._floor.database.run(end)

    async def set_pin(
        self,
        state: SignInState,
        new_pin: str,
        now: datetime,
        *,
        current_pin: str | None,
        password: str | None,
    ) -> None:
        """Set the first PIN, or change it.

        The first one needs the password, unless it was given at a sign-in less than 10 minutes
        ago. Raises `PasswordRequired` or `WrongPassword` (403), `InvalidRequest` (422) when the
        current PIN is missing, or as `PinChecks.check`.
        """
        if state.has_pin:
            if current_pin is None:
                raise InvalidRequest.field("current_pin", "is needed, because there is a PIN")
            await self._checks.check(state.principal, current_pin, now)
            await self._store(state.principal, new_pin, now, action="pin.changed")
            return
        if now >= state.started_at + rules.FIRST_PIN_WITHOUT_PASSWORD_FOR:
            if password is None:
                raise PasswordRequired
            await self._confirmation.confirm(state.principal.user_id, password, now)
        await self._store_first(state.principal, new_pin, now)

    async def reset(self, state: SignInState, password: str, new_pin: str, now: datetime) -> None:
        """Set another PIN by the password, and forget the wrong tries of the household's old one.

        Raises `WrongPassword` (403), `TooManyRequests` (429), or `Overloaded` (503).
        """
        await self._confirmation.confirm(state.principal.user_id, password, now)
        await self._store(state.principal, new_pin, now, action="pin.reset")

    async def get_status(self, state: SignInState, now: datetime) -> PinStatus:
        """Whether there is a PIN, and what this sign-in may do with it."""
        principal = state.principal
        household_id = household_of(principal)

        async def read(unit: UnitOfWork) -> datetime | None:
            record = await pins.find_pin(unit, household_id)
            if record is None:
                return None
            attempts = await pins.get_attempts(unit, household_id, subject_of(principal))
            trusted = await is_trusted(unit, principal, now)
            return rules.lock_of(attempts, record.wrong_at, is_trusted=trusted, now=now)

        locked_until = await self._floor.database.run(read) if state.has_pin else None
        elevated_until = state.elevated_until if state.is_elevated(now) else None
        return PinStatus(state.has_pin, locked_until, elevated_until)

    async def _store_first(self, principal: UserPrincipal, pin: str, now: datetime) -> None:
        household_id = household_of(principal)
        pin_hash = await self._floor.hashing.run(self._hasher.hash_pin, pin)

        async def store(unit: UnitOfWork) -> None:
            if not await store_first_pin(
                unit, household_id, pin_hash, set_by=principal.user_id, now=now
            ):
                raise Conflict("A PIN was set at the same moment. Please try again.")

        await self._floor.database.run(store)

    async def _store(
        self, principal: UserPrincipal, pin: str, now: datetime, *, action: str
    ) -> None:
        household_id = household_of(principal)
        pin_hash = await self._floor.hashing.run(self._hasher.hash_pin, pin)

        async def store(unit: UnitOfWork) -> None:
            await pins.store_pin(unit, household_id, pin_hash, set_by=principal.user_id, now=now)
            await pins.clear_attempts(unit, household_id, subject_of(principal))
            await sign_ins.end_elevations_of_household(unit, household_id, but=principal.sign_in_id)
            await record_audit(
                unit,
                household_id,
                at=now,
                actor=principal,
                action=action,
                subject=f"household:{household_id}",
            )

        await self._floor.database.run(store)


async def store_first_pin(
    unit: UnitOfWork, household_id: UUID, pin_hash: str, *, set_by: UUID, now: datetime
) -> bool:
    """Store a household's first PIN; False when it has one already."""
    if not await pins.insert_pin(unit, household_id, pin_hash, set_by=set_by, now=now):
        return False
    await record_audit(
        unit,
        household_id,
        at=now,
        actor=f"user:{set_by}",
        action="pin.set",
        subject=f"household:{household_id}",
    )
    return True
