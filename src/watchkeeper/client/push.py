"""Listens for events beside the heartbeats, so that a player hears of changes at once.

Push only makes a player ask earlier than it would. What a player may do comes from heartbeats
alone, so a player without push, or whose stream is down, follows the same rules half a minute
later.
"""

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Protocol

from watchkeeper.client.clock import PlayerClock, SystemPlayerClock
from watchkeeper.client.errors import ClientError, ProblemError
from watchkeeper.client.events import ServerEvent
from watchkeeper.client.loop import HeartbeatLoop

LONGEST_BOUND = timedelta(seconds=30)
AFTER_A_REFUSAL = timedelta(minutes=5)
_SHORT_LIVED = timedelta(seconds=30)


class EventService(Protocol):
    """The call that push needs; WatchkeeperClient is one."""

    def events(self) -> AsyncGenerator[ServerEvent, None]: ...


class Push:
    """Keeps one stream of events open for a heartbeat loop.

    Run `run` as a task. A stream that ends or can't be opened is opened again after a random
    pause, whose bound doubles from 1 s to 30 s. A service that refuses (it may be an older one
    that has no events) is asked again after minutes.
    """

    def __init__(
        self,
        service: EventService,
        loop: HeartbeatLoop,
        *,
        clock: PlayerClock | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._service = service
        self._loop = loop
        self._clock = clock or SystemPlayerClock()
        self._draw = draw

    async def run(self) -> None:
        """Listen until cancelled; losing the service isn't an error here."""
        failures = 0
        while True:
            began = self._clock.monotonic()
            refusal: ProblemError | None = None
            try:
                await self._listen()
            except ProblemError as problem:
                refusal = problem
            except ClientError:
                pass
            lasted = timedelta(seconds=self._clock.monotonic() - began)
            failures = 0 if lasted >= _SHORT_LIVED else failures + 1
            await self._clock.sleep(self._pause(failures, refusal).total_seconds())

    async def _listen(self) -> None:
        async with aclosing(self._service.events()) as events:
            async for event in events:
                self._loop.heed(event)

    def _pause(self, failures: int, refusal: ProblemError | None) -> timedelta:
        """Full jitter, but not before the service wants to be asked again."""
        bound = min(timedelta(seconds=1 << min(failures, 10)), LONGEST_BOUND)
        least = timedelta(0)
        if refusal is not None:
            least = min(refusal.retry_after or least, AFTER_A_REFUSAL)
            if refusal.status not in {408, 429} and refusal.status < 500:
                least = AFTER_A_REFUSAL
        return least + bound * self._draw()
