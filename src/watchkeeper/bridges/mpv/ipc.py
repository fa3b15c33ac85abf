"""mpv's JSON IPC: one JSON document a line over a unix socket.

Source: mpv's manual, "JSON IPC".
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

REPLY_WITHIN_SECONDS = 5.0
LONGEST_LINE_BYTES = 4 * 1024 * 1024

Event = dict[str, Any]


class MpvGone(Exception):  # noqa: N818 - reads better where it is caught
    """mpv has quit, or doesn't answer any more."""


class MpvRefused(Exception):  # noqa: N818 - reads better where it is caught
    """mpv answered a command with an error, such as a property that it doesn't have now."""


class MpvConnection:
    """A connection to one mpv. Replies arrive only while `events` is being read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ids = count(1)
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._is_gone = False

    @classmethod
    async def open(cls, socket: Path) -> "MpvConnection":
        """Connect to mpv's socket. Raises OSError while no mpv listens there."""
        reader, writer = await asyncio.open_unix_connection(str(socket), limit=LONGEST_LINE_BYTES)
        return cls(reader, writer)

    async def events(self) -> AsyncIterator[Event]:
        """Everything that mpv says by itself, until it quits."""
        try:
            while line := await self._read_line():
                message = _parse(line)
                if "request_id" in message and "event" not in message:
                    self._settle(message)
                elif message:
                    yield message
        finally:
            self._fail_waiting()

    async def command(self, *words: Any) -> Any:
        """Run a command and return what it answers.

        Raises MpvRefused for an error, MpvGone when there is no answer.
        """
        if self._is_gone:
            raise MpvGone
        request_id = next(self._ids)
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._replies[request_id] = reply
        request = json.dumps({"command": list(words), "request_id": request_id})
        try:
            self._writer.write(request.encode() + b"\n")
            async with asyncio.timeout(REPLY_WITHIN_SECONDS):
                await self._writer.drain()
                return await reply
        except (TimeoutError, ConnectionError) as error:
            raise MpvGone from error
        finally:
            self._replies.pop(request_id, None)

    async def find_property(self, name: str) -> Any:
        """A property's value, or None if mpv doesn't have it now."""
        try:
            return await self.command("get_property", name)
        except MpvRefused:
            return None

    async def aclose(self) -> None:
        """Close the socket; mpv goes on."""
        self._fail_waiting()
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _read_line(self) -> bytes:
        try:
            return await self._reader.readline()
        except (ConnectionError, ValueError):
            # A line beyond the limit is a ValueError; no message of mpv's is that long.
            return b""

    def _settle(self, message: Event) -> None:
        reply = self._replies.get(message["request_id"])
        if reply is None or reply.done():
            return
        if message.get("error") == "success":
            reply.set_result(message.get("data"))
        else:
            reply.set_exception(MpvRefused(message.get("error")))

    def _fail_waiting(self) -> None:
        self._is_gone = True
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(MpvGone())


def _parse(line: bytes) -> Event:
    # mpv passes file names on as they are, also those that aren't UTF-8.
    try:
        message = json.loads(line.decode(errors="replace"))
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
