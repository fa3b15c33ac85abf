"""Routes of viewing time for players and children: heartbeat, end, balance, eligibility."""

from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter, Body, Depends, Header, Request

from watchkeeper.accounts.dependencies import CurrentPrincipal, SignedPrincipal
from watchkeeper.core.auth import DevicePrincipal
from watchkeeper.core.ids import new_id
from watchkeeper.core.problem_documents import problem_responses
from watchkeeper.core.problems import Forbidden, Problem
from watchkeeper.core.schemas import minutes_of
from watchkeeper.viewing.access import household_of, profile_key
from watchkeeper.viewing.heartbeat_rate import HeartbeatRate
from watchkeeper.viewing.problems import Undecided
from watchkeeper.viewing.repository import TitleRef
from watchkeeper.viewing.schemas import (
    BalanceResponse,
    CountersPart,
    EligibilityResponse,
    EndRequest,
    EndResponse,
    HeartbeatRequest,
    HeartbeatResponse,
)
from watchkeeper.viewing.service import Viewing
from watchkeeper.viewing.service.balances import Balance
from watchkeeper.viewing.service.heartbeat_batches import HeartbeatBatches
from watchkeeper.viewing.service.heartbeats import HeartbeatAnswer, HeartbeatCall
from watchkeeper.viewing.types import Counters, Enforcement, Heartbeat, PlayState

log = structlog.get_logger(__name__)
router = APIRouter(
    prefix="/viewing-time",
    tags=["viewing time"],
    responses=problem_responses(401, 403, 404, 409, 410, 429),
)


async def get_viewing(request: Request) -> Viewing:
    """The use cases that `create_app` put together."""
    viewing: Viewing = request.app.state.viewing
    return viewing


async def get_rate(request: Request) -> HeartbeatRate:
    """The heartbeat limits of this process."""
    rate: HeartbeatRate = request.app.state.heartbeat_rate
    return rate


async def get_batches(request: Request) -> HeartbeatBatches:
    """What gathers the heartbeats of this process."""
    batches: HeartbeatBatches = request.app.state.heartbeat_batches
    return batches


ViewingDep = Annotated[Viewing, Depends(get_viewing)]
IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=100)
]


@router.post("/heartbeat", summary="Report what a player did, learn what it may do")
async def heartbeat(
    request: Request,
    body: HeartbeatRequest,
    caller: SignedPrincipal,
    batches: Annotated[HeartbeatBatches, Depends(get_batches)],
    rate: Annotated[HeartbeatRate, Depends(get_rate)],
) -> HeartbeatResponse:
    """Whether the credential still holds is checked in the statement that locks the profile."""
    if isinstance(caller, DevicePrincipal) and caller.device_id != body.device_id:
        raise Forbidden("This device token belongs to another device.")
    rate.take(str(body.session_id or f"{body.profile_id}:{body.device_id}"))
    call = HeartbeatCall(
        caller=caller,
        key=profile_key(caller, body.profile_id),
        heartbeat=_heartbeat(body),
        title_ref=_title_ref(body),
    )
    try:
        answer = await batches.answer(call)
    except Problem:
        raise
    except Exception as error:
        # Fail closed: a fault of ours is never a decision about a child.
        log.error("heartbeat.undecided", exc_info=error)
        raise Undecided() from error
    if isinstance(answer, Problem):
        raise answer
    request.state.has_own_line = True
    return _heartbeat_response(answer)


def _heartbeat(body: HeartbeatRequest) -> Heartbeat:
    return Heartbeat(
        new_session_id=new_id(),
        device_id=body.device_id,
        device_type=body.device_type,
        state=body.state or (PlayState.PAUSED if body.is_paused else PlayState.PLAYING),
        session_id=body.session_id,
        start_key=body.start_key,
        title_id=body.title_id,
        counters=_counters(body),
        position_ms=body.position_ms,
    )


