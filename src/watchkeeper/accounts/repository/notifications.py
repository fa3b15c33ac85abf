"""What was delivered to a household's guardians, and which of them has read it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, func, literal, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from watchkeeper.accounts.models import notification_reads, notifications
from watchkeeper.accounts.types import NewNotification, Notification, NotificationKind
from watchkeeper.core.database import UnitOfWork

Position = tuple[datetime, UUID]

_TAKE_PROFILE_OUT = text("""
    UPDATE accounts.notifications AS n
    SET content = jsonb_set(n.content, '{profiles}', (
        SELECT coalesce(jsonb_agg(p.profile ORDER BY p.position), '[]'::jsonb)
        FROM jsonb_array_elements(n.content -> 'profiles') WITH ORDINALITY AS p (profile, position)
        WHERE p.profile ->> 'profile_id' <> :profile_id))
    WHERE n.household_id = :household_id
      AND n.content -> 'profiles' @> jsonb_build_array(
          jsonb_build_object('profile_id', CAST(:profile_id AS text)))
""")
_DROP_EMPTY = text("""
    DELETE FROM accounts.notifications
    WHERE household_id = :household_id AND content -> 'profiles' = '[]'::jsonb
""")
_FORGET_OLD = text("""
    DELETE FROM accounts.notifications WHERE (household_id, id) IN (
        SELECT household_id, id FROM accounts.notifications
        WHERE created_at < :before LIMIT :at_most FOR UPDATE SKIP LOCKED
    )
""")


async def insert_notification(
    unit: UnitOfWork, new: NewNotification, *, notification_id: UUID, now: datetime
) -> bool:
    """Store a notification; False when the household has one of this kind and subject."""
    first_on, last_on = new.period or (None, None)
    statement = (
        insert(notifications)
        .values(
            household_id=new.household_id,
            id=notification_id,
            kind=new.kind,
            subject=new.subject,
            title=new.title,
            period_start=first_on,
            period_end=last_on,
            content=new.content,
            created_at=now,
        )
        .on_conflict_do_nothing(constraint="notifications_subject")
        .returning(notifications.c.id)
    )
    return (await unit.execute(statement)).one_or_none() is not None


def _seen_by(user_id: UUID) -> Select[Any]:
    read = and_(
        notification_reads.c.household_id == notifications.c.household_id,
        notification_reads.c.notification_id == notifications.c.id,
        notification_reads.c.user_id == user_id,
    )
    columns = [column for column in notifications.c if column.name != "content"]
    return select(*columns, notification_reads.c.user_id.is_not(None).label("is_read")).select_from(
        notifications.outerjoin(notification_reads, read)
    )


def _notification(row: Row[Any]) -> Notification:
    return Notification(
        id=row.id,
        kind=NotificationKind(row.kind),
        title=row.title,
        period=(row.period_start, row.period_end) if row.period_start else None,
        created_at=row.created_at,
        is_read=row.is_read,
    )


async def list_notifications(
    unit: UnitOfWork, household_id: UUID, user_id: UUID, *, after: Position | None, at_most: int
) -> list[Notification]:
    """A household's notifications, newest first, from behind `after`. One statement."""
    query = _seen_by(user_id).where(notifications.c.household_id == household_id)
    if after is not None:
        query = query.where(tuple_(notifications.c.created_at, notifications.c.id) < after)
    query = query.order_by(notifications.c.created_at.desc(), notifications.c.id.desc())
    return [_notification(row) for row in await unit.execute(query.limit(at_most))]


async def count_unread(unit: UnitOfWork, household_id: UUID, user_id: UUID) -> int:
    """How many notifications a guardian hasn't read. One statement."""
    seen = _seen_by(user_id).where(notifications.c.household_id == household_id).subquery()
    query = select(func.count()).select_from(seen).where(~seen.c.is_read)
    return int((await unit.execute(query)).scalar_one())


async def find_notification(
    unit: UnitOfWork, household_id: UUID, notification_id: UUID, user_id: UUID
) -> tuple[Notification, dict[str, Any]] | None:
    """A notification of this household with its content. One statement."""
    query = (
        _seen_by(user_id)
        .add_columns(notifications.c.content)
        .where(notifications.c.household_id == household_id, notifications.c.id == notification_id)
    )
    row = (await unit.execute(query)).one_or_none()
    return (_notification(row), row.content) if row else None


async def mark_read(
    unit: UnitOfWork, household_id: UUID, user_id: UUID, now: datetime, *, only: UUID | None = None
) -> None:
    """Note that a guardian has read one notification, or all; what was read stays so.

    One statement.
    """
    found = select(
        notifications.c.household_id, notifications.c.id, literal(user_id), literal(now)
    ).where(notifications.c.household_id == household_id)
    if only is not None:
        found = found.where(notifications.c.id == only)
    await unit.execute(
        insert(notification_reads)
        .from_select(["household_id", "notification_id", "user_id", "read_at"], found)
        .on_conflict_do_nothing(constraint="notification_reads_pkey")
    )


async def take_profile_out(unit: UnitOfWork, household_id: UUID, profile_id: UUID) -> None:
    """Remove a profile from the content of what was delivered; what says nothing more goes.

    Two statements.
    """
    keys = {"household_id": household_id, "profile_id": str(profile_id)}
    await unit.execute(_TAKE_PROFILE_OUT, keys)
    await unit.execute(_DROP_EMPTY, {"household_id": household_id})


async def forget_old(unit: UnitOfWork, before: datetime, *, at_most: int) -> int:
    """Delete up to `at_most` notifications from before an instant; returns how many went."""
    return int((await unit.execute(_FORGET_OLD, {"before": before, "at_most": at_most})).rowcount)
