"""The rows of what children ask for; a request that nobody answered lapses with its day."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, tuple_, update

from watchkeeper.core.database import UnitOfWork
from watchkeeper.viewing.models import requests
from watchkeeper.viewing.repository import ProfileKey
from watchkeeper.viewing.types import RequestStatus, TimeRequest


def _request(row: Any) -> TimeRequest:
    return TimeRequest(
        id=row.id,
        profile_id=row.profile_id,
        minutes=row.minutes,
        message=row.message,
        status=RequestStatus(row.status),
        created_at=row.created_at,
        expires_at=row.expires_at,
        answered_at=row.answered_at,
        answer=row.answer,
        granted_minutes=row.granted_minutes,
        grant_id=row.grant_id,
    )


async def expire_open(unit: UnitOfWork, key: ProfileKey, now: datetime) -> None:
    """Close the profile's open request if its day is over, so that another can be asked."""
    await unit.execute(
        update(requests)
        .where(
            requests.c.household_id == key.household_id,
            requests.c.profile_id == key.profile_id,
            requests.c.status == RequestStatus.OPEN,
            requests.c.expires_at <= now,
        )
        .values(status=RequestStatus.EXPIRED)
    )


async def find_open(unit: UnitOfWork, key: ProfileKey) -> TimeRequest | None:
    """The profile's open request; call `expire_open` first."""
    statement = select(requests).where(
        requests.c.household_id == key.household_id,
        requests.c.profile_id == key.profile_id,
        requests.c.status == RequestStatus.OPEN,
    )
    row = (await unit.execute(statement)).one_or_none()
    return None if row is None else _request(row)


async def find_by_key(
    unit: UnitOfWork, key: ProfileKey, idempotency_key: str | None
) -> TimeRequest | None:
    """The request that was asked with this key, if any."""
    if idempotency_key is None:
        return None
    statement = select(requests).where(
        requests.c.household_id == key.household_id,
        requests.c.profile_id == key.profile_id,
        requests.c.idempotency_key == idempotency_key,
    )
    row = (await unit.execute(statement)).one_or_none()
    return None if row is None else _request(row)


async def count_since(unit: UnitOfWork, key: ProfileKey, since: datetime) -> int:
    """How many requests a profile has made since an instant."""
    statement = select(func.count()).where(
        requests.c.household_id == key.household_id,
        requests.c.profile_id == key.profile_id,
        requests.c.created_at >= since,
    )
    return int((await unit.execute(statement)).scalar_one())


async def insert_request(
    unit: UnitOfWork, key: ProfileKey, request: TimeRequest, **asked_by: Any
) -> None:
    """Add an open request; `asked_by` are the columns of who asked, and the key."""
    await unit.execute(
        insert(requests).values(
            household_id=key.household_id,
            id=request.id,
            profile_id=key.profile_id,
            minutes=request.minutes,
            message=request.message,
            status=request.status,
            created_at=request.created_at,
            expires_at=request.expires_at,
            **asked_by,
        )
    )


async def find_request(
    unit: UnitOfWork, household_id: UUID, request_id: UUID, *, with_lock: bool = False
) -> TimeRequest | None:
    """A request of this household."""
    statement = select(requests).where(
        requests.c.household_id == household_id, requests.c.id == request_id
    )
    row = (
        await unit.execute(statement.with_for_update() if with_lock else statement)
    ).one_or_none()
    return None if row is None else _request(row)


async def store_answer(
    unit: UnitOfWork, household_id: UUID, request: TimeRequest, answered_by: UUID
) -> None:
    """Store what a guardian said."""
    await unit.execute(
        update(requests)
        .where(requests.c.household_id == household_id, requests.c.id == request.id)
        .values(
            status=request.status,
            answered_at=request.answered_at,
            answered_by_user_id=answered_by,
            answer=request.answer,
            granted_minutes=request.granted_minutes,
            grant_id=request.grant_id,
        )
    )


async def list_requests(
    unit: UnitOfWork,
    household_id: UUID,
    profile_ids: Iterable[UUID] | None,
    before: tuple[datetime, UUID] | None,
    at_most: int,
) -> list[TimeRequest]:
    """The newest requests of a household, or of some of its profiles. One statement."""
    statement = select(requests).where(requests.c.household_id == household_id)
    if profile_ids is not None:
        statement = statement.where(requests.c.profile_id.in_(profile_ids))
    if before is not None:
        statement = statement.where(tuple_(requests.c.created_at, requests.c.id) < before)
    newest_first = statement.order_by(requests.c.created_at.desc(), requests.c.id.desc())
    return [_request(row) for row in await unit.execute(newest_first.limit(at_most))]
