"""Who calls, for routes of every domain: FastAPI dependencies and their `Annotated` types.

SignedPrincipal       the token is genuine; nothing was asked of the database
TokenExpiry           when the caller's token lapses
CurrentPrincipal      a person or a device whose sign-in or pairing holds now (one statement)
CurrentUser           a person
CurrentGuardian       a guardian of a household
GuardianSignIn        the same with the sign-in's state, to decide about elevation later
ElevatedGuardian      a guardian who gave the PIN in the last 15 minutes
StartingGuardian      the same, or any guardian while the household has no PIN yet
CurrentAdmin          an administrator; others by `require_role`

Refusals: 401 core/unauthenticated, 401 accounts/device-revoked, 403 core/forbidden,
403 accounts/pin-required. Source: 03, sections 6 and 7.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from watchkeeper.accounts.problems import DeviceNoLongerPaired, PinRequired
from watchkeeper.accounts.service import Accounts
from watchkeeper.accounts.types import SignInState
from watchkeeper.core.auth import DevicePrincipal, Principal, Role, UserPrincipal
from watchkeeper.core.floor import Floor
from watchkeeper.core.problems import Forbidden, Unauthenticated

_bearer = HTTPBearer(auto_error=False, description="An access token or a device token.")


async def get_accounts(request: Request) -> Accounts:
    """The use cases of accounts."""
    accounts: Accounts = request.app.state.accounts
    return accounts


async def get_now(request: Request) -> datetime:
    """The instant of this request: the clock is read once, and everything sees the same time."""
    floor: Floor = request.app.state.floor
    return floor.clock.now()


TheAccounts = Annotated[Accounts, Depends(get_accounts)]
Now = Annotated[datetime, Depends(get_now)]
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def get_signed_principal(request: Request, now: Now, credentials: _Credentials) -> Principal:
    """The caller whom the token names; whether that still holds isn't asked."""
    if credentials is None:
        raise Unauthenticated
    floor: Floor = request.app.state.floor
    principal = floor.signer.read(credentials.credentials, now)
    # For the request's line in the log, which shows a pseudonym of it.
    request.state.household_id = principal.household_id
    return principal


SignedPrincipal = Annotated[Principal, Depends(get_signed_principal)]


async def get_token_expiry(
    request: Request, _principal: SignedPrincipal, credentials: _Credentials
) -> datetime | None:
    """When the caller's token lapses, None for a device's; for answers that last longer."""
    assert credentials is not None, "the principal was read from it"
    floor: Floor = request.app.state.floor
    return floor.signer.expires_at(credentials.credentials)


TokenExpiry = Annotated[datetime | None, Depends(get_token_expiry)]


async def get_sign_in(principal: SignedPrincipal, accounts: TheAccounts) -> SignInState | None:
    """The caller's sign-in as it is now; None for a device."""
    if isinstance(principal, DevicePrincipal):
        return None
    state = await accounts.sign_ins.find_state(principal)
    if state is None:
        raise Unauthenticated(log="the sign-in has ended")
    return state


_SignIn = Annotated[SignInState | None, Depends(get_sign_in)]


async def get_current_principal(
    principal: SignedPrincipal, state: _SignIn, accounts: TheAccounts
) -> Principal:
    """The caller, with the roles that they have now."""
    if state is not None:
        return state.principal
    assert isinstance(principal, DevicePrincipal)
    if not await accounts.devices.is_paired(principal):
        raise DeviceNoLongerPaired
    return principal


CurrentPrincipal = Annotated[Principal, Depends(get_current_principal)]


async def get_current_user(principal: CurrentPrincipal) -> UserPrincipal:
    """The signed-in person; a device is refused."""
    if isinstance(principal, DevicePrincipal):
        raise Forbidden("A child's device may not do this.")
    return principal


CurrentUser = Annotated[UserPrincipal, Depends(get_current_user)]


async def get_guardian(user: CurrentUser) -> UserPrincipal:
    """The signed-in guardian."""
    if not user.is_guardian:
        raise Forbidden
    return user


CurrentGuardian = Annotated[UserPrincipal, Depends(get_guardian)]


async def get_guardian_sign_in(_guardian: CurrentGuardian, state: _SignIn) -> SignInState:
    """The guardian's sign-in with its elevation."""
    assert state is not None
    return state


GuardianSignIn = Annotated[SignInState, Depends(get_guardian_sign_in)]


async def get_elevated_guardian(state: GuardianSignIn, now: Now) -> UserPrincipal:
    """The guardian who gave the PIN."""
    if not state.is_elevated(now):
        raise PinRequired(has_pin=state.has_pin)
    return state.principal


ElevatedGuardian = Annotated[UserPrincipal, Depends(get_elevated_guardian)]


async def get_starting_guardian(state: GuardianSignIn, now: Now) -> UserPrincipal:
    """The guardian who gave the PIN, or whose family has none yet, so that it can start."""
    if state.has_pin and not state.is_elevated(now):
        raise PinRequired(has_pin=True)
    return state.principal


StartingGuardian = Annotated[UserPrincipal, Depends(get_starting_guardian)]


def require_role(*roles: Role) -> Callable[[UserPrincipal], Awaitable[UserPrincipal]]:
    """A dependency that lets through people who have one of `roles`."""

    async def check(user: CurrentUser) -> UserPrincipal:
        if user.roles.isdisjoint(roles):
            raise Forbidden
        return user

    return check


CurrentAdmin = Annotated[UserPrincipal, Depends(require_role(Role.ADMIN))]


async def check_pin(request: Request, principal: Principal, pin: str) -> None:
    """Return when `pin` is the household's; for calls that take a PIN instead of an elevation.

    Raises `PinNotSet` (409), `WrongPin` (403), `PinLocked` (423), or `Overloaded` (503).
    """
    accounts = await get_accounts(request)
    await accounts.pin_checks.check(principal, pin, await get_now(request))


async def require_elevated(request: Request, principal: Principal) -> None:
    """Return when the caller is an elevated guardian; for calls that need that only sometimes.

    Raises `Forbidden` or `PinRequired` (403).
    """
    if not isinstance(principal, UserPrincipal) or not principal.is_guardian:
        raise Forbidden
    accounts = await get_accounts(request)
    state = await accounts.sign_ins.find_state(principal)
    if state is None:
        raise Unauthenticated(log="the sign-in has ended")
    if not state.is_elevated(await get_now(request)):
        raise PinRequired(has_pin=state.has_pin)
