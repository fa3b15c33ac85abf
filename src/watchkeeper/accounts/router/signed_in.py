"""What calls that sign somebody in have in common: who asks, and how tokens are handed over."""

from datetime import datetime

from fastapi import Request, Response

from watchkeeper.accounts.router.refresh_cookie import is_browser, set_cookie
from watchkeeper.accounts.schemas import SignInAnswer
from watchkeeper.accounts.types import SignedIn


def address_of(request: Request) -> str | None:
    """The caller's network address, for limits."""
    return request.client.host if request.client else None


def client_of(request: Request) -> str:
    """What the person signs in with, for a list of sign-ins; only printable characters."""
    agent = request.headers.get("user-agent", "")[:200]
    return "".join(char for char in agent if char.isprintable()) or "unknown"


def answer_with_tokens(
    request: Request, response: Response, signed_in: SignedIn, now: datetime
) -> SignInAnswer:
    """The answer to a new sign-in; browsers get the refresh token as a cookie."""
    if is_browser(request):
        set_cookie(request, response, signed_in, now)
    return SignInAnswer.of(signed_in, with_refresh_token=not is_browser(request))
