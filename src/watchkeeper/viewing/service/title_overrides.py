"""What a household says of a title: that it always counts, or never does."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from watchkeeper.accounts.public import record_audit
from watchkeeper.core.auth import UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.problems import NotFound
from watchkeeper.viewing.announcements import announce_policy_changed
from watchkeeper.viewing.models import title_overrides
from watchkeeper.viewing.repository import QUERIES
from watchkeeper.viewing.types import Counts


@dataclass(frozen=True, slots=True)
class TitleOverride:
    """A title with the household's word on it; `is_educational` is what follows from it."""

    title_id: UUID
    name: str
    counts: Counts
    is_educational: bool


class TitleOverrides:
    """Saves a guardian's word on a title; it holds for every child of the household."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def save(
        self, guardian: UserPrincipal, household_id: UUID, title_id: UUID, counts: Counts
    ) -> TitleOverride:
        """Store the override, or with `Counts.DEFAULT` remove it.

        Holds from the next heartbeat on, which asks for it: nothing of it is cached. Raises
        `NotFound` for a title that the household can't see. Emits an audit entry.
        """
        now = self._floor.clock.now()

        async def work(unit: UnitOfWork) -> TitleOverride:
            title = await _find(unit, household_id, title_id)
            await _write(unit, household_id, title_id, counts, now)
            if title.counts != counts:
                await record_audit(
                    unit,
                    household_id=household_id,
                    at=now,
                    actor=guardian,
                    action="title.overridden",
                    subject=f"title:{title_id}",
                    before={"counts": title.counts},
                    after={"counts": counts},
                )
                # Whichever child plays it is charged differently from now on.
                announce_policy_changed(unit, household_id)
            is_educational = {Counts.ALWAYS: False, Counts.NEVER: True}.get(
                counts, title.is_educational
            )
            return TitleOverride(title_id, title.name, counts, is_educational)

        return await self._floor.database.run(work)


async def _find(unit: UnitOfWork, household_id: UUID, title_id: UUID) -> Any:
    parameters = {"household_id": household_id, "title_id": title_id}
    row = (await unit.execute(QUERIES["find_title_override"], parameters)).one_or_none()
    if row is None:
        raise NotFound("We couldn't find that title.")
    return row


async def _write(
    unit: UnitOfWork, household_id: UUID, title_id: UUID, counts: Counts, now: datetime
) -> None:
    if counts is Counts.DEFAULT:
        await unit.execute(
            delete(title_overrides).where(
                title_overrides.c.household_id == household_id,
                title_overrides.c.title_id == title_id,
            )
        )
        return
    row = {"counts": counts.value, "updated_at": now}
    await unit.execute(
        insert(title_overrides)
        .values(household_id=household_id, title_id=title_id, **row)
        .on_conflict_do_update(constraint="title_overrides_pkey", set_=row)
    )
