"""A profile's viewing-time settings: reading them, and saving changes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import update

from watchkeeper.accounts.public import (
    list_profiles,
    record_audit,
    set_household_time,
)
from watchkeeper.core.auth import UserPrincipal
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
from watchkeeper.viewing.service.days import load_viewer, viewer_of, with_days
from watchkeeper.viewing.types import DaySettings, Policy, ViewingDay


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """What a guardian wants to change; only the given names are touched.

    `policy` holds fields of `Policy`, `household` those of `DaySettings`.
    """

    policy: dict[str, Any]
    household: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PolicyState:
    """The settings as saved, and the day that may still follow older ones."""

    key: ProfileKey
    configuration: Configuration
    today: ViewingDay

    @property
    def has_pending_time(self) -> bool:
        """Whether zone or reset hour are saved but wait for the present day to end."""
        saved = self.configuration.day_settings
        return (saved.timezone, saved.reset_hour) != (self.today.timezone, self.today.reset_hour)


class Policies:
    """Reads and saves settings. Zone and reset hour belong to the household."""

    def __init__(self, floor: Floor, configurations: ConfigurationCache) -> None:
        self._floor = floor
        self._configurations = configurations

    async def get(self, key: ProfileKey) -> PolicyState:
        """The settings of a child's profile. Raises `NotFound`, `AdultProfile`."""
        configuration = await self._configurations.get(key)
        _require_child(configuration)
        now = self._floor.clock.now()

        async def work(unit: UnitOfWork) -> ViewingDay:
            viewer = await load_viewer(unit, key, configuration, now)
            return open_days(viewer, now).today.day

        return PolicyState(
            key, configuration, await self._floor.database.run(work, is_replayable=True)
        )

    async def save(
        self, guardian: UserPrincipal, key: ProfileKey, change: PolicyChange
    ) -> PolicyState:
        """Save a change and answer the settings as they now are.

        The days up to now are made first, with the settings that held until now, for this child
        or, when the household's time changes, for every profile: no day is made twice or gets a
        second allowance (03, section 1). A new limit binds today at once. Locks the profiles'
        rows. Emits an audit entry and a drop of the household's cached configurations.
        """
        now = self._floor.clock.now()

        async def work(unit: UnitOfWork) -> PolicyState:
            keys = await self._keys_to_lock(unit, key, bool(change.household))
            await lock_viewers(unit, key.household_id, [one.profile_id for one in keys])
            before = await load_configurations(unit, keys)
            if key not in before:
                raise NotFound("We couldn't find that profile.")
            _require_child(before[key])
            after = _changed(before[key], change)
            today = await self._open_days(unit, keys, before, (key, after), now)
            await self._write(unit, key, change, before[key], now)
            await self._audit(unit, guardian, key, (before[key], after), now)
            self._configurations.announce_change(unit, key.household_id)
            announce_policy_changed(unit, key.household_id, *(one.profile_id for one in keys))
            return PolicyState(key, after, today)

        return await self._floor.database.run(work)

    async def _keys_to_lock(
        self, unit: UnitOfWork, key: ProfileKey, is_for_household: bool
    ) -> list[ProfileKey]:
        if not is_for_household:
            return [key]
        profiles = await list_profiles(unit, key.household_id)
        return [ProfileKey(key.household_id, profile.id) for profile in profiles]

    async def _open_days(
        self,
        unit: UnitOfWork,
        keys: Sequence[ProfileKey],
        before: dict[ProfileKey, Configuration],
        changed: tuple[ProfileKey, Configuration],
        now: datetime,
    ) -> ViewingDay:
        """Make the days up to now by the old settings; today's limit follows the new ones."""
        stored = await load_last_days(
            unit, changed[0].household_id, [key.profile_id for key in keys], now
        )
        batch = Batch()
        today: ViewingDay | None = None
        for key, configuration in before.items():
            viewer = viewer_of(key, configuration, stored.get(key.profile_id, ()))
            opened = open_days(viewer, now)
            days = {state.day.starts_at: state for state in opened.changed}
            if key == changed[0]:
                renewed = replace(with_days(viewer, opened.changed), policy=changed[1].policy)
                relimited = open_days(renewed, now)
                days |= {
                    state.day.starts_at: replace(state, is_new=False) for state in relimited.changed
                }
                today = opened.today.day
            batch.add_days(key, days.values())
        await store(unit, batch, now)
        assert today is not None
        return today

    @staticmethod
    async def _write(
        unit: UnitOfWork,
        key: ProfileKey,
        change: PolicyChange,
        before: Configuration,
        now: datetime,
    ) -> None:
        if change.policy:
            await unit.execute(
                update(viewers)
                .where(
                    viewers.c.household_id == key.household_id,
                    viewers.c.profile_id == key.profile_id,
                )
                .values(**change.policy, updated_at=now)
            )
        if change.household:
            settings = replace(before.day_settings, **change.household)
            await set_household_time(
                unit,
                key.household_id,
                timezone=settings.timezone,
                reset_hour=settings.reset_hour,
                weekend_days=settings.weekend_days,
            )

    @staticmethod
    async def _audit(
        unit: UnitOfWork,
        guardian: UserPrincipal,
        key: ProfileKey,
        states: tuple[Configuration, Configuration],
        now: datetime,
    ) -> None:
        before, after = (_as_values(state.policy, state.day_settings) for state in states)
        changed = {name for name in before if before[name] != after[name]}
        if changed:
            await record_audit(
                unit,
                household_id=key.household_id,
                at=now,
                actor=guardian,
                action="viewing_time.changed",
                subject=f"profile:{key.profile_id}",
                before={name: before[name] for name in changed},
                after={name: after[name] for name in changed},
            )


def _require_child(configuration: Configuration) -> None:
    if not configuration.is_child:
        raise AdultProfile()


def _changed(before: Configuration, change: PolicyChange) -> Configuration:
    return replace(
        before,
        policy=replace(before.policy, **change.policy),
        day_settings=replace(before.day_settings, **change.household),
    )


def _as_values(policy: Policy, settings: DaySettings) -> dict[str, Any]:
    return {
        "weekday_limit_minutes": policy.weekday_limit_minutes,
        "weekend_limit_minutes": policy.weekend_limit_minutes,
        "educational_exempt": policy.educational_exempt,
        "warning_first_minutes": policy.warning_first_minutes,
        "warning_second_minutes": policy.warning_second_minutes,
        "grace_seconds": policy.grace_seconds,
        "timezone": settings.timezone,
        "reset_hour": settings.reset_hour,
        "weekend_days": sorted(settings.weekend_days),
    }
