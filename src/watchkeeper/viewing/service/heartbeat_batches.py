"""Heartbeats on their way to the database: alone when it is idle, together when it is busy.

There is no timer. A heartbeat leaves at once as long as fewer than the allowed number of batches
are in flight; otherwise it waits for one of them to end, and leaves with everybody who came
meanwhile. So a lone heartbeat waits for nobody, and the busier the service is, the fewer statements
a heartbeat costs.

Source: performance, "The heartbeat path"; ADR 25.
"""

import asyncio
import copy
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass

import structlog

from watchkeeper.core.config import HeartbeatSettings
from watchkeeper.core.interruptions import describe
from watchkeeper.core.metrics import Metrics
from watchkeeper.core.problems import Overloaded, Problem, TooManyRequests, Unavailable
from watchkeeper.viewing.repository import ProfileKey
from watchkeeper.viewing.service.heartbeats import HeartbeatAnswer, HeartbeatCall

log = structlog.get_logger(__name__)

Result = HeartbeatAnswer | Problem
Settle = Callable[[Sequence[HeartbeatCall], Sequence[float]], Awaitable[list[Result]]]
"""Answers heartbeats of different profiles; the second list says how many seconds each waited."""

# As many as one session may send in a burst; see `heartbeat_rate`. Sessions are named by callers,
# so without this one profile could fill the queue.
_LONGEST_LINE = 200

# A whole house of players that was refused at one instant must not come back at one instant.
_COME_BACK_SECONDS = (5.0, 35.0)


