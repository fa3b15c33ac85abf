"""Locks: a guardian stops all play of a child now, and releases it again."""

from datetime import datetime, timedelta

from watchkeeper.accounts.public import record_audit
from watchkeeper.core.auth import UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.problems import InvalidRequest
from watchkeeper.viewing.repository import QUERIES, ProfileKey
from watchkeeper.viewing.rules.decision import decide
from watchkeeper.viewing.service.balances import Balance
from watchkeeper.viewing.service.rule_changes import OpenedRules, RuleChanges

LONGEST_LOCK = timedelta(days=30)


class Locks:
    """Locks and unlocks a child's play; either may be repeated."""

    def __init__(self, floor: Floor, changes: RuleChanges) -> None:
        self._floor = floor
        self._changes = changes

    async def lock(
        self, guardian: UserPrincipal, key: ProfileKey, until: datetime | None
    ) -> Balance:
        """Stop all play from now on, until a guardian unlocks it or `until`.

        Without `until` the lock ends with the viewing day, so that one that was forgotten doesn't
        hold tomorrow. A lock that holds already gets the new end. Raises `NotFound`,
        `AdultProfile`, `InvalidRequest` for an end that has passed or is more than 30 days away.
        Locks the profile's row. Emits an audit entry and a drop of cached configurations.
        """

        async def work(unit: UnitOfWork) -> Balance:
            opened = await self._changes.begin(unit, key)
            ends_at = until or opened.today.ends_at
            if not opened.now < ends_at <= opened.now + LONGEST_LOCK:
                raise InvalidRequest.field(
                    "until", f"must lie ahead, and at most {LONGEST_LOCK.days} days"
                )
            await unit.execute(QUERIES["lock_playing"], _parameters(opened) | {"until": ends_at})
            after = {"until": ends_at.isoformat()}
            return await self._finish(unit, guardian, opened, "play.locked", after)

        return await self._floor.database.run(work)

    async def unlock(self, guardian: UserPrincipal, key: ProfileKey) -> Balance:
        """Release the lock that holds now; without one, nothing changes.

        Raises `NotFound`, `AdultProfile`. Locks and emits as `lock` does.
        """

        async def work(unit: UnitOfWork) -> Balance:
            opened = await self._changes.begin(unit, key)
            released = await unit.execute(QUERIES["unlock_playing"], _parameters(opened))
            action = "play.unlocked" if released.first() else None
            return await self._finish(unit, guardian, opened, action, None)

        return await self._floor.database.run(work)

    async def _finish(
        self,
        unit: UnitOfWork,
        guardian: UserPrincipal,
        opened: OpenedRules,
        action: str | None,
        after: dict[str, str] | None,
    ) -> Balance:
        changed = await self._changes.finish(unit, opened)
        if action is not None:
            await record_audit(
                unit,
                household_id=opened.key.household_id,
                at=opened.now,
                actor=guardian,
                action=action,
                subject=f"profile:{opened.key.profile_id}",
                after=after,
            )
        return Balance(opened.key, changed.configuration, decide(changed.viewer, opened.now))


def _parameters(opened: OpenedRules) -> dict[str, object]:
    return {
        "household_id": opened.key.household_id,
        "profile_id": opened.key.profile_id,
        "now": opened.now,
    }
