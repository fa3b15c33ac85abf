"""A clock for loops that wait: it is moved by hand, and everything due on the way happens."""

import asyncio
import heapq

# One exchange over the in-process transport takes a few dozen turns of the event loop.
TURNS = 30


class HandClock:
    """Stands still until `advance`, which wakes the sleepers one after another."""

    def __init__(self) -> None:
        self._now = 100.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._now + seconds, self._count, woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Move on, stopping at every instant at which somebody wakes up."""
        until = self._now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= until + 1e-9:
            due, _, woken = heapq.heappop(self._sleepers)
            if woken.done():
                continue
            self._now = max(self._now, due)
            woken.set_result(None)
            await settle()
        self._now = max(until, self._now)
        await settle()


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
