"""A service of a few lines for the generator's tests: it answers when the test lets it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from bench.wire import Address

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass(slots=True)
class StallServer:
    """Keeps what it was sent. While `gate` is closed, nothing is answered."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    status_of: Callable[[dict[str, Any]], int] = lambda _body: 200
    hang_up_on: Callable[[dict[str, Any]], bool] = lambda _body: False
    most_at_once: int = 0
    address: Address = field(default_factory=lambda: Address("127.0.0.1", 0))
    _at_once: int = 0
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def received(self, count: int) -> None:
        """Wait until so many requests have come in altogether."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.bodies) >= count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while not reader.at_eof():
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                assert length is not None
                body = json.loads(await reader.readexactly(int(length[1])))
                self.tokens.append(head.decode().partition("Bearer ")[2].partition("\r\n")[0])
                async with self._arrived:
                    self.bodies.append(body)
                    self._arrived.notify_all()
                if self.hang_up_on(body):
                    break
                await self._answer(body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await self.gate.wait()
        self._at_once -= 1
        answer = {"session_id": body.get("session_id") or str(uuid4()), "enforcement": "allowed"}
        data = json.dumps(answer, separators=(",", ":")).encode()
        head = f"HTTP/1.1 {self.status_of(body)} X\r\nContent-Length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        await writer.drain()


@asynccontextmanager
async def stall_server() -> AsyncIterator[StallServer]:
    """A listening server whose gate is open."""
    stalling = StallServer()
    stalling.gate.set()
    server = await asyncio.start_server(stalling.serve, "127.0.0.1", 0)
    stalling.address = Address("127.0.0.1", server.sockets[0].getsockname()[1])
    async with server:
        yield stalling
        server.close()
