"""What is wrong with a request whatever it asks for: host, address, size and kind of body."""

from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from watchkeeper.core.problems import (
    BodyTooLarge,
    InvalidRequest,
    MalformedRequest,
    Problem,
    UnknownHost,
    UnsupportedMediaType,
)

_NAME_LENGTH = 100
_WITH_BODY = {"POST", "PUT", "PATCH", "DELETE"}


class HeadAsGet:
    """Answers HEAD as GET without the body, as HTTP asks of every resource that has GET."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            # The end follows at once, because an answer that lasts would never send it.
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})

        # A copy: the server looks at its own to know that no body follows.
        await self.app({**scope, "method": "GET"}, receive, send_without_body)


class HostCheck:
    """Refuses requests that are addressed to another name, as after DNS rebinding."""

    def __init__(self, app: ASGIApp, allowed: tuple[str, ...]) -> None:
        """`allowed` are names without port; ``*.example.com`` stands for all below it."""
        self.app = app
        self._names = {name.lower() for name in allowed if not name.startswith("*.")}
        self._suffixes = tuple(name[1:].lower() for name in allowed if name.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_ours(Headers(scope=scope).get("host", "")):
            raise UnknownHost("This service doesn't go by that host name.")
        await self.app(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        bracketed, _, _ = host.partition("]")
        name = f"{bracketed}]" if host.startswith("[") else host.partition(":")[0]
        name = name.lower().rstrip(".")
        return name in self._names or (bool(self._suffixes) and name.endswith(self._suffixes))


class AddressCheck:
    """Refuses NUL characters in path and query: no value has one, and PostgreSQL stores none."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if "\0" in scope["path"]:
                raise MalformedRequest("The address contains a NUL character.")
            if b"%00" in scope.get("query_string", b""):
                raise _nul_in_query(scope["query_string"].decode("latin-1"))
        await self.app(scope, receive, send)


def _nul_in_query(query: str) -> Problem:
    for name, value in parse_qsl(query, keep_blank_values=True):
        if "\0" in value and name.isprintable():
            return InvalidRequest.field(name[:_NAME_LENGTH], "must not contain control characters")
    return MalformedRequest("The address contains a NUL character.")


class BodyLimit:
    """Refuses bodies that are too large or aren't JSON, before anything reads them."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in _WITH_BODY:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_chunked = "transfer-encoding" in headers
        length = self._length(headers.get("content-length", "0"))
        if length > self._max_bytes:
            raise BodyTooLarge(f"A request may have at most {self._max_bytes} bytes.")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if (length > 0 or is_chunked) and kind != "application/json":
            raise UnsupportedMediaType()
        if is_chunked:
            receive = _bounded(receive, self._max_bytes)
        await self.app(scope, receive, send)

    @staticmethod
    def _length(text: str) -> int:
        if not (text.isascii() and text.isdigit()):
            raise MalformedRequest("The header Content-Length isn't a number.")
        return int(text) if len(text) < 20 else 10**20


def _bounded(receive: Receive, max_bytes: int) -> Receive:
    """Receive a body whose length wasn't announced, until it turns out to be too large.

    That is said by the framework's own exception: its reader of bodies turns any other into 400.
    """
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > max_bytes:
                raise HTTPException(BodyTooLarge.status)
        return message

    return receive_bounded
