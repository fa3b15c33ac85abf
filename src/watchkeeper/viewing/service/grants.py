"""Grants: an append-only ledger of time that guardians give or take; used time never changes."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from watchkeeper.accounts.public import record_audit
from watchkeeper.core.auth import DevicePrincipal, Principal, UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.ids import new_id
from watchkeeper.core.problems import NotFound
from watchkeeper.viewing.announcements import announce_balance_changed
from watchkeeper.viewing.configuration import ConfigurationCache
from watchkeeper.viewing.grants_repository import (
    find_by_key,
    find_grant,
    insert_grant,
    is_cancelled,
    list_entries,
)
from watchkeeper.viewing.policy_types import Stretch
from watchkeeper.viewing.problems import AdultProfile, GrantOver, KeyReused
from watchkeeper.viewing.repository import Batch, ProfileKey, lock_viewers, store
from watchkeeper.viewing.rules.daybook import DayBook, OpenedDays, open_days
from watchkeeper.viewing.rules.decision import decide
from watchkeeper.viewing.rules.instants import to_ms
from watchkeeper.viewing.rules.ledger import cancel_grant, grant_minutes, grant_unlimited
from watchkeeper.viewing.rules.open_hours import (
    add_extension,
    extend_hours,
    take_extension_back,
)
from watchkeeper.viewing.service.days import load_viewer, with_days
from watchkeeper.viewing.types import DayState, Decision, Ledger, Viewer

PAGE_SIZE = 50


class Channel(StrEnum):
    """How a grant was given."""

    PIN = "pin"
    REMOTE = "remote"
    SUPPORT = "support"


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """Minutes 1 to 240 or -240 to -1, None for unlimited until the day ends.

    `extends_window` also keeps the allowed hours open for so much longer; not with minutes taken.
    """

    minutes: int | None
    channel: Channel
    reason: str | None = None
    idempotency_key: str | None = None
    extends_window: bool = False


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant and what the child may do now; `extension` are the hours that it opened."""

    grant_id: UUID
    minutes: int | None
    holds_until: datetime
    decision: Decision
    extension: Stretch | None = None


@dataclass(frozen=True, slots=True)
class GrantEntry:
    """One entry of the ledger, for people."""

    id: UUID
    minutes: int | None
    channel: str
    reason: str | None
    created_at: datetime
    cancels_id: UUID | None
    is_cancelled: bool


class Grants:
    """Gives, lists and cancels grants."""

    def __init__(self, floor: Floor, configurations: ConfigurationCache) -> None:
        self._floor = floor
        self._configurations = configurations

    async def give(self, actor: Principal, key: ProfileKey, request: GrantRequest) -> Granted:
        """Enter a grant into the ledger of the day that is current now.

        With an idempotency key that is known, the first grant is answered and nothing is entered.
        Raises `NotFound`, `AdultProfile`, `KeyReused`. Locks the profile's row. Emits an audit
        entry.
        """
        return await self._floor.database.run(
            lambda unit: self.give_in(unit, actor, key, request),
            is_replayable=request.idempotency_key is not None,
        )

    async def give_in(
        self, unit: UnitOfWork, actor: Principal, key: ProfileKey, request: GrantRequest
    ) -> Granted:
        """`give` as a part of another use case's unit of work."""
        now, viewer, opened = await self._open(unit, key)
        known = await find_by_key(unit, key, request.idempotency_key)
        if known is not None:
            return _granted_before(known, request, viewer, opened, now)
        extension = _extension(viewer, request, now)
        today = replace(
            opened.today,
            ledger=_ledger_after(opened.today, request.minutes),
            extensions=add_extension(opened.today.extensions, extension),
        )
        entry = _entry(actor, key, today, now) | {
            "minutes": request.minutes,
            "channel": request.channel,
            "reason": request.reason,
            "idempotency_key": request.idempotency_key,
            "extends_window": request.extends_window,
            "extended_from": extension and extension.starts_at,
            "extended_until": extension and extension.ends_at,
        }
        await insert_grant(unit, entry)
        viewer, opened = await _save_today(unit, key, viewer, opened, today, now)
        await _audit(unit, actor, key, "grant.given", entry, now)
        announce_balance_changed(unit, key)
        return _granted(entry["id"], request.minutes, viewer, opened, now, extension)

    async def cancel(self, actor: UserPrincipal, key: ProfileKey, grant_id: UUID) -> Granted:
        """Enter the compensating entry of a grant while its day is current.

        Raises `NotFound`, `AdultProfile`, and `GrantOver` when it was cancelled before, is itself
        a cancellation, or its day is over.
        """

        async def work(unit: UnitOfWork) -> Granted:
            now, viewer, opened = await self._open(unit, key)
            grant = await find_grant(unit, key, grant_id)
            if grant is None:
                raise NotFound("We couldn't find that grant.")
            is_current = grant.day_starts_at == opened.today.day.starts_at
            if not is_current or grant.cancels_id or await is_cancelled(unit, key, grant_id):
                raise GrantOver()
            today = _without(opened.today, grant, now)
            entry = _entry(actor, key, today, now) | {
                "minutes": None if grant.minutes is None else -grant.minutes,
                "channel": Channel.REMOTE,
                "cancels_id": grant_id,
                "extends_window": False,
            }
            await insert_grant(unit, entry)
            viewer, opened = await _save_today(unit, key, viewer, opened, today, now)
            await _audit(unit, actor, key, "grant.cancelled", entry, now)
            announce_balance_changed(unit, key)
            announce_balance_changed(unit, key)
            return _granted(entry["id"], entry["minutes"], viewer, opened, now)

        return await self._floor.database.run(work)

    async def list(
        self, key: ProfileKey, before: tuple[datetime, UUID] | None
    ) -> tuple[list[GrantEntry], tuple[datetime, UUID] | None]:
        """One page of the ledger, newest first, and where the next one begins.

        Raises `NotFound`, `AdultProfile`. Query cost: 1 statement for any number of grants.
        """
        if not (await self._configurations.get(key)).is_child:
            raise AdultProfile()

        async def work(unit: UnitOfWork) -> list[Any]:
            return await list_entries(unit, key, before, PAGE_SIZE + 1)

        rows = await self._floor.database.run(work, is_replayable=True)
        entries = [
            GrantEntry(
                id=row.id,
                minutes=row.minutes,
                channel=row.channel,
                reason=row.reason,
                created_at=row.created_at,
                cancels_id=row.cancels_id,
                is_cancelled=row.is_cancelled,
            )
            for row in rows[:PAGE_SIZE]
        ]
        has_more = len(rows) > PAGE_SIZE
        return entries, (entries[-1].created_at, entries[-1].id) if has_more else None

    async def _open(self, unit: UnitOfWork, key: ProfileKey) -> tuple[datetime, Viewer, OpenedDays]:
        """Lock the profile, then read the clock and open its day."""
        await lock_viewers(unit, key.household_id, [key.profile_id])
        now = self._floor.clock.now()
        configuration, viewer = await load_viewer(unit, self._configurations, key, now)
        if not configuration.is_child:
            raise AdultProfile()
        return now, viewer, open_days(viewer, now)


