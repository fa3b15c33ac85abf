"""Overrides of dates: holidays and sick days with a limit or hours of their own."""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from watchkeeper.accounts.public import record_audit
from watchkeeper.core.auth import UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.problems import InvalidRequest, NotFound
from watchkeeper.viewing.models import overrides
from watchkeeper.viewing.policy_records import windows_to_json
from watchkeeper.viewing.policy_types import DateOverride
from watchkeeper.viewing.problems import TooManyOverrides
from watchkeeper.viewing.repository import QUERIES, ProfileKey
from watchkeeper.viewing.rules.decision import decide
from watchkeeper.viewing.service.balances import Balance
from watchkeeper.viewing.service.rule_changes import OpenedRules, RuleChanges

AHEAD_AT_MOST = timedelta(days=400)
# They are remembered with the profile, so that their number is bounded.
COMING_AT_MOST = 100


class Overrides:
    """Saves and removes a guardian's decisions for single dates."""

    def __init__(self, floor: Floor, changes: RuleChanges) -> None:
        self._floor = floor
        self._changes = changes

    async def save(
        self, guardian: UserPrincipal, key: ProfileKey, on: date, override: DateOverride
    ) -> Balance:
        """Store what holds on a date instead of the usual rules; replaces an earlier override.

        Raises `NotFound`, `AdultProfile`, `InvalidRequest` for a date before today's viewing day
        or more than 400 days ahead, `TooManyOverrides`. Locks the profile's row. Emits an audit
        entry and a drop of cached configurations.
        """

        async def work(unit: UnitOfWork) -> Balance:
            opened = await self._changes.begin(unit, key)
            _check_date(on, opened.today.label)
            if on not in opened.before.policy.overrides:
                await _check_room(unit, key, opened.today.label)
            await _store(unit, key, on, override, opened)
            return await self._finish(unit, guardian, opened, on, override)

        return await self._floor.database.run(work)

    async def remove(self, guardian: UserPrincipal, key: ProfileKey, on: date) -> Balance:
        """Let the usual rules hold on a date again.

        Raises `NotFound` also when there is no override of this date, and `AdultProfile`. Locks
        and emits as `save` does.
        """

        async def work(unit: UnitOfWork) -> Balance:
            opened = await self._changes.begin(unit, key)
            if on not in opened.before.policy.overrides:
                raise NotFound("There is nothing set for that date.")
            await unit.execute(
                delete(overrides).where(
                    overrides.c.household_id == key.household_id,
                    overrides.c.profile_id == key.profile_id,
                    overrides.c.on_date == on,
                )
            )
            return await self._finish(unit, guardian, opened, on, None)

        return await self._floor.database.run(work)

    async def _finish(
        self,
        unit: UnitOfWork,
        guardian: UserPrincipal,
        opened: OpenedRules,
        on: date,
        after: DateOverride | None,
    ) -> Balance:
        changed = await self._changes.finish(unit, opened)
        await record_audit(
            unit,
            household_id=opened.key.household_id,
            at=opened.now,
            actor=guardian,
            action="override.saved" if after else "override.removed",
            subject=f"profile:{opened.key.profile_id}",
            before=_as_values(on, opened.before.policy.overrides.get(on)),
            after=_as_values(on, after),
        )
        decision = decide(changed.viewer, opened.now)
        return Balance(opened.key, changed.configuration, decision)


def _check_date(on: date, today: date) -> None:
    if on < today:
        raise InvalidRequest.field("date", f"lies before today, {today}")
    if on - today > AHEAD_AT_MOST:
        raise InvalidRequest.field("date", f"lies more than {AHEAD_AT_MOST.days} days ahead")


async def _check_room(unit: UnitOfWork, key: ProfileKey, today: date) -> None:
    count = await unit.execute(
        QUERIES["count_overrides"],
        {"household_id": key.household_id, "profile_id": key.profile_id, "today": today},
    )
    if count.scalar_one() >= COMING_AT_MOST:
        raise TooManyOverrides(f"A child can have at most {COMING_AT_MOST} dates set ahead.")


async def _store(
    unit: UnitOfWork, key: ProfileKey, on: date, override: DateOverride, opened: OpenedRules
) -> None:
    windows = override.windows
    row = {
        "has_limit": override.has_limit,
        "limit_minutes": override.limit_minutes,
        "windows": None if windows is None else windows_to_json(windows),
        "updated_at": opened.now,
    }
    await unit.execute(
        insert(overrides)
        .values(household_id=key.household_id, profile_id=key.profile_id, on_date=on, **row)
        .on_conflict_do_update(constraint="overrides_pkey", set_=row)
    )


def _as_values(on: date, override: DateOverride | None) -> dict[str, Any] | None:
    if override is None:
        return None
    values: dict[str, Any] = {"date": on.isoformat()}
    if override.has_limit:
        values["limit_minutes"] = override.limit_minutes
    if override.windows is not None:
        values["windows"] = windows_to_json(override.windows)
    return values