@dataclass(slots=True)
class _Taken:
    """A heartbeat that was taken: it is settled even if its caller goes away."""

    call: HeartbeatCall
    arrived: float
    answer: "asyncio.Future[Result]"
    context: Context

    def resolve(self, result: Result) -> None:
        if not self.answer.done():
            self.answer.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class HeartbeatBatches:
    """Gathers heartbeats into batches; one event loop, no locks.

    A profile has at most one heartbeat in flight; its later ones stand in its own line, and
    profiles take turns, so that one that sends a flood delays itself and nobody else.
    """

    def __init__(self, settle: Settle, settings: HeartbeatSettings, metrics: Metrics) -> None:
        self._settle = settle
        self._settings = settings
        self._metrics = metrics
        # The line of each profile that waits or is in flight, and whose turn it is.
        self._lines: dict[ProfileKey, deque[_Taken]] = {}
        self._turns: deque[ProfileKey] = deque()
        self._queued = 0
        self._in_flight: dict[asyncio.Task[None], list[_Taken]] = {}
        self._is_stopping = False

    async def answer(self, call: HeartbeatCall) -> Result:
        """Settle one heartbeat, with whoever else waits; committed before it returns.

        Raises `Overloaded` (503) when the queue is full, with `next_beat_ms` as a member and the
        same time as `Retry-After`; `TooManyRequests` (429) when 200 of this profile wait;
        `Unavailable` (503) when the service is stopping or the database can't be used; and what
        settling this very heartbeat raised.
        """
        if self._is_stopping:
            raise _stopping()
        if not self._settings.batching:
            (result,) = await self._settle([call], [0.0])
            return result
        return await self._take(call)

    def _take(self, call: HeartbeatCall) -> "asyncio.Future[Result]":
        """Put a heartbeat in its profile's line, and let it go if anything may go."""
        if self._queued >= self._settings.queue and not self._may_leave_at_once(call.key):
            self._metrics.heartbeats_overloaded.inc()
            raise _overloaded()
        line = self._lines.get(call.key)
        if line is not None and len(line) >= _LONGEST_LINE:
            raise TooManyRequests(
                "This profile's players send heartbeats too fast.", retry_after_seconds=1
            )
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        taken = _Taken(call, time.perf_counter(), answer, copy_context())
        if line is None:
            self._lines[call.key] = deque([taken])
            self._turns.append(call.key)
        else:
            line.append(taken)
        self._queued += 1
        self._send()
        return answer

    def _may_leave_at_once(self, key: ProfileKey) -> bool:
        return len(self._in_flight) < self._settings.batches_in_flight and key not in self._lines

    def _send(self) -> None:
        """Send batches for as long as one may be in flight and somebody's turn has come."""
        while self._turns and len(self._in_flight) < self._settings.batches_in_flight:
            count = min(len(self._turns), self._settings.batch_size)
            batch = [self._lines[self._turns.popleft()].popleft() for _ in range(count)]
            self._queued -= count
            self._metrics.heartbeat_batch_size.observe(count)
            # In the context of the first, which is where its statements are counted and logged.
            task = asyncio.create_task(self._run(batch), context=batch[0].context)
            self._in_flight[task] = batch
        self._metrics.heartbeats_queued.set(self._queued)

    async def _run(self, batch: list[_Taken]) -> None:
        """Settle one batch in a task of its own, so that no caller's end can end it."""
        if len(batch) > 1:
            # The log lines of many aren't those of one request.
            structlog.contextvars.unbind_contextvars("request_id")
        for taken in batch:
            self._metrics.heartbeat_wait_seconds.observe(time.perf_counter() - taken.arrived)
        try:
            await self._answer_all(batch)
        finally:
            task = asyncio.current_task()
            assert task is not None
            del self._in_flight[task]
            for taken in batch:
                self._pass_turn(taken.call.key)
            self._send()

    def _pass_turn(self, key: ProfileKey) -> None:
        """Let the next heartbeat of a profile wait for its turn, behind everybody else."""
        if self._lines[key]:
            self._turns.append(key)
        else:
            del self._lines[key]

    async def _answer_all(self, batch: list[_Taken]) -> None:
        try:
            await self._answer_together(batch)
        except Unavailable as problem:
            # Nobody's row is at fault; trying each alone would only add to the trouble.
            _refuse(batch, problem)
        except Exception as error:  # noqa: BLE001 - the callers are told
            if len(batch) == 1:
                batch[0].fail(error)
                return
            log.warning("heartbeats.one_by_one", heartbeats=len(batch), error=describe(error))
            self._metrics.heartbeat_batches_retried.inc()
            await self._answer_one_by_one(batch)

    async def _answer_one_by_one(self, batch: list[_Taken]) -> None:
        """Settle each in a transaction of its own: one bad row fails alone."""
        for number, taken in enumerate(batch):
            try:
                await self._answer_together([taken])
            except Unavailable as problem:
                _refuse(batch[number:], problem)
                return
            except Exception as error:  # noqa: BLE001 - the caller is told
                taken.fail(error)

    async def _answer_together(self, batch: list[_Taken]) -> None:
        now = time.perf_counter()
        results = await self._settle(
            [taken.call for taken in batch], [now - taken.arrived for taken in batch]
        )
        for taken, result in zip(batch, results, strict=True):
            taken.resolve(result)

    async def stop(self, *, within_seconds: float) -> None:
        """Refuse new heartbeats, and answer those that were taken, before the database closes.

        What isn't settled in time is refused with a 503; its player asks again elsewhere or later.
        """
        self._is_stopping = True
        try:
            async with asyncio.timeout(within_seconds):
                while self._in_flight:
                    await asyncio.wait(self._in_flight)
        except TimeoutError:
            log.warning("heartbeats.not_flushed", queued=self._queued)
            await self._give_up()

    async def _give_up(self) -> None:
        unsettled = [taken for batch in self._in_flight.values() for taken in batch]
        for line in self._lines.values():
            unsettled += line
            line.clear()
        self._turns.clear()
        self._queued = 0
        tasks = list(self._in_flight)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._in_flight.clear()  # also those that were cancelled before they began
        _refuse(unsettled, _stopping())


def _refuse(batch: Sequence[_Taken], problem: Problem) -> None:
    """Give everybody a problem of their own: raising one object many times mixes up its traces."""
    for taken in batch:
        taken.resolve(copy.copy(problem))


def _overloaded() -> Overloaded:
    seconds = random.uniform(*_COME_BACK_SECONDS)  # noqa: S311 - spread
    return Overloaded(
        "The service is very busy. Please try again in a moment.",
        retry_after_seconds=seconds,
        log="the queue of heartbeats is full",
        next_beat_ms=round(seconds * 1000),
    )


def _stopping() -> Unavailable:
    return Unavailable("The service is stopping. Please try again in a moment.")
