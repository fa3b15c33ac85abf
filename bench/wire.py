"""HTTP/1.1 by hand: cheap enough that the load generator doesn't measure itself."""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


class WireError(Exception):
    """The peer spoke something that this reader doesn't understand, or hung up."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service listens."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Address":
        """Read `http://host:port`."""
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"'{url}' isn't an address such as http://127.0.0.1:8000")
        return cls(parts.hostname, parts.port or 80)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: status code and body."""

    status: int
    body: bytes


def request_head(method: str, path: str, address: Address, token: str | None = None) -> bytes:
    """Everything of a request that stays the same, up to the length of a JSON body."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return (
        f"{method} {path} HTTP/1.1\r\nHost: {address.host}:{address.port}\r\n{authorization}"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()


def with_body(head: bytes, body: bytes = b"") -> bytes:
    """A whole request."""
    return b"%b%d\r\n\r\n%b" % (head, len(body), body)


class ResponseReader:
    """Cuts a stream of bytes into responses; understands what has a Content-Length."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Response]:
        """Add bytes and return the responses that they complete; raises `WireError`."""
        self._buffer = self._buffer + data if self._buffer else data
        responses: list[Response] = []
        while (response := self._take()) is not None:
            responses.append(response)
        return responses

    def _take(self) -> Response | None:
        head_end = self._buffer.find(_HEAD_END)
        if head_end < 0:
            return None
        head = self._buffer[:head_end]
        if not head.startswith(b"HTTP/1.1 ") or not head[9:12].isdigit():
            raise WireError("the answer isn't HTTP/1.1")
        status = int(head[9:12])
        length = _CONTENT_LENGTH.search(head)
        if length is None and status != 204:
            raise WireError("the answer has no Content-Length")
        body_start = head_end + len(_HEAD_END)
        body_end = body_start + (int(length[1]) if length else 0)
        if len(self._buffer) < body_end:
            return None
        body = self._buffer[body_start:body_end]
        self._buffer = self._buffer[body_end:]
        return Response(status, body)


OnAnswer = Callable[["Connection", Response | None], None]


class Connection(asyncio.Protocol):
    """One kept-alive connection with at most one request on its way.

    `on_answer` is called with the response, or with None when the connection was lost before one.
    """

    def __init__(self, on_answer: OnAnswer) -> None:
        self._on_answer = on_answer
        self._reader = ResponseReader()
        self._transport: asyncio.WriteTransport | None = None
        self._is_waiting = False

    @property
    def is_open(self) -> bool:
        """Whether a request may be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods without being of the type.
        self._transport = cast("asyncio.WriteTransport", transport)

    def send(self, request: bytes) -> None:
        """Send a request; raises `WireError` when it can't be sent now."""
        if self._transport is None or self._is_waiting:
            raise WireError("the connection can't take a request now")
        self._is_waiting = True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        try:
            responses = self._reader.feed(data)
        except WireError:
            self.close()
            return
        for response in responses:
            self._answer(response)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._answer(None)

    def _answer(self, response: Response | None) -> None:
        if self._is_waiting:
            self._is_waiting = False
            self._on_answer(self, response)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


class Caller:
    """One connection for calls one after the other, with the time that each took."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._answers: deque[asyncio.Future[Response]] = deque()
        self._connection: Connection | None = None

    async def call(self, request: bytes) -> tuple[Response, float]:
        """Send a request and return its answer and seconds; raises `WireError`."""
        loop = asyncio.get_running_loop()
        if self._connection is None or not self._connection.is_open:
            _, self._connection = await loop.create_connection(
                lambda: Connection(self._take), self._address.host, self._address.port
            )
        answer: asyncio.Future[Response] = loop.create_future()
        self._answers.append(answer)
        began = time.monotonic()
        self._connection.send(request)
        response = await answer
        return response, time.monotonic() - began

    def _take(self, _connection: Connection, response: Response | None) -> None:
        answer = self._answers.popleft()
        if answer.done():
            return
        if response is None:
            answer.set_exception(WireError("the service hung up"))
        else:
            answer.set_result(response)

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
