"""A child asks for more time, and a guardian answers."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from watchkeeper.accounts.public import record_audit
from watchkeeper.core.auth import DevicePrincipal, Principal, UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.ids import new_id
from watchkeeper.core.problems import NotFound, TooManyRequests
from watchkeeper.viewing.announcements import (
    announce_request_answered,
    announce_request_asked,
)
from watchkeeper.viewing.configuration import ConfigurationCache
from watchkeeper.viewing.problems import AdultProfile, KeyReused, RequestOpen, RequestOver
from watchkeeper.viewing.repository import ProfileKey, lock_viewers
from watchkeeper.viewing.requests_repository import (
    count_since,
    expire_open,
    find_by_key,
    find_open,
    find_request,
    insert_request,
    list_requests,
    store_answer,
)
from watchkeeper.viewing.rules.daybook import open_days
from watchkeeper.viewing.service.days import load_viewer
from watchkeeper.viewing.service.grants import Channel, GrantRequest, Grants
from watchkeeper.viewing.types import RequestStatus, TimeRequest, ViewingDay

PAGE_SIZE = 50
# More than any patient family needs, and few enough that nobody is worn down by them.
A_DAY_AT_MOST = 20

Place = tuple[datetime, UUID]


class Verdict(StrEnum):
    """What a guardian says to a request."""

    APPROVE = "approve"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Question:
    """What a child asks for: 1 to 240 minutes, and why."""

    minutes: int
    message: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a guardian says; `minutes` None grants what was asked for."""

    verdict: Verdict
    minutes: int | None = None
    message: str | None = None
    extends_window: bool = False


class TimeRequests:
    """Asks, answers and lists requests; one of a child is open at a time."""

    def __init__(self, floor: Floor, configurations: ConfigurationCache, grants: Grants) -> None:
        self._floor = floor
        self._configurations = configurations
        self._grants = grants

    async def ask(self, actor: Principal, key: ProfileKey, question: Question) -> TimeRequest:
        """Open a request that holds until the viewing day ends.

        With an idempotency key that is known, the first request is answered. Raises `NotFound`,
        `AdultProfile`, `RequestOpen` with the one that is open, `KeyReused`, `TooManyRequests`
        for the 21st in a day. Locks the profile's row. Emits an audit entry.
        """

        async def work(unit: UnitOfWork) -> TimeRequest:
            await lock_viewers(unit, key.household_id, [key.profile_id])
            now = self._floor.clock.now()
            today = await self._today(unit, key, now)
            known = await find_by_key(unit, key, question.idempotency_key)
            if known is not None:
                if (known.minutes, known.message) != (question.minutes, question.message):
                    raise KeyReused()
                return _seen(known, now)
            await _admit(unit, key, today, now)
            request = TimeRequest(
                id=new_id(),
                profile_id=key.profile_id,
                minutes=question.minutes,
                message=question.message,
                status=RequestStatus.OPEN,
                created_at=now,
                expires_at=today.ends_at,
            )
            await insert_request(
                unit,
                key,
                request,
                asked_by_user_id=actor.user_id if isinstance(actor, UserPrincipal) else None,
                asked_by_device_id=actor.device_id if isinstance(actor, DevicePrincipal) else None,
                idempotency_key=question.idempotency_key,
            )
            await _audit(unit, actor, key, "request.asked", request, now)
            announce_request_asked(unit, key, request.id)
            return request

        return await self._floor.database.run(
            work, is_replayable=question.idempotency_key is not None
        )

    async def answer(
        self, guardian: UserPrincipal, household_id: UUID, request_id: UUID, answer: Answer
    ) -> TimeRequest:
        """Approve a request, which grants time, or deny it; the same answer may be repeated.

        Raises `NotFound`, and `RequestOver` when it was answered otherwise or its day is over.
        Locks the profile's row. Emits the grant's entry and one of its own in the audit trail.
        """

        async def work(unit: UnitOfWork) -> TimeRequest:
            found = await find_request(unit, household_id, request_id)
            if found is None:
                raise NotFound("We couldn't find that request.")
            key = ProfileKey(household_id, found.profile_id)
            await lock_viewers(unit, household_id, [found.profile_id])
            request = await find_request(unit, household_id, request_id, with_lock=True)
            if request is None:
                raise NotFound("We couldn't find that request.")
            now = self._floor.clock.now()
            if request.status is not RequestStatus.OPEN:
                return _same_answer(request, answer)
            if request.expires_at <= now:
                raise RequestOver()
            answered = await self._settle(unit, guardian, key, request, answer, now)
            await store_answer(unit, household_id, answered, guardian.user_id)
            await _audit(unit, guardian, key, "request.answered", answered, now)
            announce_request_answered(unit, key, request.id)
            return answered

        return await self._floor.database.run(work, is_replayable=True)

    async def list(
        self, household_id: UUID, profile_id: UUID | None, before: Place | None
    ) -> tuple[list[TimeRequest], Place | None]:
        """One page of requests, newest first, and where the next begins. Query cost: 1."""
        now = self._floor.clock.now()
        profile_ids = None if profile_id is None else [profile_id]

        async def work(unit: UnitOfWork) -> list[TimeRequest]:
            return await list_requests(unit, household_id, profile_ids, before, PAGE_SIZE + 1)

        found = await self._floor.database.run(work, is_replayable=True)
        shown = [_seen(request, now) for request in found[:PAGE_SIZE]]
        has_more = len(found) > PAGE_SIZE
        return shown, (shown[-1].created_at, shown[-1].id) if has_more else None

    async def _today(self, unit: UnitOfWork, key: ProfileKey, now: datetime) -> ViewingDay:
        configuration, viewer = await load_viewer(unit, self._configurations, key, now)
        if not configuration.is_child:
            raise AdultProfile()
        return open_days(viewer, now).today.day

    async def _settle(
        self,
        unit: UnitOfWork,
        guardian: UserPrincipal,
        key: ProfileKey,
        request: TimeRequest,
        answer: Answer,
        now: datetime,
    ) -> TimeRequest:
        answered = replace(request, answered_at=now, answer=answer.message)
        if answer.verdict is Verdict.DENY:
            return replace(answered, status=RequestStatus.DENIED)
        grant = GrantRequest(
            minutes=answer.minutes or request.minutes,
            channel=Channel.REMOTE,
            reason=answer.message,
            extends_window=answer.extends_window,
        )
        granted = await self._grants.give_in(unit, guardian, key, grant)
        return replace(
            answered,
            status=RequestStatus.APPROVED,
            granted_minutes=granted.minutes,
            grant_id=granted.grant_id,
        )


