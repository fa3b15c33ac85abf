"""Routes by which a child asks for more time and a guardian answers."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, status

from watchkeeper.accounts.dependencies import CurrentPrincipal, ElevatedGuardian
from watchkeeper.core.auth import DevicePrincipal
from watchkeeper.core.pagination import read_cursor, write_cursor
from watchkeeper.core.problem_documents import problem_responses
from watchkeeper.core.problems import InvalidRequest
from watchkeeper.viewing.access import household_of, profile_key
from watchkeeper.viewing.request_schemas import (
    AnswerBody,
    TimeRequestBody,
    TimeRequestItem,
    TimeRequestPage,
)
from watchkeeper.viewing.router import IdempotencyKey, ViewingDep
from watchkeeper.viewing.service.requests import Answer, Place, Question

router = APIRouter(
    prefix="/viewing-time/requests",
    tags=["viewing time"],
    responses=problem_responses(401, 403, 404, 409, 429),
)


@router.post("", status_code=status.HTTP_201_CREATED, summary="Ask for more time today")
async def ask(
    body: TimeRequestBody,
    caller: CurrentPrincipal,
    viewing: ViewingDep,
    idempotency_key: IdempotencyKey = None,
) -> TimeRequestItem:
    """By the child's own device, or by a guardian for a child; one is open at a time."""
    question = Question(body.minutes, body.message, idempotency_key)
    key = profile_key(caller, body.profile_id)
    return TimeRequestItem.of(await viewing.requests.ask(caller, key, question))


@router.get("", summary="What was asked, and what became of it")
async def list_requests(
    request: Request,
    caller: CurrentPrincipal,
    viewing: ViewingDep,
    profile_id: UUID | None = None,
    cursor: Annotated[str | None, Query(max_length=300)] = None,
) -> TimeRequestPage:
    """Newest first, 50 a page; a device sees those of its own child."""
    if profile_id is None and isinstance(caller, DevicePrincipal):
        profile_id = caller.profile_id
    household_id = household_of(caller)
    if profile_id is not None:
        profile_key(caller, profile_id)
    _, cursor_key = request.app.state.floor.secrets.signing_key
    name = ["requests", str(household_id), str(profile_id)]
    before: Place | None = None
    if cursor is not None:
        position = read_cursor(cursor_key, cursor)
        if position[:3] != name:
            raise InvalidRequest.field("cursor", "belongs to another list")
        before = (datetime.fromisoformat(position[3]), UUID(position[4]))
    found, following = await viewing.requests.list(household_id, profile_id, before)
    next_cursor = None
    if following is not None:
        next_cursor = write_cursor(cursor_key, [*name, following[0].isoformat(), str(following[1])])
    return TimeRequestPage(requests=list(map(TimeRequestItem.of, found)), next_cursor=next_cursor)


@router.post("/{request_id}/answer", summary="Approve or deny a request")
async def answer(
    request_id: UUID, body: AnswerBody, guardian: ElevatedGuardian, viewing: ViewingDep
) -> TimeRequestItem:
    """Approval grants time at once; the same answer may be sent again."""
    said = Answer(body.decision, body.minutes, body.message, body.extends_window)
    household_id = household_of(guardian)
    return TimeRequestItem.of(
        await viewing.requests.answer(guardian, household_id, request_id, said)
    )
