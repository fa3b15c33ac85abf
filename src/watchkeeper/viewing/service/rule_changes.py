"""Changing what guardians decided about a profile: one way for limits, windows, overrides, locks.

The days up to now are made first, by what held until now: nobody gets a second allowance, and days
that passed while nobody watched keep the limits that they had (03, section 1).
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update

from watchkeeper.accounts.public import list_profiles
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.problems import NotFound
from watchkeeper.viewing.announcements import announce_policy_changed
from watchkeeper.viewing.configuration import ConfigurationCache
from watchkeeper.viewing.models import viewers
from watchkeeper.viewing.problems import AdultProfile
from watchkeeper.viewing.repository import (
    Batch,
    Configuration,
    ProfileKey,
    load_configurations,
    load_last_days,
    lock_viewers,
    store,
)
from watchkeeper.viewing.rules.daybook import open_days
from watchkeeper.viewing.service.days import viewer_of, with_days
from watchkeeper.viewing.types import DayState, Viewer, ViewingDay


@dataclass(frozen=True, slots=True)
class OpenedRules:
    """A child whose rules are about to change, locked, with the days up to now made.

    `keys` are all profiles that the change concerns: one, or the whole household.
    """

    key: ProfileKey
    keys: tuple[ProfileKey, ...]
    now: datetime
    before: Configuration
    days: tuple[DayState, ...]
    today: ViewingDay


@dataclass(frozen=True, slots=True)
class ChangedRules:
    """What holds from now on, and the viewer to decide with."""

    configuration: Configuration
    viewer: Viewer


class RuleChanges:
    """Begins and finishes a change inside the unit of work of a use case."""

    def __init__(self, floor: Floor, configurations: ConfigurationCache) -> None:
        self._floor = floor
        self._configurations = configurations

    async def begin(
        self, unit: UnitOfWork, key: ProfileKey, *, is_for_household: bool = False
    ) -> OpenedRules:
        """Lock the profile (or all of the household), read the clock, and make the days up to now.

        Raises `NotFound`, `AdultProfile`. Locks the profiles' rows in key order.
        """
        keys = await self._keys_to_lock(unit, key, is_for_household)
        await lock_viewers(unit, key.household_id, [one.profile_id for one in keys])
        now = self._floor.clock.now()
        before = await load_configurations(unit, keys, now)
        if key not in before:
            raise NotFound("We couldn't find that profile.")
        if not before[key].is_child:
            raise AdultProfile()
        stored = await load_last_days(unit, list(before), now)
        batch = Batch()
        for one, configuration in before.items():
            viewer = viewer_of(one, configuration, stored[one].days)
            opened = open_days(viewer, now)
            batch.add_days(one, opened.changed)
            if one == key:
                days = with_days(viewer, opened.changed).days
                today = opened.today.day
        await store(unit, batch, now)
        return OpenedRules(key, tuple(before), now, before[key], days, today)

    async def finish(self, unit: UnitOfWork, opened: OpenedRules) -> ChangedRules:
        """Make what was written since `begin` known: today's limit follows it, caches forget.

        Emits a drop of the household's cached configurations, and tells whoever listens; the
        profiles' versions rise.
        """
        key, now = opened.key, opened.now
        await unit.execute(
            update(viewers)
            .where(
                viewers.c.household_id == key.household_id,
                viewers.c.profile_id.in_([one.profile_id for one in opened.keys]),
            )
            .values(version=viewers.c.version + 1, updated_at=now)
        )
        self._configurations.announce_change(unit, key.household_id)
        announce_policy_changed(unit, key.household_id, *(one.profile_id for one in opened.keys))
        after = (await load_configurations(unit, [key], now))[key]
        viewer = viewer_of(key, after, opened.days)
        batch = Batch()
        relimited = open_days(viewer, now).changed
        batch.add_days(key, relimited)
        await store(unit, batch, now)
        return ChangedRules(after, with_days(viewer, relimited))

    async def _keys_to_lock(
        self, unit: UnitOfWork, key: ProfileKey, is_for_household: bool
    ) -> list[ProfileKey]:
        if not is_for_household:
            return [key]
        profiles = await list_profiles(unit, key.household_id)
        return [ProfileKey(key.household_id, profile.id) for profile in profiles]
