"""A reader of the stream of events, in this process and without a socket.

httpx's transport for applications gathers the whole answer before it hands it over; this one takes
each piece as it comes, and can stop reading.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from starlette.types import Message, Scope

from tests.harness.family import API, bearer
from tests.harness.service import Service
from watchkeeper.core.event_stream import ABORT

EVENTS = f"{API}/viewing-time/events"
_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Event:
    """One event as a browser would see it."""

    name: str
    data: Any


class Reader:
    """One open connection. `status` and `headers` are there once it is open."""

    def __init__(self) -> None:
        self.status = 0
        self.headers = httpx.Headers()
        self.was_aborted = False
        self.comments = 0
        self.body = b""
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._begun = asyncio.Event()
        self._reads = asyncio.Event()
        self._reads.set()
        self._gone = asyncio.Event()

    # What the application talks to.

    async def receive(self) -> Message:
        """Nothing until the reader hangs up."""
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a piece of the answer, once this reader reads."""
        await self._reads.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = httpx.Headers(message["headers"])
            self._begun.set()
            return
        self._take(message.get("body", b""))
        if not message.get("more_body", False):
            self._events.put_nowait(None)

    def _take(self, piece: bytes) -> None:
        self.body += piece
        if "event-stream" not in self.headers.get("content-type", ""):
            return
        for block in piece.decode().split("\n\n"):
            fields = [line.partition(": ")[::2] for line in block.splitlines()]
            given = dict(fields)
            self.comments += "" in given
            if "event" in given:
                self._events.put_nowait(Event(given["event"], json.loads(given["data"])))

    # What a test asks.

    async def begins(self) -> "Reader":
        """Wait for the status."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await self._begun.wait()
        return self

    async def next(self) -> Event:
        """The next event; fails when the stream ends."""
        event = await self._next()
        assert event is not None, "the stream has ended"
        return event

    async def expects(self, name: str) -> Any:
        """The data of the next event, which has that name."""
        event = await self.next()
        assert event.name == name, event
        return event.data

    async def ends(self) -> list[Event]:
        """Wait for the end of the stream; returns what came before it."""
        events = []
        while (event := await self._next()) is not None:
            events.append(event)
        return events

    async def _next(self) -> Event | None:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await self._events.get()

    @property
    def unread(self) -> int:
        """Events that arrived and weren't asked for."""
        return self._events.qsize()

    def stop_reading(self) -> None:
        """Leave the rest of the answer in the connection."""
        self._reads.clear()

    def hang_up(self) -> None:
        """Close the connection."""
        self._gone.set()

    def abort(self) -> None:
        """The application broke the connection off."""
        self.was_aborted = True
        self._gone.set()

    def end(self) -> None:
        """The application is done with this request."""
        self._events.put_nowait(None)


@asynccontextmanager
async def reading(
    service: Service, token: str | None, *, method: str = "GET"
) -> AsyncIterator[Reader]:
    """Open the stream of events with a token, and hang up at the end of the block.

    What was announced before isn't told in it: the service has heard that first.
    """
    if service.floor.listener.is_connected:
        await service.hear_out()
    reader = Reader()
    headers = bearer(token) if token else {}
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": EVENTS,
        "raw_path": EVENTS.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 4711),
        "server": ("watchkeeper.test", 80),
        "state": {},
        "extensions": {ABORT: {"abort": reader.abort}},
    }
    task = asyncio.create_task(service.app(scope, reader.receive, reader.send))
    task.add_done_callback(lambda _: reader.end())
    try:
        yield await reader.begins()
    finally:
        reader.hang_up()
        reader._reads.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await task
