"""Waiting for a server that went away: one attempt at a time, on behalf of all who wait."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from watchkeeper.core.interruptions import CONNECT_FAILURES

_TRY_EVERY_SECONDS = 0.1


class Patience:
    """How long one piece of work may wait in all; the time runs from the first wait."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None

    def remaining_seconds(self) -> float:
        """What is left; not more than 0 when the patience is at its end."""
        now = time.monotonic()
        if self._until is None:
            self._until = now + self._seconds
        return self._until - now


class Reconnection:
    """Knows whether the server is away, and tries it every tenth of a second while it is.

    However many requests wait, there is one attempt at a time: a thousand that connected for
    themselves would keep the processor from the server that is trying to start.
    """

    def __init__(self, try_server: Callable[[], Awaitable[None]]) -> None:
        self._try_server = try_server
        self._trying: asyncio.Task[None] | None = None
        self._waiting = 0

    @property
    def is_under_way(self) -> bool:
        """Whether anybody waits for the server at the moment."""
        return self._trying is not None and not self._trying.done()

    async def wait(self, patience: Patience) -> None:
        """Return when the server answers again; raises `TimeoutError` when patience ends first."""
        if self._trying is None:
            self._trying = asyncio.create_task(self._try_until_back(), name="reconnection")
        self._waiting += 1
        try:
            async with asyncio.timeout(patience.remaining_seconds()):
                await asyncio.shield(self._trying)
        finally:
            self._waiting -= 1
            if not self._waiting:
                # Whoever comes next must not wait for a task that is being cancelled.
                self._trying.cancel()
                self._trying = None

    async def _try_until_back(self) -> None:
        while True:
            await asyncio.sleep(_TRY_EVERY_SECONDS)
            with contextlib.suppress(*CONNECT_FAILURES):
                await self._try_server()
                return
