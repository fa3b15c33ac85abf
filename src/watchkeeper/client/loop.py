"""Drives a PlayerSession: sends what is due, one request at a time, and wakes up when it must."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from watchkeeper.client.clock import PlayerClock, SystemPlayerClock
from watchkeeper.client.errors import ClientError, ProblemError
from watchkeeper.client.events import ServerEvent
from watchkeeper.client.news import is_news
from watchkeeper.client.outcome import Outcome
from watchkeeper.client.requests import EndRequest, Request, Title
from watchkeeper.client.session import PlayerSession
from watchkeeper.client.types import (
    Counters,
    Heartbeat,
    HeartbeatAnswer,
    PlayState,
    SessionEnd,
)


class PlayerService(Protocol):
    """The calls that a player's heartbeats need; WatchkeeperClient is one."""

    async def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatAnswer: ...

    async def end_session(
        self, session_id: UUID, counters: Counters | None = None
    ) -> SessionEnd: ...


class HeartbeatLoop:
    """A player's side of the protocol, ready to use.

    Start `run` as a task. Tell it what the player does with `report`, and do what `on_outcome`
    says: it is called with each new outcome, from within the event loop, and must not block. A
    player may play only while `outcome.may_play`.
    """

    def __init__(
        self,
        service: PlayerService,
        session: PlayerSession,
        on_outcome: Callable[[Outcome], None],
        *,
        clock: PlayerClock | None = None,
    ) -> None:
        self._service = service
        self._session = session
        self._on_outcome = on_outcome
        self._clock = clock or SystemPlayerClock()
        self._announced = session.outcome
        self._something_happened = asyncio.Event()
        self._settled = asyncio.Event()
        self._exchange: asyncio.Task[HeartbeatAnswer | SessionEnd] | None = None

    @property
    def outcome(self) -> Outcome:
        """What holds now."""
        return self._session.outcome

    @property
    def remaining(self) -> timedelta | None:
        """What is left by the player's own count; None means no limit, or not known."""
        self._session.advance(self._now())
        return self._session.remaining()

    def report(self, state: PlayState, title: Title | None = None) -> None:
        """Say what the player does, or would do if it weren't held; `ended` ends the session."""
        self._session.report(self._now(), state, title)
        self._wake()

    def resume(self) -> None:
        """A person asks to play while the player is held."""
        self._session.resume(self._now())
        self._wake()

    def ask_now(self) -> None:
        """Ask the service at once, for instance after a grant."""
        self._session.ask_now(self._now())
        self._wake()

    def heed(self, event: ServerEvent) -> None:
        """Take in an event that the service pushed: if it is news for this player, ask."""
        if is_news(event, self._session):
            self._session.ask_soon(self._now())
            self._wake()

    async def run(self) -> None:
        """Send heartbeats until cancelled. Losing the service isn't an error here."""
        try:
            while True:
                await self._step()
        finally:
            await self._cancel_exchange()

    async def stop(self, within: timedelta = timedelta(seconds=3)) -> None:
        """End the open session and wait until the service knows, but no longer than `within`.

        `run` must be going on; cancel it afterwards.
        """
        self.report(PlayState.ENDED)
        if self._session.is_settled:
            return
        self._settled.clear()
        await _first_of(self._settled.wait(), self._clock.sleep(within.total_seconds()))

    async def _step(self) -> None:
        now = self._now()
        self._something_happened.clear()
        self._session.advance(now)
        if self._exchange is not None and self._exchange.done():
            self._take_result(self._exchange, now)
        elif self._session.is_overdue(now):
            await self._cancel_exchange()
            self._session.failed(self._now())
        if (request := self._session.next_request(now)) is not None:
            self._exchange = asyncio.create_task(self._send(request))
        self._announce()
        await self._wait(now)

    async def _send(self, request: Request) -> HeartbeatAnswer | SessionEnd:
        if isinstance(request, EndRequest):
            return await self._service.end_session(request.session_id, request.counters)
        return await self._service.heartbeat(request)

    def _take_result(
        self, exchange: asyncio.Task[HeartbeatAnswer | SessionEnd], now: timedelta
    ) -> None:
        self._exchange = None
        try:
            result = exchange.result()
        except ProblemError as problem:
            self._session.refused(now, problem)
        except ClientError:
            self._session.failed(now)
        else:
            if isinstance(result, SessionEnd):
                self._session.ended(now)
            else:
                self._session.answered(now, result)

    def _announce(self) -> None:
        if self._session.is_settled:
            self._settled.set()
        if self._session.outcome != self._announced:
            self._announced = self._session.outcome
            self._on_outcome(self._announced)

    async def _wait(self, now: timedelta) -> None:
        waits: list[Coroutine[Any, Any, object]] = [self._something_happened.wait()]
        wake_at = self._session.wake_at(now)
        if wake_at is not None:
            waits.append(self._clock.sleep(max(wake_at - now, timedelta(0)).total_seconds()))
        await _first_of(*waits, keep=self._exchange)

    async def _cancel_exchange(self) -> None:
        """Give up the exchange; being cancelled meanwhile isn't taken for the exchange's end."""
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        exchange.cancel()
        await asyncio.wait([exchange])
        if not exchange.cancelled():
            # It failed in the same moment, which is as good.
            exchange.exception()

    def _wake(self) -> None:
        self._something_happened.set()

    def _now(self) -> timedelta:
        return timedelta(seconds=self._clock.monotonic())


async def _first_of(
    *waits: Coroutine[Any, Any, object], keep: "asyncio.Task[Any] | None" = None
) -> None:
    """Return when the first is done, and cancel the others, except the one to keep."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        everything = [*tasks, keep] if keep else tasks
        await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
