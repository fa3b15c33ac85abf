"""`/parental-controls/pin`: the household's PIN and the elevation that it gives."""

from fastapi import APIRouter

from watchkeeper.accounts import rules
from watchkeeper.accounts.dependencies import GuardianSignIn, Now, TheAccounts
from watchkeeper.accounts.schemas import (
    PinStatusAnswer,
    PinVerifiedAnswer,
    ResetPinRequest,
    SetPinRequest,
    VerifyPinRequest,
)
from watchkeeper.accounts.types import PinStatus
from watchkeeper.core.problem_documents import problem_responses

router = APIRouter(
    prefix="/parental-controls/pin",
    tags=["pin"],
    responses=problem_responses(401, 403, 409, 423, 429),
)


@router.post("")
async def set_pin(
    body: SetPinRequest, state: GuardianSignIn, accounts: TheAccounts, now: Now
) -> PinStatusAnswer:
    """Set the first PIN, or change it by the present one."""
    await accounts.pins.set_pin(
        state, body.new_pin, now, current_pin=body.current_pin, password=body.password
    )
    elevated_until = state.elevated_until if state.is_elevated(now) else None
    return PinStatusAnswer.of(PinStatus(True, None, elevated_until))


@router.post("/verify")
async def verify_pin(
    body: VerifyPinRequest, state: GuardianSignIn, accounts: TheAccounts, now: Now
) -> PinVerifiedAnswer:
    """Elevate this sign-in for 15 minutes."""
    await accounts.pins.verify(state, body.pin, now)
    return PinVerifiedAnswer(
        remaining_attempts=rules.PIN_TRIES, elevated_until=now + rules.ELEVATED_FOR
    )


@router.post("/lock")
async def lock(state: GuardianSignIn, accounts: TheAccounts) -> PinStatusAnswer:
    """End this sign-in's elevation."""
    await accounts.pins.lock(state)
    return PinStatusAnswer.of(PinStatus(state.has_pin, None, None))


@router.post("/reset")
async def reset_pin(
    body: ResetPinRequest, state: GuardianSignIn, accounts: TheAccounts, now: Now
) -> PinStatusAnswer:
    """Set another PIN by the password."""
    await accounts.pins.reset(state, body.password, body.new_pin, now)
    elevated_until = state.elevated_until if state.is_elevated(now) else None
    return PinStatusAnswer.of(PinStatus(True, None, elevated_until))


@router.get("/status")
async def get_status(state: GuardianSignIn, accounts: TheAccounts, now: Now) -> PinStatusAnswer:
    """Whether there is a PIN, and what this sign-in may do with it."""
    return PinStatusAnswer.of(await accounts.pins.get_status(state, now))
