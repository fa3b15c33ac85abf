"""The audit trail: adding a line, reading pages, and the two ways by which a line may go."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import insert, literal, select, text
from sqlalchemy.dialects.postgresql import JSONB

from watchkeeper.accounts.models import audit, households
from watchkeeper.accounts.types import Actor, ActorKind, AuditEntry, AuditSubject
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.ids import new_id
from watchkeeper.core.problems import NotFound
from watchkeeper.core.queries import Queries

QUERIES = Queries("watchkeeper.accounts")
_NEWEST = (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))

_ERASE = text(
    "SELECT accounts.erase_audit(CAST(:household_id AS uuid), CAST(:profile_id AS uuid), "
    "CAST(:mentions AS text[]))"
)
_FORGET = text(
    "SELECT accounts.forget_audit(CAST(:households AS uuid[]), CAST(:before AS timestamptz), "
    "CAST(:at_most AS integer))"
)
_COUNT_OLD = text(
    "SELECT count(*) FROM accounts.audit "
    "WHERE household_id = ANY (CAST(:households AS uuid[])) AND at < :before"
)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which lines are wanted: of one profile, of one kind of action (its part before the dot)."""

    profile_id: UUID | None = None
    kind: str | None = None


async def append_audit(
    unit: UnitOfWork,
    household_id: UUID,
    *,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Add one line to a household's audit trail; the request id is the current request's.

    Holds the household until the commit, so that nothing is stored beside its deletion: raises
    `NotFound` (404) when it is gone.
    """
    row = {
        "household_id": literal(household_id),
        "id": literal(new_id()),
        "at": literal(at, audit.c.at.type),
        "actor": literal(actor),
        "action": literal(action),
        "subject": literal(subject),
        "before": literal(before, JSONB(none_as_null=True)),
        "after": literal(after, JSONB(none_as_null=True)),
        "request_id": literal(
            structlog.contextvars.get_contextvars().get("request_id"), audit.c.request_id.type
        ),
    }
    line = (
        select(*row.values())
        .select_from(households)
        .where(households.c.household_id == household_id)
        .with_for_update(read=True, key_share=True)
    )
    result = await unit.execute(insert(audit).from_select(list(row), line))
    if result.rowcount == 0:
        raise NotFound(log="the household of an audit line is gone")


async def list_audit(
    unit: UnitOfWork,
    household_id: UUID,
    wanted: AuditFilter,
    *,
    before: tuple[datetime, UUID] | None,
    at_most: int,
) -> list[AuditEntry]:
    """A page of the trail, newest first. Query cost: 1 statement for any number of lines."""
    before_at, before_id = before or _NEWEST
    rows = await unit.execute(
        QUERIES["list_audit"],
        {
            "household_id": household_id,
            "before_at": before_at,
            "before_id": before_id,
            "profile": str(wanted.profile_id) if wanted.profile_id else None,
            "kind": wanted.kind,
            "at_most": at_most,
        },
    )
    return [_entry(row) for row in rows]


def _entry(row: Any) -> AuditEntry:
    kind, _, subject_id = row.subject.partition(":")
    return AuditEntry(
        id=row.id,
        at=row.at,
        actor=_actor(row),
        action=row.action,
        subject=AuditSubject(kind, subject_id, row.subject_name),
        before=row.before,
        after=row.after,
    )


def _actor(row: Any) -> Actor:
    if row.actor.startswith("device:"):
        return Actor(ActorKind.DEVICE, row.actor_device)
    if not row.actor.startswith("user:"):
        return Actor(ActorKind.SYSTEM, None)
    return Actor(ActorKind.SUPPORT if row.is_staff else ActorKind.GUARDIAN, row.actor_email)


async def erase_audit(
    unit: UnitOfWork, household_id: UUID, profile_id: UUID | None, mentions: Sequence[str] = ()
) -> int:
    """Erase the lines about a deleted profile, or all of a deleted household; returns how many.

    `mentions` are actors and subjects, as the trail writes them, whose lines go with a profile.
    Call it after the row is gone: the database refuses while it is there. Erasures take turns.
    """
    parameters = {
        "household_id": household_id,
        "profile_id": profile_id,
        "mentions": list(mentions),
    }
    return int((await unit.execute(_ERASE, parameters)).scalar_one())


async def forget_audit(
    unit: UnitOfWork, household_ids: Sequence[UUID], before: datetime, *, at_most: int
) -> int:
    """Erase up to `at_most` lines of some households from before an instant."""
    parameters = {"households": list(household_ids), "before": before, "at_most": at_most}
    return int((await unit.execute(_FORGET, parameters)).scalar_one())


async def count_old_audit(unit: UnitOfWork, household_ids: Sequence[UUID], before: datetime) -> int:
    """How many lines `forget_audit` would erase."""
    parameters = {"households": list(household_ids), "before": before}
    return int((await unit.execute(_COUNT_OLD, parameters)).scalar_one())
