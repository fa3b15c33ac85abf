"""An answer that lasts, on a real socket: readers that keep up, and one that doesn't."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from watchkeeper.cli.serve import config_of
from watchkeeper.core.config import ServerSettings
from watchkeeper.core.event_stream import Ending, EventStream, Outbox, OutboxClosed

PIECE = b"x" * 65_536
LIMIT = 8
REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"


class Lasting:
    """An application that answers everything with a stream; the outboxes are in its hands."""

    def __init__(self, *, send_seconds: float = 30) -> None:
        self.outboxes: asyncio.Queue[Outbox[bytes]] = asyncio.Queue()
        self.ended: asyncio.Queue[Ending | None] = asyncio.Queue()
        self._send_seconds = send_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        outbox: Outbox[bytes] = Outbox(LIMIT)
        answer = EventStream(
            outbox,
            lambda event: event,
            keep_alive_seconds=30,
            on_end=lambda: self.ended.put_nowait(outbox.ending),
            send_seconds=self._send_seconds,
        )
        self.outboxes.put_nowait(outbox)
        await answer(scope, receive, send)


@asynccontextmanager
async def served(app: Lasting) -> AsyncIterator[tuple[str, int]]:
    """The application behind the server that the service has."""
    listening = socket.create_server(("127.0.0.1", 0))
    settings = ServerSettings(shutdown_seconds=1)
    server = uvicorn.Server(config_of(app, settings))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield listening.getsockname()[:2]
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def connected(address: tuple[str, int]) -> AsyncIterator[socket.socket]:
    """A connection with a small buffer, on which a request has been sent."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, address)
        await loop.sock_sendall(client, REQUEST)
        yield client


async def read_to_the_end(client: socket.socket) -> bytes:
    received = b""
    while piece := await asyncio.get_running_loop().sock_recv(client, 1 << 20):
        received += piece
    return received


async def was_cut_off(client: socket.socket) -> None:
    """What had left the service may still be read, but it doesn't end as an answer does."""
    with contextlib.suppress(ConnectionError):
        assert not (await read_to_the_end(client)).endswith(b"0\r\n\r\n")


async def fill(outbox: Outbox[bytes], app: Lasting) -> None:
    """Put events until the reader is dropped; each one gets its turn to be sent first."""
    while outbox.ending is None:
        outbox.put(PIECE)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert await app.ended.get() is Ending.TOO_SLOW


async def test_a_reader_that_stops_is_cut_off_while_another_gets_everything(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Lasting()
    async with asyncio.timeout(30), served(app) as address, connected(address) as stuck:
        slow = await app.outboxes.get()
        async with connected(address) as healthy:
            quick = await app.outboxes.get()
            reading = asyncio.create_task(read_to_the_end(healthy))
            quick.put(b"first")
            await fill(slow, app)
            await was_cut_off(stuck)
            quick.close(Ending.STOPPED)
            assert await app.ended.get() is Ending.STOPPED
            received = await reading
            assert b"first" in received
            assert received.endswith(b"0\r\n\r\n")
    assert not caplog.records, "a reader that was dropped is no fault of ours"


async def test_a_reader_that_leaves_one_event_unread_for_too_long_is_cut_off() -> None:
    app = Lasting(send_seconds=0.05)
    async with asyncio.timeout(30), served(app) as address, connected(address) as stuck:
        outbox = await app.outboxes.get()
        # Fewer events than may wait, and far more bytes than the buffers on the way take.
        for _ in range(LIMIT):
            outbox.put(b"x" * 4_000_000)
        assert await app.ended.get() is Ending.TOO_SLOW
        await was_cut_off(stuck)


async def test_the_end_of_a_credential_cuts_off_a_reader_that_stopped() -> None:
    app = Lasting()
    async with asyncio.timeout(30), served(app) as address, connected(address) as stuck:
        outbox = await app.outboxes.get()
        for _ in range(LIMIT):
            outbox.put(b"x" * 4_000_000)
        # The first fills the connection, the second waits for it.
        while len(outbox._waiting) > LIMIT - 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        outbox.close(Ending.REVOKED)
        assert await app.ended.get() is Ending.REVOKED
        await was_cut_off(stuck)


async def test_a_caller_who_goes_ends_the_stream() -> None:
    app = Lasting()
    async with asyncio.timeout(30), served(app) as address:
        async with connected(address):
            outbox = await app.outboxes.get()
            outbox.put(b"first")
        assert await app.ended.get() is Ending.LEFT
        outbox.put(b"nobody hears this")
        with pytest.raises(OutboxClosed):
            await outbox.take(1)


async def test_an_outbox_takes_no_more_than_its_limit() -> None:
    outbox: Outbox[int] = Outbox(2)
    outbox.put(1)
    outbox.put(2)
    assert await outbox.take(1) == 1
    outbox.put(3)
    assert await outbox.take(1) == 2
    for number in (4, 5):
        outbox.put(number)
    outbox.close(Ending.REVOKED)
    assert outbox.ending is Ending.TOO_SLOW, "the first reason stays"
    with pytest.raises(OutboxClosed):
        await outbox.take(1)


async def test_an_outbox_tells_that_nothing_came() -> None:
    assert await Outbox[int](1).take(0.001) is None
