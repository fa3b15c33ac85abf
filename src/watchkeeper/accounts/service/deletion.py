"""Deleting a person or a whole household: at once, in one transaction, with a receipt.

What other domains keep they delete themselves, when they hear of it. What is left afterwards is
the receipt, which says nothing about whom it was for. See ADR 19.
"""

from datetime import datetime
from uuid import UUID

from watchkeeper.accounts.events import Erasure, HouseholdDeleted, ProfileDeleted
from watchkeeper.accounts.personal_data import TABLES
from watchkeeper.accounts.repository import (
    devices,
    households,
    notifications,
    profiles,
    rate_limits,
    sign_ins,
    users,
)
from watchkeeper.accounts.repository.audit_trail import erase_audit
from watchkeeper.accounts.service.announcements import announce_ended, revoke_and_announce
from watchkeeper.accounts.service.auditing import record_audit
from watchkeeper.accounts.service.confirmation import Confirmation
from watchkeeper.accounts.service.limits import CallLimits
from watchkeeper.accounts.service.pin_checks import household_of
from watchkeeper.accounts.types import Deleted, Device, EndReason, Profile, Receipt
from watchkeeper.core.auth import UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.ids import new_id
from watchkeeper.core.personal_data import erase
from watchkeeper.core.problems import NotFound

_AUDIT, _RATE_LIMITS = "accounts.audit", "accounts.rate_limits"


class Deletions:
    """Deletes profiles of the caller's household, or the household itself."""

    def __init__(self, floor: Floor, limits: CallLimits, confirmation: Confirmation) -> None:
        self._floor = floor
        self._limits = limits
        self._confirmation = confirmation

    async def delete_profile(
        self, principal: UserPrincipal, profile_id: UUID, now: datetime
    ) -> Receipt:
        """Delete a profile with all that is kept about it; raises `NotFound` (404).

        Announces `ProfileDeleted`, and `DeviceRevoked` for its paired devices. A line with the
        receipt's id stays in the trail. Locks profile, viewer, household (shared), devices.
        """
        household_id = household_of(principal)

        async def delete(unit: UnitOfWork) -> Receipt:
            profile = await profiles.find_profile(unit, household_id, profile_id, with_lock=True)
            if profile is None:
                raise NotFound
            # Viewing time goes first: whoever settles a heartbeat locks in that order too.
            fact = ProfileDeleted(profile, now)
            await unit.announce(fact)
            receipt_id = new_id()
            await record_audit(
                unit,
                household_id,
                at=now,
                actor=principal,
                action="profile.deleted",
                subject=f"receipt:{receipt_id}",
            )
            await _erase_profile(unit, fact)
            return await _give_receipt(unit, receipt_id, Deleted.PROFILE, fact.erasure, now)

        return await self._floor.database.run(delete)

    async def delete_household(
        self, principal: UserPrincipal, password: str, now: datetime
    ) -> Receipt:
        """Delete the caller's household, when the password is right.

        Raises `WrongPassword` (403), `TooManyRequests` (429), or `Overloaded` (503).
        """
        household_id = household_of(principal)
        await self._confirmation.confirm(principal.user_id, password, now)
        return await self.erase_household(household_id, now)

    async def erase_household(self, household_id: UUID, now: datetime) -> Receipt:
        """Delete a household with all that is kept about it; raises `NotFound` (404).

        Announces `SignInEnded`, `DeviceRevoked` and `HouseholdDeleted`. Whoever only refers to the
        household meanwhile is waited for, and what they stored is deleted too.
        """

        async def delete(unit: UnitOfWork) -> Receipt:
            # Profiles, viewers, household, devices: the order in which everybody locks.
            await profiles.lock_profiles(unit, household_id)
            fact = HouseholdDeleted(household_id, now)
            await unit.announce(fact)
            if not await households.hold_household(unit, household_id):
                raise NotFound
            ended = await sign_ins.end_sign_ins_of_household(
                unit, household_id, EndReason.HOUSEHOLD_DELETED, now
            )
            await announce_ended(unit, ended, EndReason.HOUSEHOLD_DELETED, now)
            await self._erase_accounts(unit, fact)
            await unit.announce(fact)
            fact.erasure.add({_AUDIT: await erase_audit(unit, household_id, None)})
            return await _give_receipt(unit, new_id(), Deleted.HOUSEHOLD, fact.erasure, now)

        return await self._floor.database.run(delete)

    async def _erase_accounts(self, unit: UnitOfWork, fact: HouseholdDeleted) -> None:
        household_id = fact.household_id
        paired = await devices.lock_devices_of_household(unit, household_id)
        await revoke_and_announce(unit, paired, fact.at)
        limits = self._limits
        callers = [
            (limits.password_of_account, guardian.email.lower())
            for guardian in await users.list_guardians(unit, household_id)
        ]
        callers += [
            (limit, str(household_id))
            for limit in (limits.codes_of_household, limits.invitations_of_household)
        ]
        fact.erasure.add(await erase(unit, TABLES, household_id))
        fact.erasure.add({_RATE_LIMITS: await rate_limits.forget_callers(unit, callers)})


async def _erase_profile(unit: UnitOfWork, fact: ProfileDeleted) -> None:
    """Erase a profile from accounts, with the devices that were nobody else's."""
    household_id, profile_id = fact.profile.household_id, fact.profile.id
    await notifications.take_profile_out(unit, household_id, profile_id)
    gone = await devices.lock_devices_to_delete(
        unit, household_id, profile_id, fact.erasure.device_ids
    )
    names = [device.device_id for device in gone]
    await devices.claim_devices(unit, household_id, profile_id, names)
    await revoke_and_announce(unit, gone, fact.at)
    fact.erasure.add(await erase(unit, TABLES, household_id, profile_id))
    erased = await erase_audit(unit, household_id, profile_id, _mentions(fact.profile, gone))
    fact.erasure.add({_AUDIT: erased})


def _mentions(profile: Profile, gone: list[Device]) -> list[str]:
    """How the trail names the profile and its devices, as actors and as subjects."""
    return [
        f"profile:{profile.id}",
        *(f"device:{device.id}" for device in gone),
        *(f"device:{device.device_id}" for device in gone),
    ]


async def _give_receipt(
    unit: UnitOfWork, receipt_id: UUID, kind: Deleted, erasure: Erasure, now: datetime
) -> Receipt:
    rows = {table: count for table, count in sorted(erasure.rows.items()) if count}
    receipt = Receipt(receipt_id, kind, now, rows)
    await households.insert_receipt(unit, receipt)
    return receipt
