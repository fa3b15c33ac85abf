"""The people of a household."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from watchkeeper.accounts import rules
from watchkeeper.accounts.events import ProfileChanged, ProfileCreated
from watchkeeper.accounts.problems import TooManyProfiles
from watchkeeper.accounts.repository import devices, households, profiles
from watchkeeper.accounts.service.announcements import revoke_and_announce
from watchkeeper.accounts.service.auditing import record_audit
from watchkeeper.accounts.service.pin_checks import household_of
from watchkeeper.accounts.types import Profile
from watchkeeper.core.auth import UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.ids import new_id
from watchkeeper.core.problems import NotFound


class Profiles:
    """Listing, adding and changing profiles of the caller's household."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def list_profiles(self, principal: UserPrincipal) -> list[Profile]:
        """The household's profiles in the order in which they were added. One statement."""
        household_id = household_of(principal)

        async def read(unit: UnitOfWork) -> list[Profile]:
            return await profiles.list_profiles(unit, household_id)

        return await self._floor.database.run(read)

    async def create(
        self,
        principal: UserPrincipal,
        now: datetime,
        *,
        name: str,
        is_child: bool,
        avatar: str | None,
    ) -> Profile:
        """Add a profile; raises `TooManyProfiles` (409). Announces `ProfileCreated`."""
        household_id = household_of(principal)
        profile = Profile(household_id, new_id(), name, is_child, avatar, now)

        async def store(unit: UnitOfWork) -> None:
            await create_profile(unit, profile, actor=principal)

        await self._floor.database.run(store)
        return profile

    async def change(
        self, principal: UserPrincipal, profile_id: UUID, changes: dict[str, Any], now: datetime
    ) -> Profile:
        """Change name, avatar or kind; fields left out stay. Raises `NotFound` (404).

        A child who becomes an adult loses its paired devices, whose tokens are a child's.
        Announces `ProfileChanged`, and `DeviceRevoked` for each such device.
        """
        household_id = household_of(principal)

        async def store(unit: UnitOfWork) -> Profile:
            before = await _lock_profile(unit, household_id, profile_id)
            after = replace(before, **changes)
            if after == before:
                return before
            await profiles.store_profile(unit, after)
            if before.is_child and not after.is_child:
                await _withdraw_devices(unit, before, now)
            await record_audit(
                unit,
                household_id,
                at=now,
                actor=principal,
                action="profile.changed",
                subject=f"profile:{profile_id}",
                # Names of people stay out of the trail, which outlives their profiles.
                before={"is_child": before.is_child},
                after={"is_child": after.is_child, "changed": sorted(changes)},
            )
            await unit.announce(ProfileChanged(before, after, now))
            return after

        return await self._floor.database.run(store)


async def create_profile(unit: UnitOfWork, profile: Profile, *, actor: UserPrincipal | str) -> None:
    """Store a new profile; raises `TooManyProfiles` (409). Announces `ProfileCreated`.

    Locks the household, so that two requests at once can't pass the bound together.
    """
    if await households.find_household(unit, profile.household_id, with_lock=True) is None:
        raise NotFound
    if await profiles.count_profiles(unit, profile.household_id) >= rules.PROFILES_PER_HOUSEHOLD:
        raise TooManyProfiles(
            f"A household can have at most {rules.PROFILES_PER_HOUSEHOLD} profiles."
        )
    await profiles.insert_profile(unit, profile)
    await record_audit(
        unit,
        profile.household_id,
        at=profile.created_at,
        actor=actor,
        action="profile.created",
        subject=f"profile:{profile.id}",
        after={"is_child": profile.is_child},
    )
    await unit.announce(ProfileCreated(profile, profile.created_at))


async def _lock_profile(unit: UnitOfWork, household_id: UUID, profile_id: UUID) -> Profile:
    profile = await profiles.find_profile(unit, household_id, profile_id, with_lock=True)
    if profile is None:
        raise NotFound
    return profile


async def _withdraw_devices(unit: UnitOfWork, profile: Profile, now: datetime) -> None:
    paired = await devices.lock_devices_of_profile(unit, profile.household_id, profile.id)
    await revoke_and_announce(unit, paired, now)
    await devices.delete_codes_of_profile(unit, profile.household_id, profile.id)