def _counters(body: CountersPart | None) -> Counters | None:
    if body is None or body.seq is None or body.played_ms is None or body.paused_ms is None:
        return None
    return Counters(body.seq, body.played_ms, body.paused_ms)


def _title_ref(body: HeartbeatRequest) -> TitleRef | None:
    if body.title_ref is None or body.title_id is not None:
        return None
    return TitleRef(body.title_ref.source, body.title_ref.id, body.title_ref.name)


def _heartbeat_response(answer: HeartbeatAnswer) -> HeartbeatResponse:
    decision = answer.decision
    left_ms = decision.remaining_ms
    return HeartbeatResponse(
        session_id=answer.session.id,
        enforcement=decision.enforcement,
        reason=decision.reason,
        binding=decision.binding,
        remaining_minutes=None if left_ms is None else minutes_of(left_ms),
        remaining_seconds=None if left_ms is None else left_ms // 1000,
        used_minutes=minutes_of(decision.used_ms),
        is_educational=decision.is_exempt,
        blocks_at=decision.blocks_at,
        next_beat_ms=answer.next_beat_ms,
        next_reset_at=decision.next_reset_at,
        server_time=answer.server_time,
        ack_seq=answer.ack_seq,
        grace_seconds=answer.grace_seconds,
    )


@router.post("/session/{session_id}/end", summary="End a session and credit its tail")
async def end_session(
    session_id: UUID,
    caller: SignedPrincipal,
    viewing: ViewingDep,
    body: Annotated[EndRequest | None, Body()] = None,
) -> EndResponse:
    """May be repeated; the answer stays the same."""
    answer = await viewing.heartbeats.end(caller, household_of(caller), session_id, _counters(body))
    return EndResponse(
        session_id=answer.session_id,
        total_seconds=answer.total_ms // 1000,
        ended_at=answer.ended_at,
    )


@router.get("/balance/{profile_id}", summary="What a profile has used and may still watch")
async def get_balance(
    profile_id: UUID, caller: CurrentPrincipal, viewing: ViewingDep
) -> BalanceResponse:
    """Reads only: nothing is charged and no day is made."""
    return balance_response(await viewing.balances.get(profile_key(caller, profile_id)))


def balance_response(balance: Balance) -> BalanceResponse:
    """The wire shape of a balance."""
    decision = balance.decision
    left_ms = decision.remaining_ms
    is_child = balance.configuration.is_child
    return BalanceResponse(
        profile_id=balance.key.profile_id,
        is_child_profile=is_child,
        has_limits=is_child and decision.limit_minutes is not None,
        used_minutes=minutes_of(decision.used_ms),
        educational_minutes=minutes_of(decision.exempt_ms),
        limit_minutes=decision.limit_minutes,
        remaining_minutes=None if left_ms is None else minutes_of(left_ms),
        is_unlimited_override=decision.is_unlimited_override,
        next_reset_at=decision.next_reset_at,
        warning_threshold_minutes=[
            decision.warning_first_minutes,
            decision.warning_second_minutes,
        ],
        enforcement=decision.enforcement,
        reason=decision.reason,
        binding=decision.binding,
        blocks_at=decision.blocks_at,
        opens_at=decision.opens_at,
    )


@router.get("/playback-eligible/{profile_id}", summary="Whether playing may begin now")
async def get_eligibility(
    profile_id: UUID, caller: CurrentPrincipal, viewing: ViewingDep
) -> EligibilityResponse:
    """Asked by a player before it offers to play; decides nothing by itself."""
    decision = (await viewing.balances.get(profile_key(caller, profile_id))).decision
    left_ms = decision.remaining_ms
    return EligibilityResponse(
        eligible=decision.enforcement is not Enforcement.BLOCKED,
        remaining_minutes=None if left_ms is None else minutes_of(left_ms),
        reason=decision.reason,
        next_reset_at=decision.next_reset_at,
    )
