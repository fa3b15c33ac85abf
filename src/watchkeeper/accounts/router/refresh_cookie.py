"""The browser's refresh token: a cookie that scripts can't read and other sites can't use.

Three things keep another site from using it: SameSite=Strict, the header ``X-Client: browser``,
which a form can't send and a script only after a preflight, and the origin, if one is given.
Source: 07, Security.
"""

from datetime import datetime
from urllib.parse import urlsplit

from fastapi import Request, Response

from watchkeeper.accounts.problems import ForeignOrigin
from watchkeeper.accounts.types import SignedIn
from watchkeeper.core.config import SecuritySettings, ServerSettings
from watchkeeper.core.problems import Unauthenticated

NAME = "watchkeeper_refresh"
PATH = "/api/v1/auth"


def is_browser(request: Request) -> bool:
    """Whether the client asks for the cookie instead of a token in the answer."""
    return request.headers.get("x-client", "").lower() == "browser"


def set_cookie(request: Request, response: Response, signed_in: SignedIn, now: datetime) -> None:
    """Hand the refresh token to the browser."""
    security: SecuritySettings = request.app.state.settings.security
    response.set_cookie(
        NAME,
        signed_in.refresh_token,
        max_age=int((signed_in.refresh_expires_at - now).total_seconds()),
        path=PATH,
        secure=security.secure_cookies or request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def clear_cookie(response: Response) -> None:
    """Take the refresh token from the browser."""
    response.delete_cookie(NAME, path=PATH, httponly=True, samesite="strict")


def read_cookie(request: Request) -> str:
    """The browser's refresh token.

    Raises `Unauthenticated` (401) when there is none, `ForeignOrigin` (403) when the request
    may come from another site.
    """
    token = request.cookies.get(NAME)
    if not token:
        raise Unauthenticated(log="no refresh token")
    if not is_browser(request) or not _is_own_origin(request):
        raise ForeignOrigin
    return token


def _is_own_origin(request: Request) -> bool:
    origin = request.headers.get("origin")
    if origin is None:
        return True
    server: ServerSettings = request.app.state.settings.server
    # The scheme isn't compared: behind TLS, the service itself sees plain HTTP.
    return origin in server.cors_origins or (
        urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
    )
