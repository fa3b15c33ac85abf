"""A profile's viewing-time settings: reading them, and saving changes."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import update

from watchkeeper.accounts.public import record_audit, set_household_time
from watchkeeper.core.auth import UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.viewing.configuration import ConfigurationCache
from watchkeeper.viewing.models import viewers
from watchkeeper.viewing.policy_records import policy_columns
from watchkeeper.viewing.policy_types import DateOverride, Policy, Stretch
from watchkeeper.viewing.problems import AdultProfile
from watchkeeper.viewing.repository import Configuration, ProfileKey
from watchkeeper.viewing.rules.daybook import open_days
from watchkeeper.viewing.service.days import load_viewer
from watchkeeper.viewing.service.rule_changes import RuleChanges
from watchkeeper.viewing.types import ViewingDay


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """What a guardian wants to change; only the given names are touched.

    `policy` holds fields of `Policy`, `household` those of `DaySettings`.
    """

    policy: dict[str, Any]
    household: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PolicyState:
    """The settings as saved, and the day that may still follow older ones.

    `lock` is the one that holds now. `overrides` are those of today's date and later.
    """

    key: ProfileKey
    configuration: Configuration
    today: ViewingDay
    lock: Stretch | None
    overrides: dict[date, DateOverride]

    @property
    def has_pending_time(self) -> bool:
        """Whether zone or reset hour are saved but wait for the present day to end."""
        saved = self.configuration.day_settings
        return (saved.timezone, saved.reset_hour) != (self.today.timezone, self.today.reset_hour)


class Policies:
    """Reads and saves settings. Zone, reset hour and weekend days belong to the household."""

    def __init__(
        self, floor: Floor, configurations: ConfigurationCache, changes: RuleChanges
    ) -> None:
        self._floor = floor
        self._configurations = configurations
        self._changes = changes

    async def get(self, key: ProfileKey) -> PolicyState:
        """The settings of a child's profile. Raises `NotFound`, `AdultProfile`."""
        now = self._floor.clock.now()

        async def work(unit: UnitOfWork) -> PolicyState:
            configuration, viewer = await load_viewer(unit, self._configurations, key, now)
            if not configuration.is_child:
                raise AdultProfile()
            return self._state(key, configuration, open_days(viewer, now).today.day)

        return await self._floor.database.run(work, is_replayable=True)

    async def save(
        self, guardian: UserPrincipal, key: ProfileKey, change: PolicyChange
    ) -> PolicyState:
        """Save a change and answer the settings as they now are.

        A new limit binds today at once; zone and reset hour wait for the day to end. Locks the
        profile's row, or those of the whole household when its time changes. Raises `NotFound`,
        `AdultProfile`. Emits an audit entry and a drop of the household's cached configurations.
        """

        async def work(unit: UnitOfWork) -> PolicyState:
            opened = await self._changes.begin(unit, key, is_for_household=bool(change.household))
            await self._write(unit, key, change, opened.before)
            changed = await self._changes.finish(unit, opened)
            before, after = (_as_values(one) for one in (opened.before, changed.configuration))
            names = sorted(name for name in before if before[name] != after[name])
            if names:
                await record_audit(
                    unit,
                    household_id=key.household_id,
                    at=opened.now,
                    actor=guardian,
                    action="viewing_time.changed",
                    subject=f"profile:{key.profile_id}",
                    before={name: before[name] for name in names},
                    after={name: after[name] for name in names},
                )
            return self._state(key, changed.configuration, opened.today)

        return await self._floor.database.run(work)

    def _state(
        self, key: ProfileKey, configuration: Configuration, today: ViewingDay
    ) -> PolicyState:
        now, policy = self._floor.clock.now(), configuration.policy
        locks = [lock for lock in policy.locks if lock.starts_at <= now < lock.ends_at]
        coming = {on: one for on, one in sorted(policy.overrides.items()) if on >= today.label}
        return PolicyState(key, configuration, today, locks[0] if locks else None, coming)

    @staticmethod
    async def _write(
        unit: UnitOfWork, key: ProfileKey, change: PolicyChange, before: Configuration
    ) -> None:
        if change.policy:
            await unit.execute(
                update(viewers)
                .where(
                    viewers.c.household_id == key.household_id,
                    viewers.c.profile_id == key.profile_id,
                )
                .values(**policy_columns(change.policy))
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


def _as_values(configuration: Configuration) -> dict[str, Any]:
    """What the audit trail compares and keeps, as JSON values."""
    policy, settings = configuration.policy, configuration.day_settings
    return {
        "weekday_limit_minutes": policy.weekday_limit_minutes,
        "weekend_limit_minutes": policy.weekend_limit_minutes,
        "educational_exempt": policy.educational_exempt,
        "warning_first_minutes": policy.warning_first_minutes,
        "warning_second_minutes": policy.warning_second_minutes,
        "grace_seconds": policy.grace_seconds,
        **_hours_as_values(policy),
        "timezone": settings.timezone,
        "reset_hour": settings.reset_hour,
        "weekend_days": sorted(settings.weekend_days),
    }


def _hours_as_values(policy: Policy) -> dict[str, Any]:
    return policy_columns({"day_limits": policy.day_limits, "windows": policy.windows})
