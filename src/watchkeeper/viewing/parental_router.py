"""Routes of viewing time for guardians: settings, overrides of dates, locks."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Path

from watchkeeper.accounts.dependencies import ElevatedGuardian
from watchkeeper.core.problem_documents import problem_responses
from watchkeeper.core.schemas import LocalDate
from watchkeeper.viewing.access import profile_key
from watchkeeper.viewing.parental_schemas import (
    LockPart,
    LockRequest,
    OverridePart,
    OverrideRequest,
    PendingChange,
    ViewingTimeRequest,
    ViewingTimeResponse,
    by_name,
    names_of,
    parts_of,
)
from watchkeeper.viewing.router import ViewingDep, balance_response
from watchkeeper.viewing.schemas import BalanceResponse
from watchkeeper.viewing.service.policies import PolicyChange, PolicyState

router = APIRouter(
    prefix="/parental-controls/profiles/{profile_id}",
    tags=["parental controls"],
    responses=problem_responses(401, 403, 404, 409),
)
OnDate = Annotated[LocalDate, Path(alias="date", description="A local date, such as 2026-12-24.")]


@router.get("/viewing-time", summary="A child's limits, hours and day settings")
async def get_viewing_time(
    profile_id: UUID, guardian: ElevatedGuardian, viewing: ViewingDep
) -> ViewingTimeResponse:
    """The settings as saved, and what waits for the present day to end."""
    return _response(await viewing.policies.get(profile_key(guardian, profile_id)))


@router.put("/viewing-time", summary="Change a child's limits, hours and day settings")
async def put_viewing_time(
    profile_id: UUID, body: ViewingTimeRequest, guardian: ElevatedGuardian, viewing: ViewingDep
) -> ViewingTimeResponse:
    """Merges: fields left out stay. Zone, reset hour and weekend days are the household's."""
    change = PolicyChange(policy=body.policy_values(), household=body.household_values())
    key = profile_key(guardian, profile_id)
    return _response(await viewing.policies.save(guardian, key, change))


@router.put("/overrides/{date}", summary="Set what holds on one date")
async def put_override(
    profile_id: UUID,
    on: OnDate,
    body: OverrideRequest,
    guardian: ElevatedGuardian,
    viewing: ViewingDep,
) -> BalanceResponse:
    """For holidays and sick days; replaces what was set for the date before."""
    key = profile_key(guardian, profile_id)
    return balance_response(await viewing.overrides.save(guardian, key, on, body.override()))


@router.delete("/overrides/{date}", summary="Let the usual rules hold on a date again")
async def delete_override(
    profile_id: UUID, on: OnDate, guardian: ElevatedGuardian, viewing: ViewingDep
) -> BalanceResponse:
    """The date's own limit and windows go."""
    key = profile_key(guardian, profile_id)
    return balance_response(await viewing.overrides.remove(guardian, key, on))


@router.post("/lock", summary="Stop all play of a child now")
async def lock_play(
    profile_id: UUID,
    guardian: ElevatedGuardian,
    viewing: ViewingDep,
    body: Annotated[LockRequest | None, Body()] = None,
) -> BalanceResponse:
    """Until it is unlocked, or `until`, which is the end of the viewing day if it isn't given."""
    key = profile_key(guardian, profile_id)
    return balance_response(await viewing.locks.lock(guardian, key, body.until if body else None))


@router.post("/unlock", summary="Allow play again")
async def unlock_play(
    profile_id: UUID, guardian: ElevatedGuardian, viewing: ViewingDep
) -> BalanceResponse:
    """Releases the lock; limits and hours hold as before."""
    key = profile_key(guardian, profile_id)
    return balance_response(await viewing.locks.unlock(guardian, key))


def _response(state: PolicyState) -> ViewingTimeResponse:
    policy = state.configuration.policy
    settings = state.configuration.day_settings
    pending = None
    if state.has_pending_time:
        pending = PendingChange(
            timezone=settings.timezone,
            reset_hour=settings.reset_hour,
            takes_effect_at=state.today.ends_at,
        )
    return ViewingTimeResponse(
        profile_id=state.key.profile_id,
        profile_name=state.configuration.profile_name,
        weekday_limit_minutes=policy.weekday_limit_minutes,
        weekend_limit_minutes=policy.weekend_limit_minutes,
        day_limits=by_name(policy.day_limits),
        windows=parts_of(policy.windows),
        overrides=[OverridePart.of(on, one) for on, one in state.overrides.items()],
        lock=LockPart.of(state.lock),
        reset_hour=settings.reset_hour,
        educational_exempt=policy.educational_exempt,
        timezone=settings.timezone,
        weekend_days=names_of(settings.weekend_days),
        warning_threshold_minutes=[policy.warning_first_minutes, policy.warning_second_minutes],
        grace_seconds=policy.grace_seconds,
        pending=pending,
    )
