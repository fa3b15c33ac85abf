"""Grants: an append-only ledger of time that guardians give or take; used time never changes."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, tuple_

from watchkeeper.accounts.public import record_audit
from watchkeeper.core.auth import DevicePrincipal, Principal, UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.ids import new_id
from watchkeeper.core.problems import NotFound
from watchkeeper.viewing.announcements import announce_balance_changed
from watchkeeper.viewing.configuration import ConfigurationCache
from watchkeeper.viewing.models import grants
from watchkeeper.viewing.problems import AdultProfile, GrantOver, KeyReused
from watchkeeper.viewing.repository import Batch, ProfileKey, lock_viewers, store
from watchkeeper.viewing.rules.daybook import OpenedDays, open_days
from watchkeeper.viewing.rules.decision import decide
from watchkeeper.viewing.rules.ledger import cancel_grant, grant_minutes, grant_unlimited
from watchkeeper.viewing.service.days import load_viewer, with_days
from watchkeeper.viewing.types import Decision, Ledger, Viewer

PAGE_SIZE = 50


class Channel(StrEnum):
    """How a grant was given."""

    PIN = "pin"
    REMOTE = "remote"
    SUPPORT = "support"


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """Minutes 1 to 240 or -240 to -1, None for unlimited until the day ends."""

    minutes: int | None
    channel: Channel
    reason: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant and what the child may do now."""

    grant_id: UUID
    minutes: int | None
    holds_until: datetime
    decision: Decision


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

        async def work(unit: UnitOfWork) -> Granted:
            now, viewer, opened = await self._open(unit, key)
            known = await _find_by_key(unit, key, request.idempotency_key)
            if known is not None:
                if known.minutes != request.minutes or known.cancels_id is not None:
                    raise KeyReused()
                return _granted(known.id, known.minutes, viewer, opened, now)
            ledger = _after_grant(opened, request.minutes)
            entry = _entry(actor, key, opened, now) | {
                "minutes": request.minutes,
                "channel": request.channel,
                "reason": request.reason,
                "idempotency_key": request.idempotency_key,
                "floor_ms": ledger.floor_ms,
            }
            await unit.execute(insert(grants).values(entry))
            viewer, opened = await _save_ledger(unit, key, viewer, opened, ledger, now)
            await _audit(unit, actor, key, "grant.given", entry, now)
            announce_balance_changed(unit, key)
            return _granted(entry["id"], request.minutes, viewer, opened, now)

        return await self._floor.database.run(
            work, is_replayable=request.idempotency_key is not None
        )

    async def cancel(self, actor: UserPrincipal, key: ProfileKey, grant_id: UUID) -> Granted:
        """Enter the compensating entry of a grant while its day is current.

        Raises `NotFound`, `AdultProfile`, and `GrantOver` when it was cancelled before, is itself
        a cancellation, or its day is over.
        """

        async def work(unit: UnitOfWork) -> Granted:
            now, viewer, opened = await self._open(unit, key)
            grant = await _find(unit, key, grant_id)
            if grant is None:
                raise NotFound("We couldn't find that grant.")
            is_current = grant.day_starts_at == opened.today.day.starts_at
            if not is_current or grant.cancels_id or await _is_cancelled(unit, key, grant_id):
                raise GrantOver()
            ledger = cancel_grant(opened.today.ledger, grant.minutes)
            entry = _entry(actor, key, opened, now) | {
                "minutes": None if grant.minutes is None else -grant.minutes,
                "channel": Channel.REMOTE,
                "cancels_id": grant_id,
                "floor_ms": ledger.floor_ms,
            }
            await unit.execute(insert(grants).values(entry))
            viewer, opened = await _save_ledger(unit, key, viewer, opened, ledger, now)
            await _audit(unit, actor, key, "grant.cancelled", entry, now)
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
        statement = _page(key, before)

        async def work(unit: UnitOfWork) -> Any:
            return (await unit.execute(statement)).all()

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
        configuration = await self._configurations.get(key)
        if not configuration.is_child:
            raise AdultProfile()
        await lock_viewers(unit, key.household_id, [key.profile_id])
        now = self._floor.clock.now()
        viewer = await load_viewer(unit, key, configuration, now)
        return now, viewer, open_days(viewer, now)


def _after_grant(opened: OpenedDays, minutes: int | None) -> Ledger:
    today = opened.today
    if minutes is None:
        return grant_unlimited(today.ledger)
    return grant_minutes(today.ledger, minutes, today.counted_ms)


def _entry(actor: Principal, key: ProfileKey, opened: OpenedDays, now: datetime) -> dict[str, Any]:
    user_id = actor.user_id if isinstance(actor, UserPrincipal) else None
    device_id = actor.device_id if isinstance(actor, DevicePrincipal) else None
    return {
        "household_id": key.household_id,
        "id": new_id(),
        "profile_id": key.profile_id,
        "day_starts_at": opened.today.day.starts_at,
        "actor_user_id": user_id,
        "actor_device_id": device_id,
        "created_at": now,
    }


async def _save_ledger(
    unit: UnitOfWork,
    key: ProfileKey,
    viewer: Viewer,
    opened: OpenedDays,
    ledger: Ledger,
    now: datetime,
) -> tuple[Viewer, OpenedDays]:
    today = replace(opened.today, ledger=ledger)
    days = {state.day.starts_at: state for state in opened.changed}
    days[today.day.starts_at] = today
    changed = tuple(days[starts_at] for starts_at in sorted(days))
    batch = Batch()
    batch.add_days(key, changed)
    await store(unit, batch, now)
    viewer = with_days(viewer, changed)
    return viewer, open_days(viewer, now)


def _granted(
    grant_id: UUID, minutes: int | None, viewer: Viewer, opened: OpenedDays, now: datetime
) -> Granted:
    return Granted(grant_id, minutes, opened.today.day.ends_at, decide(viewer, now))


async def _find_by_key(unit: UnitOfWork, key: ProfileKey, idempotency_key: str | None) -> Any:
    if idempotency_key is None:
        return None
    statement = select(grants).where(
        grants.c.household_id == key.household_id,
        grants.c.profile_id == key.profile_id,
        grants.c.idempotency_key == idempotency_key,
    )
    return (await unit.execute(statement)).one_or_none()


async def _find(unit: UnitOfWork, key: ProfileKey, grant_id: UUID) -> Any:
    statement = select(grants).where(
        grants.c.household_id == key.household_id,
        grants.c.id == grant_id,
        grants.c.profile_id == key.profile_id,
    )
    return (await unit.execute(statement)).one_or_none()


async def _is_cancelled(unit: UnitOfWork, key: ProfileKey, grant_id: UUID) -> bool:
    statement = select(grants.c.id).where(
        grants.c.household_id == key.household_id, grants.c.cancels_id == grant_id
    )
    return (await unit.execute(statement)).first() is not None


def _page(key: ProfileKey, before: tuple[datetime, UUID] | None) -> Any:
    cancellation = grants.alias("cancellation")
    is_cancelled = (
        select(cancellation.c.id)
        .where(
            cancellation.c.household_id == grants.c.household_id,
            cancellation.c.cancels_id == grants.c.id,
        )
        .exists()
        .label("is_cancelled")
    )
    statement = select(grants, is_cancelled).where(
        grants.c.household_id == key.household_id, grants.c.profile_id == key.profile_id
    )
    if before is not None:
        statement = statement.where(tuple_(grants.c.created_at, grants.c.id) < before)
    return statement.order_by(grants.c.created_at.desc(), grants.c.id.desc()).limit(PAGE_SIZE + 1)


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
        },
    )
