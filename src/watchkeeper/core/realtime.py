"""Announcements between processes over LISTEN/NOTIFY.

Narrow on purpose: a channel name, a short text, and a callback. When the listening connection
was lost, announcements may have been missed, so every listener is told to forget what it knows.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import asyncpg
import structlog
from sqlalchemy import URL

from watchkeeper.core.interruptions import CONNECT_FAILURES, describe
from watchkeeper.core.urls import driver_arguments

log = structlog.get_logger(__name__)

# Short, because until it is back this process may answer from what others have changed.
_RECONNECT_SECONDS = (0.05, 0.1, 0.2, 0.5)
# A connection that a firewall forgot is silent instead of closed.
_PROBE_EVERY_SECONDS = 1.0
_PROBE_TIMEOUT_SECONDS = 3.0
_CONNECT_TIMEOUT_SECONDS = 5.0

OnMessage = Callable[[str], None]
OnGap = Callable[[str], None]


class Listener:
    """One connection that listens for this process, beside the pool."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._channels: defaultdict[str, list[OnMessage]] = defaultdict(list)
        self._gap_actions: list[OnGap] = []
        self.connected = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """Whether announcements reach this process at the moment."""
        return self.connected.is_set()

    def on(self, channel: str, action: OnMessage) -> None:
        """Call `action` with the text of every announcement on `channel`.

        Raises `RuntimeError` once the listener listens: it wouldn't hear the channel.
        """
        if self.is_connected:
            raise RuntimeError(f"channel {channel} was added after listening began")
        self._channels[channel].append(action)

    def on_gap(self, action: OnGap) -> None:
        """Call `action` with a reason whenever announcements may have been missed."""
        self._gap_actions.append(action)

    async def run(self) -> None:
        """Listen for ever; reconnects with a growing pause and reports each gap."""
        failures = 0
        while True:
            was_connected = False
            try:
                await self._listen()
            except CONNECT_FAILURES as error:
                log.warning("listener.lost", error=describe(error))
            finally:
                was_connected = self.is_connected
                self.connected.clear()
            if was_connected:
                failures = 0
                self._report_gap("the listening connection was lost")
            await asyncio.sleep(_RECONNECT_SECONDS[min(failures, len(_RECONNECT_SECONDS) - 1)])
            failures += 1

    async def _listen(self) -> None:
        connection = await asyncpg.connect(
            **driver_arguments(self._url),
            timeout=_CONNECT_TIMEOUT_SECONDS,
            server_settings={"application_name": "watchkeeper-listener"},
        )
        try:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _: lost.set())
            for channel in self._channels:
                await connection.add_listener(channel, self._dispatch)
            # What changed between the loss and LISTEN went unheard.
            self._report_gap("listening began")
            self.connected.set()
            while not lost.is_set():
                try:
                    async with asyncio.timeout(_PROBE_EVERY_SECONDS):
                        await lost.wait()
                except TimeoutError:
                    await connection.execute("SELECT", timeout=_PROBE_TIMEOUT_SECONDS)
            log.warning("listener.lost", error="the server closed the connection")
        finally:
            connection.terminate()

    def _dispatch(self, _connection: Any, _pid: int, channel: str, payload: str) -> None:
        for action in self._channels[channel]:
            action(payload)

    def _report_gap(self, reason: str) -> None:
        for action in self._gap_actions:
            action(reason)
