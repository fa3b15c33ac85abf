"""Time as a player's heartbeats need it: a clock that only grows, and a way to wait."""

import asyncio
from typing import Protocol

from watchkeeper.core import clock


class PlayerClock(Protocol):
    """Passed in, so that tests move time by hand."""

    def monotonic(self) -> float:
        """Seconds that only ever grow."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when that many seconds have passed."""
        ...


class SystemPlayerClock(clock.SystemClock):
    """This machine's monotonic clock; changing the date and time does nothing to it."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