async def _admit(unit: UnitOfWork, key: ProfileKey, today: ViewingDay, now: datetime) -> None:
    await expire_open(unit, key, now)
    still_open = await find_open(unit, key)
    if still_open is not None:
        raise RequestOpen(still_open.id)
    if await count_since(unit, key, today.starts_at) >= A_DAY_AT_MOST:
        raise TooManyRequests(
            "That was asked often enough today.",
            retry_after_seconds=(today.ends_at - now).total_seconds(),
        )


def _seen(request: TimeRequest, now: datetime) -> TimeRequest:
    """A request as it stands now: nobody has to note that its day is over."""
    if request.status is RequestStatus.OPEN and request.expires_at <= now:
        return replace(request, status=RequestStatus.EXPIRED)
    return request


def _same_answer(request: TimeRequest, answer: Answer) -> TimeRequest:
    """The answered request if this is the same answer once more; raises `RequestOver`."""
    granted = None
    if answer.verdict is Verdict.APPROVE:
        granted = answer.minutes or request.minutes
    is_approved = request.status is RequestStatus.APPROVED
    is_same = is_approved is (answer.verdict is Verdict.APPROVE)
    if request.status is RequestStatus.EXPIRED or not is_same or granted != request.granted_minutes:
        raise RequestOver()
    return request


async def _audit(
    unit: UnitOfWork,
    actor: Principal,
    key: ProfileKey,
    action: str,
    request: TimeRequest,
    now: datetime,
) -> None:
    """The child's words stay out of the trail, which outlives them."""
    await record_audit(
        unit,
        household_id=key.household_id,
        at=now,
        actor=actor,
        action=action,
        subject=f"profile:{key.profile_id}",
        after={
            "request_id": str(request.id),
            "minutes": request.minutes,
            "status": request.status,
            "granted_minutes": request.granted_minutes,
        },
    )
