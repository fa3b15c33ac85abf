"""Checking a PIN: counted first, compared afterwards, on every call that takes one.

Each attempt is committed as a wrong one before its hash is computed, under the lock of the
household's PIN, so that of any number of attempts at one instant at most five are compared. A
right PIN takes its attempt back and clears the count. Source: 03, "PIN and elevation".
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from watchkeeper.accounts import rules
from watchkeeper.accounts.passwords import Hasher
from watchkeeper.accounts.problems import PinLocked, PinNotSet, WrongPin
from watchkeeper.accounts.repository import pins
from watchkeeper.core.auth import DevicePrincipal, Principal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.problems import Forbidden, Overloaded

OnRight = Callable[[UnitOfWork], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class CountedAttempt:
    """An attempt that has been committed and may be compared."""

    household_id: UUID
    subject: str
    stored_hash: str
    wrong_count: int
    counted_at: datetime


def household_of(principal: Principal) -> UUID:
    """The household whose PIN a caller may try; raises `Forbidden` for staff without one."""
    if principal.household_id is None:
        raise Forbidden
    return principal.household_id


def subject_of(principal: Principal) -> str:
    """Whose tries are counted together: one device, or one sign-in with all its tokens."""
    if isinstance(principal, DevicePrincipal):
        return f"device:{principal.device_id}"
    return f"sign_in:{principal.sign_in_id}"


async def is_trusted(unit: UnitOfWork, principal: Principal, now: datetime) -> bool:
    """Whether the caller gave the right PIN in the last 30 days; a device never did."""
    if isinstance(principal, DevicePrincipal):
        return False
    elevated_at = await pins.find_last_elevation(unit, principal.sign_in_id)
    return elevated_at is not None and elevated_at > now - rules.TRUSTED_AFTER_ELEVATION_FOR


class PinChecks:
    """The one way to compare a PIN."""

    def __init__(self, floor: Floor, hasher: Hasher) -> None:
        self._floor = floor
        self._hasher = hasher

    async def check(
        self, principal: Principal, pin: str, now: datetime, *, on_right: OnRight | None = None
    ) -> None:
        """Return when `pin` is the household's; `on_right` runs in the transaction that says so.

        Raises `PinNotSet` (409), `WrongPin` (403), `PinLocked` (423), and `Overloaded` (503),
        which takes the attempt back because nothing was compared. Up to 9 statements in two
        transactions; no connection is held while the hash is computed.
        """
        attempt = await self._count(principal, now)
        try:
            is_right, better = await self._floor.hashing.run(
                self._hasher.check_pin, pin, attempt.stored_hash
            )
        except Overloaded:
            await self._give_back(attempt)
            raise
        if not is_right or not await self._clear(attempt, better, on_right):
            raise WrongPin(rules.PIN_TRIES - attempt.wrong_count)

    async def _count(self, principal: Principal, now: datetime) -> CountedAttempt:
        household_id, subject = household_of(principal), subject_of(principal)

        async def count(unit: UnitOfWork) -> CountedAttempt:
            record = await pins.find_pin(unit, household_id, with_lock=True)
            if record is None:
                raise PinNotSet
            attempts = await pins.get_attempts(unit, household_id, subject)
            trusted = await is_trusted(unit, principal, now)
            locked_until = rules.lock_of(attempts, record.wrong_at, is_trusted=trusted, now=now)
            if locked_until is not None:
                raise PinLocked(locked_until, now)
            counted = rules.count_attempt(attempts, now)
            await pins.store_attempts(unit, household_id, subject, counted, now)
            await pins.store_wrong(unit, household_id, rules.add_wrong(record.wrong_at, now))
            return CountedAttempt(household_id, subject, record.pin_hash, counted.wrong_count, now)

        return await self._floor.database.run(count)

    async def _give_back(self, attempt: CountedAttempt) -> None:
        async def give_back(unit: UnitOfWork) -> None:
            record = await pins.find_pin(unit, attempt.household_id, with_lock=True)
            if record is None:
                return
            attempts = await pins.get_attempts(unit, attempt.household_id, attempt.subject)
            await pins.store_attempts(
                unit,
                attempt.household_id,
                attempt.subject,
                rules.give_attempt_back(attempts),
                attempt.counted_at,
            )
            wrong_at = rules.remove_wrong(record.wrong_at, attempt.counted_at)
            await pins.store_wrong(unit, attempt.household_id, wrong_at)

        await self._floor.database.run(give_back)

    async def _clear(
        self, attempt: CountedAttempt, better: str | None, on_right: OnRight | None
    ) -> bool:
        """Clear the count after a right PIN; False when the PIN was changed meanwhile."""

        async def clear(unit: UnitOfWork) -> bool:
            record = await pins.find_pin(unit, attempt.household_id, with_lock=True)
            if record is None or record.pin_hash != attempt.stored_hash:
                return False
            await pins.clear_attempts(unit, attempt.household_id, attempt.subject)
            wrong_at = rules.remove_wrong(record.wrong_at, attempt.counted_at)
            await pins.store_wrong(unit, attempt.household_id, wrong_at)
            if better is not None:
                await pins.upgrade_pin_hash(unit, attempt.household_id, better)
            if on_right is not None:
                await on_right(unit)
            return True

        return await self._floor.database.run(clear)
