"""Routes of viewing time for guardians: giving, listing and cancelling grants."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, status

from watchkeeper.accounts.dependencies import (
    CurrentPrincipal,
    ElevatedGuardian,
    check_pin,
    require_elevated,
)
from watchkeeper.core.auth import DevicePrincipal
from watchkeeper.core.pagination import read_cursor, write_cursor
from watchkeeper.core.problem_documents import problem_responses
from watchkeeper.core.problems import Forbidden, InvalidRequest
from watchkeeper.core.schemas import minutes_of
from watchkeeper.viewing.access import profile_key
from watchkeeper.viewing.grant_schemas import GrantBody, GrantItem, GrantPage, GrantResponse
from watchkeeper.viewing.router import IdempotencyKey, ViewingDep
from watchkeeper.viewing.service.grants import Channel, Granted, GrantRequest

router = APIRouter(
    prefix="/parental-controls/profiles/{profile_id}",
    tags=["parental controls"],
    responses=problem_responses(401, 403, 404, 409, 423),
)


@router.post(
    "/viewing-time/grant", status_code=status.HTTP_200_OK, summary="Give or take time today"
)
async def grant_time(
    request: Request,
    profile_id: UUID,
    body: GrantBody,
    caller: CurrentPrincipal,
    viewing: ViewingDep,
    idempotency_key: IdempotencyKey = None,
) -> GrantResponse:
    """By an elevated guardian, or with the PIN on any guardian's or the child's own device."""
    key = profile_key(caller, profile_id)
    if isinstance(caller, DevicePrincipal):
        if body.pin is None:
            raise InvalidRequest.field("pin", "is needed on a child's device")
        if body.minutes is not None and body.minutes < 0:
            raise Forbidden("Only a guardian may take time away.")
    if body.pin is not None:
        await check_pin(request, caller, body.pin)
    else:
        await require_elevated(request, caller)
    grant = GrantRequest(
        minutes=body.minutes,
        channel=Channel.REMOTE if body.pin is None else Channel.PIN,
        reason=body.reason,
        idempotency_key=idempotency_key,
        extends_window=body.extends_window,
    )
    return _granted(await viewing.grants.give(caller, key, grant))


@router.get("/viewing-time/grants", summary="The ledger of given and taken time")
async def list_grants(
    request: Request,
    profile_id: UUID,
    guardian: ElevatedGuardian,
    viewing: ViewingDep,
    cursor: Annotated[str | None, Query(max_length=300)] = None,
) -> GrantPage:
    """Newest first, 50 a page."""
    _, cursor_key = request.app.state.floor.secrets.signing_key
    before = None
    if cursor is not None:
        position = read_cursor(cursor_key, cursor)
        if position[:2] != ["grants", str(profile_id)]:
            raise InvalidRequest.field("cursor", "belongs to another list")
        before = (datetime.fromisoformat(position[2]), UUID(position[3]))
    entries, following = await viewing.grants.list(profile_key(guardian, profile_id), before)
    return GrantPage(
        grants=[
            GrantItem(
                id=entry.id,
                minutes=entry.minutes,
                channel=entry.channel,
                reason=entry.reason,
                created_at=entry.created_at,
                cancels_id=entry.cancels_id,
                is_cancelled=entry.is_cancelled,
            )
            for entry in entries
        ],
        next_cursor=None
        if following is None
        else write_cursor(
            cursor_key, ["grants", str(profile_id), following[0].isoformat(), str(following[1])]
        ),
    )


@router.delete("/viewing-time/grants/{grant_id}", summary="Cancel a grant of today")
async def cancel_grant(
    profile_id: UUID, grant_id: UUID, guardian: ElevatedGuardian, viewing: ViewingDep
) -> GrantResponse:
    """By a compensating entry: the ledger is never rewritten."""
    key = profile_key(guardian, profile_id)
    return _granted(await viewing.grants.cancel(guardian, key, grant_id))


def _granted(granted: Granted) -> GrantResponse:
    left_ms = granted.decision.remaining_ms
    return GrantResponse(
        grant_id=granted.grant_id,
        granted_minutes=granted.minutes,
        remaining_minutes=None if left_ms is None else minutes_of(left_ms),
        holds_until=granted.holds_until,
        binding=granted.decision.binding,
        window_extended_until=granted.extension and granted.extension.ends_at,
    )
