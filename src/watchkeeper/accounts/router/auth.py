"""`/auth`: registration, sign-in, refresh, sign-out, password."""

from fastapi import APIRouter, Request, Response, status

from watchkeeper.accounts import rules
from watchkeeper.accounts.dependencies import CurrentUser, Now, TheAccounts
from watchkeeper.accounts.router.refresh_cookie import clear_cookie, read_cookie
from watchkeeper.accounts.router.signed_in import address_of, answer_with_tokens, client_of
from watchkeeper.accounts.schemas import (
    HouseholdAnswer,
    MeAnswer,
    PasswordRequest,
    RefreshRequest,
    RegisterRequest,
    SignInAnswer,
    SignInRequest,
    UserAnswer,
)
from watchkeeper.core.problem_documents import problem_responses

router = APIRouter(prefix="/auth", tags=["auth"], responses=problem_responses(401, 403, 409, 429))


@router.post("/register", status_code=status.HTTP_201_CREATED)
async def register(
    body: RegisterRequest, request: Request, response: Response, accounts: TheAccounts, now: Now
) -> SignInAnswer:
    """Open a family's account, and sign its first guardian in."""
    signed_in = await accounts.registration.register(
        email=body.email,
        password=body.password,
        household_name=body.household_name,
        timezone=body.timezone,
        address=address_of(request),
        client=client_of(request),
        now=now,
    )
    return answer_with_tokens(request, response, signed_in, now)


@router.post("/login")
async def login(
    body: SignInRequest, request: Request, response: Response, accounts: TheAccounts, now: Now
) -> SignInAnswer:
    """Sign in with e-mail address and password."""
    signed_in = await accounts.sign_ins.sign_in(
        body.email,
        body.password,
        address=address_of(request),
        client=client_of(request),
        now=now,
    )
    return answer_with_tokens(request, response, signed_in, now)


@router.post("/refresh")
async def refresh(
    request: Request,
    response: Response,
    accounts: TheAccounts,
    now: Now,
    body: RefreshRequest | None = None,
) -> SignInAnswer:
    """Exchange a refresh token, from the body or the browser's cookie, for new tokens."""
    token = body.refresh_token if body else read_cookie(request)
    signed_in = await accounts.sign_ins.refresh(token, now)
    return answer_with_tokens(request, response, signed_in, now)


@router.post("/logout", status_code=status.HTTP_204_NO_CONTENT)
async def logout(
    request: Request,
    response: Response,
    accounts: TheAccounts,
    now: Now,
    body: RefreshRequest | None = None,
) -> None:
    """End the sign-in of a refresh token, from the body or the browser's cookie."""
    token = body.refresh_token if body else read_cookie(request)
    await accounts.sign_ins.sign_out(token, now)
    clear_cookie(response)


@router.get("/me")
async def me(user: CurrentUser, accounts: TheAccounts) -> MeAnswer:
    """Who is signed in, and what they may do."""
    person, household = await accounts.users.get_with_household(user)
    return MeAnswer(
        user=UserAnswer.of(person),
        household=HouseholdAnswer.of(household) if household else None,
        roles=sorted(user.roles),
        permissions=rules.permissions_of(user.roles),
    )


@router.post("/password", status_code=status.HTTP_204_NO_CONTENT)
async def change_password(
    body: PasswordRequest, user: CurrentUser, accounts: TheAccounts, now: Now
) -> None:
    """Change the password; the person's other sign-ins end."""
    await accounts.sign_ins.change_password(user, body.current_password, body.new_password, now)
