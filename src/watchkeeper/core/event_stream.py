"""Server-sent events on one connection: a bounded outbox, and the answer that empties it.

Whoever has news puts it into the outbox and never waits. A reader that doesn't keep up is dropped:
its connection is broken off, and it may come back for a fresh start. Decision 0017 says why this
isn't the framework's own answer.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Generic, TypeVar

from fastapi.sse import KEEPALIVE_COMMENT
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

T = TypeVar("T")

ABORT = "watchkeeper.abort"
"""The scope's extension by which a server lets us break a connection off; see `core.abortable`."""

LONGEST_SEND_SECONDS = 30.0
"""How long a reader may leave one event unread once its connection's buffers are full."""

_LAST_WORD_SECONDS = 0.1


class Ending(StrEnum):
    """Why a stream is over."""

    LEFT = "left"
    TOO_SLOW = "too_slow"
    REVOKED = "revoked"
    EXPIRED = "expired"
    STOPPED = "stopped"


class OutboxClosed(Exception):  # noqa: N818 - reads better where it is caught
    """Nothing more is to be sent."""


class Outbox(Generic[T]):
    """What waits to be sent on one connection. All calls come from the event loop."""

    __slots__ = ("_arrival", "_limit", "_patience", "_waiting", "ending")

    def __init__(self, limit: int) -> None:
        """`limit` is how many events may wait; one more closes the outbox as too slow."""
        self.ending: Ending | None = None
        self._limit = limit
        self._waiting: list[T] = []
        self._arrival: asyncio.Future[None] | None = None
        self._patience: asyncio.Timeout | None = None

    def put(self, event: T) -> None:
        """Add an event to what waits; never waits itself."""
        if self.ending is not None:
            return
        if len(self._waiting) >= self._limit:
            self.close(Ending.TOO_SLOW)
            return
        self._waiting.append(event)
        self._wake()

    def close(self, ending: Ending) -> None:
        """End the stream at once; what waits isn't sent any more. Only the first call counts."""
        if self.ending is not None:
            return
        self.ending = ending
        self._waiting.clear()
        self._wake()
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def take(self, within_seconds: float) -> T | None:
        """The next event, or None when there was none for so long. Raises `OutboxClosed`."""
        if not self._waiting and self.ending is None:
            self._arrival = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(within_seconds):
                    await self._arrival
            except TimeoutError:
                return None
            finally:
                self._arrival = None
        if self.ending is not None:
            raise OutboxClosed
        return self._waiting.pop(0)

    async def hand_over(self, sending: Awaitable[None], *, within_seconds: float) -> None:
        """Wait until a piece has been sent, but no longer than that, nor once this is closed."""
        try:
            async with asyncio.timeout(within_seconds) as self._patience:
                await sending
        except TimeoutError:
            self.close(Ending.TOO_SLOW)
            raise OutboxClosed from None
        finally:
            self._patience = None

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)


class EventStream(Response, Generic[T]):
    """An answer that lasts: the events of an outbox, and a comment when there are none.

    One task for the connection and a small one that hears when the caller goes.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        outbox: Outbox[T],
        encode: Callable[[T], bytes],
        *,
        keep_alive_seconds: float,
        on_end: Callable[[], None],
        send_seconds: float = LONGEST_SEND_SECONDS,
    ) -> None:
        """`on_end` is called once, however it ends."""
        self.status_code = 200
        self.background = None
        self.body = b""
        # Proxies that buffer answers would keep the events; nginx is told by this header.
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        # An answer without an end has no length.
        del self.headers["content-length"]
        self._outbox = outbox
        self._encode = encode
        self._keep_alive_seconds = keep_alive_seconds
        self._send_seconds = send_seconds
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The request's line and its time are told when the stream begins, not when it ends.
        scope.setdefault("state", {})["is_stream"] = True
        hearing = asyncio.create_task(_hear_the_caller_go(receive, self._outbox))
        try:
            with contextlib.suppress(OutboxClosed):
                await self._send_events(send)
            await self._finish(scope, send)
        finally:
            self._outbox.close(Ending.LEFT)
            hearing.cancel()
            self._on_end()

    async def _send_events(self, send: Send) -> None:
        start: Message = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(start)
        while True:
            event = await self._outbox.take(self._keep_alive_seconds)
            piece = KEEPALIVE_COMMENT if event is None else self._encode(event)
            await self._outbox.hand_over(
                send(_part(piece, is_last=False)), within_seconds=self._send_seconds
            )

    async def _finish(self, scope: Scope, send: Send) -> None:
        """End the answer properly, or break the connection of a reader that doesn't read."""
        if self._outbox.ending is Ending.LEFT:
            return
        if self._outbox.ending is not Ending.TOO_SLOW:
            with contextlib.suppress(TimeoutError):
                # At once or not at all: the caller may have stopped reading, too.
                async with asyncio.timeout(_LAST_WORD_SECONDS):
                    await send(_part(b"", is_last=True))
                return
        abort = scope.get("extensions", {}).get(ABORT)
        if abort is not None:
            abort["abort"]()
            # The server notes the end of the connection in its next turns, and then doesn't miss
            # the rest of the answer.
            await asyncio.sleep(0)
            await asyncio.sleep(0)


async def _hear_the_caller_go(receive: Receive, outbox: Outbox[T]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    outbox.close(Ending.LEFT)


def _part(body: bytes, *, is_last: bool) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": not is_last}
