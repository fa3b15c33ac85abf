"""`/notifications`: what guardians are told.

The list and the marks need no PIN, so that a phone can show that there is something new; they hold
nothing that a child may not see, and nothing can be hidden by them. The content needs it.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request

from watchkeeper.accounts.dependencies import (
    CurrentGuardian,
    ElevatedGuardian,
    Now,
    TheAccounts,
)
from watchkeeper.accounts.notification_schemas import (
    NotificationAnswer,
    NotificationDetail,
    NotificationQuery,
    NotificationsAnswer,
    UnreadAnswer,
)
from watchkeeper.accounts.types import NotificationPage
from watchkeeper.core.pagination import read_cursor, write_cursor
from watchkeeper.core.problem_documents import problem_responses
from watchkeeper.core.problems import InvalidRequest

router = APIRouter(
    prefix="/notifications", tags=["notifications"], responses=problem_responses(401, 403)
)
_MISSING = problem_responses(404)


@router.get("", summary="What the guardian was told, newest first")
async def list_notifications(
    request: Request,
    guardian: CurrentGuardian,
    accounts: TheAccounts,
    wanted: Annotated[NotificationQuery, Query()],
) -> NotificationsAnswer:
    """Kind, title and period of each, and whether this guardian has read it."""
    key = request.app.state.floor.secrets.signing_key[1]
    page = await accounts.notifications.list_page(
        guardian, after=_position(key, wanted.cursor), at_most=wanted.limit
    )
    return NotificationsAnswer.of(page, _next_cursor(key, page))


@router.post("/read-all", summary="Mark all as read")
async def mark_all_read(guardian: CurrentGuardian, accounts: TheAccounts, now: Now) -> UnreadAnswer:
    """For this guardian alone; others keep their own marks."""
    return UnreadAnswer(unread_count=await accounts.notifications.mark_all_read(guardian, now))


@router.get("/{notification_id}", summary="A notification with its content", responses=_MISSING)
async def read_notification(
    notification_id: UUID, guardian: ElevatedGuardian, accounts: TheAccounts
) -> NotificationDetail:
    """What it says, as it was when it was delivered; needs the PIN."""
    notification, content = await accounts.notifications.get(guardian, notification_id)
    return NotificationDetail.with_content(notification, content)


@router.post("/{notification_id}/read", summary="Mark a notification as read", responses=_MISSING)
async def mark_read(
    notification_id: UUID, guardian: CurrentGuardian, accounts: TheAccounts, now: Now
) -> NotificationAnswer:
    """For this guardian alone; a second time changes nothing."""
    marked = await accounts.notifications.mark_read(guardian, notification_id, now)
    return NotificationAnswer.of(marked)


def _next_cursor(key: bytes, page: NotificationPage) -> str | None:
    if not page.has_more:
        return None
    last = page.notifications[-1]
    return write_cursor(key, ["notifications", last.created_at.isoformat(), str(last.id)])


def _position(key: bytes, cursor: str | None) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    position: list[Any] = read_cursor(key, cursor)
    if len(position) != 3 or position[0] != "notifications":
        raise InvalidRequest.field("cursor", "belongs to another list")
    return datetime.fromisoformat(position[1]), UUID(position[2])
