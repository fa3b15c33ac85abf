"""Wire shapes of notifications (03, section 6)."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from watchkeeper.accounts.types import Notification, NotificationKind, NotificationPage
from watchkeeper.core.schemas import Answer, Instant


class NotificationQuery(BaseModel):
    """Which page of the notifications is wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=50, ge=1, le=100, description="How many a page has at most.")
    cursor: Annotated[str, StringConstraints(max_length=2_000)] | None = Field(
        default=None, description="`next_cursor` of the page before."
    )


class NotificationAnswer(Answer):
    """A notification as the list shows it: without names and figures, for anybody may look on."""

    id: UUID
    kind: NotificationKind
    title: str
    period_start: date | None
    period_end: date | None
    created_at: Instant
    is_read: bool = Field(description="Whether this guardian has read it.")

    @classmethod
    def of(cls, notification: Notification) -> "NotificationAnswer":
        """The wire shape of a notification."""
        return cls(**_fields(notification))


class NotificationDetail(NotificationAnswer):
    """A notification with what it says; needs the PIN."""

    content: dict[str, Any] = Field(
        description="For `weekly_report`, the answer of the weekly report when the week ended."
    )

    @classmethod
    def with_content(
        cls, notification: Notification, content: dict[str, Any]
    ) -> "NotificationDetail":
        """The wire shape of a notification and its content."""
        return cls(**_fields(notification), content=content)


def _fields(notification: Notification) -> dict[str, Any]:
    first_on, last_on = notification.period or (None, None)
    return {
        "id": notification.id,
        "kind": notification.kind,
        "title": notification.title,
        "period_start": first_on,
        "period_end": last_on,
        "created_at": notification.created_at,
        "is_read": notification.is_read,
    }


class NotificationsAnswer(Answer):
    """A page, newest first; `next_cursor` is null after the last one."""

    notifications: list[NotificationAnswer]
    unread_count: int = Field(description="How many of all this guardian hasn't read.")
    next_cursor: str | None

    @classmethod
    def of(cls, page: NotificationPage, next_cursor: str | None) -> "NotificationsAnswer":
        """The wire shape of a page."""
        return cls(
            notifications=[NotificationAnswer.of(one) for one in page.notifications],
            unread_count=page.unread_count,
            next_cursor=next_cursor,
        )


class UnreadAnswer(Answer):
    """How many notifications this guardian hasn't read."""

    unread_count: int