def _ledger_after(today: DayState, minutes: int | None) -> Ledger:
    if minutes is None:
        return grant_unlimited(today.ledger)
    return grant_minutes(today.ledger, minutes, today.counted_ms)


def _extension(viewer: Viewer, request: GrantRequest, now: datetime) -> Stretch | None:
    if not request.extends_window:
        return None
    book = DayBook(viewer, to_ms(now))
    return extend_hours(book.opened, book.now_ms, request.minutes, book.today_ends)


def _without(today: DayState, grant: Any, now: datetime) -> DayState:
    """The day without what a grant gave, as far as it is still ahead."""
    extensions = today.extensions
    if grant.extended_from is not None:
        given = Stretch(grant.extended_from, grant.extended_until)
        extensions = take_extension_back(extensions, given, to_ms(now))
    return replace(today, ledger=cancel_grant(today.ledger, grant.minutes), extensions=extensions)


def _entry(actor: Principal, key: ProfileKey, today: DayState, now: datetime) -> dict[str, Any]:
    """What all entries hold; `today` already with what the entry changes."""
    user_id = actor.user_id if isinstance(actor, UserPrincipal) else None
    device_id = actor.device_id if isinstance(actor, DevicePrincipal) else None
    return {
        "household_id": key.household_id,
        "id": new_id(),
        "profile_id": key.profile_id,
        "day_starts_at": today.day.starts_at,
        "floor_ms": today.ledger.floor_ms,
        "actor_user_id": user_id,
        "actor_device_id": device_id,
        "created_at": now,
    }


async def _save_today(
    unit: UnitOfWork,
    key: ProfileKey,
    viewer: Viewer,
    opened: OpenedDays,
    today: DayState,
    now: datetime,
) -> tuple[Viewer, OpenedDays]:
    days = {state.day.starts_at: state for state in opened.changed}
    days[today.day.starts_at] = today
    changed = tuple(days[starts_at] for starts_at in sorted(days))
    batch = Batch()
    batch.add_days(key, changed)
    await store(unit, batch, now)
    viewer = with_days(viewer, changed)
    return viewer, open_days(viewer, now)


def _granted(
    grant_id: UUID,
    minutes: int | None,
    viewer: Viewer,
    opened: OpenedDays,
    now: datetime,
    extension: Stretch | None = None,
) -> Granted:
    ends_at = opened.today.day.ends_at
    return Granted(grant_id, minutes, ends_at, decide(viewer, now), extension)


def _granted_before(
    known: Any, request: GrantRequest, viewer: Viewer, opened: OpenedDays, now: datetime
) -> Granted:
    """The answer to a repeated request; raises `KeyReused` when it asks for something else."""
    is_same = (known.minutes, known.extends_window) == (request.minutes, request.extends_window)
    if not is_same or known.cancels_id is not None:
        raise KeyReused()
    extension = None
    if known.extended_from is not None:
        extension = Stretch(known.extended_from, known.extended_until)
    return _granted(known.id, known.minutes, viewer, opened, now, extension)


async def _audit(
    unit: UnitOfWork,
    actor: Principal,
    key: ProfileKey,
    action: str,
    entry: dict[str, Any],
    now: datetime,
) -> None:
    await record_audit(
        unit,
        household_id=key.household_id,
        at=now,
        actor=actor,
        action=action,
        subject=f"profile:{key.profile_id}",
        after={
            "grant_id": str(entry["id"]),
            "minutes": entry["minutes"],
            "channel": entry["channel"],
            "reason": entry.get("reason"),
            "extends_window": entry["extends_window"],
        },
    )
