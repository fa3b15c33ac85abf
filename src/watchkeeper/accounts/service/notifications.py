"""What guardians are told: delivered once, listed, read."""

from datetime import datetime
from typing import Any
from uuid import UUID

from watchkeeper.accounts.repository import notifications
from watchkeeper.accounts.service.pin_checks import household_of
from watchkeeper.accounts.types import NewNotification, Notification, NotificationPage
from watchkeeper.core.auth import UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.ids import new_id
from watchkeeper.core.problems import NotFound

PAGE = 50


class Notifications:
    """The notifications of the caller's household; each guardian reads for themselves."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def list_page(
        self,
        guardian: UserPrincipal,
        *,
        after: notifications.Position | None = None,
        at_most: int = PAGE,
    ) -> NotificationPage:
        """Up to `at_most` notifications, newest first, without their content. Two statements."""
        household_id = household_of(guardian)

        async def read(unit: UnitOfWork) -> NotificationPage:
            found = await notifications.list_notifications(
                unit, household_id, guardian.user_id, after=after, at_most=at_most + 1
            )
            unread = await notifications.count_unread(unit, household_id, guardian.user_id)
            return NotificationPage(tuple(found[:at_most]), unread, len(found) > at_most)

        return await self._floor.database.run(read, is_replayable=True)

    async def get(
        self, guardian: UserPrincipal, notification_id: UUID
    ) -> tuple[Notification, dict[str, Any]]:
        """A notification and its content; reading it doesn't mark it. Raises `NotFound` (404)."""
        household_id = household_of(guardian)

        async def read(unit: UnitOfWork) -> tuple[Notification, dict[str, Any]]:
            return await _get(unit, household_id, notification_id, guardian.user_id)

        return await self._floor.database.run(read, is_replayable=True)

    async def mark_read(
        self, guardian: UserPrincipal, notification_id: UUID, now: datetime
    ) -> Notification:
        """Note that this guardian has read it, also a second time. Raises `NotFound` (404)."""
        household_id = household_of(guardian)

        async def store(unit: UnitOfWork) -> Notification:
            await notifications.mark_read(
                unit, household_id, guardian.user_id, now, only=notification_id
            )
            marked, _content = await _get(unit, household_id, notification_id, guardian.user_id)
            return marked

        return await self._floor.database.run(store, is_replayable=True)

    async def mark_all_read(self, guardian: UserPrincipal, now: datetime) -> int:
        """Note that this guardian has read everything; returns how many are unread now: none."""
        household_id = household_of(guardian)

        async def store(unit: UnitOfWork) -> int:
            await notifications.mark_read(unit, household_id, guardian.user_id, now)
            return await notifications.count_unread(unit, household_id, guardian.user_id)

        return await self._floor.database.run(store, is_replayable=True)


async def _get(
    unit: UnitOfWork, household_id: UUID, notification_id: UUID, user_id: UUID
) -> tuple[Notification, dict[str, Any]]:
    found = await notifications.find_notification(unit, household_id, notification_id, user_id)
    if found is None:
        raise NotFound("We couldn't find that notification.")
    return found


async def deliver(unit: UnitOfWork, new: NewNotification, now: datetime) -> bool:
    """Give a household's guardians a notification, once for its kind and subject.

    Returns whether it is new. Query cost: 1 statement. Source: ADR 21.
    """
    return await notifications.insert_notification(unit, new, notification_id=new_id(), now=now)
