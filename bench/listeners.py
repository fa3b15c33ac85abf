"""Readers of the stream of events: many in one process, by hand like the rest of the wire."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bench.service import BenchError
from bench.wire import Address, WireError
from watchkeeper.client import ServerEvent
from watchkeeper.client.events import EventReader

_EVENTS_PATH = "/api/v1/viewing-time/events"
_OPEN_LIMIT_SECONDS = 60.0
_OPENING_AT_ONCE = 50


@dataclass(slots=True)
class Listener:
    """One open stream. Events are queued with the time at which they came, or only counted."""

    keeps_events: bool
    events: "asyncio.Queue[tuple[ServerEvent, float]]" = field(default_factory=asyncio.Queue)
    heard: int = 0
    pieces: int = 0
    _writer: asyncio.StreamWriter | None = None
    _reading: "asyncio.Task[None] | None" = None

    async def open(self, address: Address, token: str) -> None:
        """Connect, and return once the snapshot came. Raises `BenchError`."""
        try:
            async with asyncio.timeout(_OPEN_LIMIT_SECONDS):
                reader, self._writer = await asyncio.open_connection(address.host, address.port)
                self._writer.write(
                    f"GET {_EVENTS_PATH} HTTP/1.1\r\nHost: {address.host}:{address.port}\r\n"
                    f"Authorization: Bearer {token}\r\n\r\n".encode()
                )
                head = await reader.readuntil(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 200"):
                    raise BenchError(f"no stream could be opened: {head[:40]!r}")
                parsed = EventReader()
                while not self.heard:
                    await self._take(reader, parsed)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise BenchError(f"no stream could be opened: {error!r}") from error
        self._reading = asyncio.create_task(self._read_on(reader, parsed))

    async def _read_on(self, reader: asyncio.StreamReader, parsed: EventReader) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                await self._take(reader, parsed)

    async def _take(self, reader: asyncio.StreamReader, parsed: EventReader) -> None:
        size = int(await reader.readuntil(b"\r\n"), 16)
        if size == 0:
            raise WireError("the service ended the stream")
        piece = await reader.readexactly(size + 2)
        now = time.monotonic()
        self.pieces += 1
        for event in parsed.feed(piece[:-2]):
            self.heard += 1
            if self.keeps_events:
                self.events.put_nowait((event, now))

    @property
    def is_open(self) -> bool:
        """Whether the service still sends."""
        return self._reading is not None and not self._reading.done()

    async def close(self) -> None:
        """Hang up."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()


@asynccontextmanager
async def listening(
    address: Address, tokens: Sequence[str], *, keeps_events: bool
) -> AsyncIterator[list[Listener]]:
    """A stream for each token, for the time of a block; raises `BenchError`."""
    listeners = [Listener(keeps_events) for _ in tokens]
    turns = asyncio.Semaphore(_OPENING_AT_ONCE)

    async def open_one(listener: Listener, token: str) -> None:
        async with turns:
            await listener.open(address, token)

    try:
        pairs = zip(listeners, tokens, strict=True)
        await asyncio.gather(*(open_one(listener, token) for listener, token in pairs))
        yield listeners
    finally:
        await asyncio.gather(*(listener.close() for listener in listeners))
