"""The load generator's modes: open loop, closed loop, and everything at one instant."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.players import Player
from bench.wire import Address, Connection, Response

_DRAIN_SECONDS = 30.0
_BLOCKED = b'"enforcement":"blocked"'
# The service has lost the session, or closed it: the player begins a new one.
_SESSION_GONE = (404, 410)


@dataclass(slots=True)
class Tally:
    """What came back. Latencies are seconds from the time at which a heartbeat was due.

    `lateness` is the part of it before they were sent; `started_at` is on the monotonic clock.
    """

    latencies: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    blocked: int = 0
    started_at: float = 0.0
    seconds: float = 0.0

    @property
    def errors(self) -> int:
        """Everything that isn't a 200: refusals, lost connections, answers that never came."""
        return sum(count for status, count in self.statuses.items() if status != "200")


@dataclass(frozen=True, slots=True)
class _Shot:
    """One heartbeat that is due or on its way. `counts` is false during a warm-up."""

    player: Player
    due: float
    is_start: bool
    counts: bool


class Generator:
    """Players behind a number of kept-alive connections, as behind a proxy.

    The player that has waited longest beats next, and none has two heartbeats on their way. All
    methods belong to one event loop; one mode runs at a time.
    """

    def __init__(self, address: Address, players: Sequence[Player], connections: int) -> None:
        self._address = address
        self._resting: deque[Player] = deque(players)
        self._wanted_connections = connections
        self._free: deque[Connection] = deque()
        self._on_way: dict[Connection, _Shot] = {}
        self._waiting: deque[_Shot] = deque()
        self._tally = Tally()
        self._after_answer: Callable[[], None] = _nothing
        self._idle = asyncio.Event()
        self._reopening: set[asyncio.Task[None]] = set()

    async def connect(self) -> None:
        """Open every connection."""
        for _ in range(self._wanted_connections):
            await self._open_one()

    async def close(self) -> None:
        """Hang up."""
        for task in self._reopening:
            task.cancel()
        await asyncio.gather(*self._reopening, return_exceptions=True)
        for connection in (*self._free, *self._on_way):
            connection.close()

    async def _open_one(self) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self._answered), self._address.host, self._address.port
        )
        if not connection.is_open:
            raise ConnectionRefusedError("the service hung up at once")
        self._free.append(connection)

    async def start_sessions(self, in_flight: int) -> Tally:
        """Send every player's first heartbeat; those that fail have no session afterwards."""
        return await self._run_closed(in_flight, float("inf"), len(self._resting), is_start=True)

    async def run_open(self, due_times: Sequence[float], warm_up_seconds: float = 0.0) -> Tally:
        """Send heartbeats when they are due, whether or not earlier ones were answered.

        `due_times` are seconds from now, ascending. What is due in the warm-up isn't counted.
        """
        self._begin(_nothing)
        start = self._tally.started_at
        for offset in due_times:
            due = start + offset
            wait = due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            # Loops wake up to half a millisecond early; that must not shorten a latency.
            self._fire(min(due, time.monotonic()), counts=offset >= warm_up_seconds)
        await self._drain()
        self._tally.seconds = max(due_times[-1] - warm_up_seconds, 0.0) if due_times else 0.0
        return self._tally

    async def run_closed(
        self, in_flight: int, seconds: float = float("inf"), count: float = float("inf")
    ) -> Tally:
        """Keep `in_flight` heartbeats on their way until `seconds` are over or `count` are sent."""
        return await self._run_closed(in_flight, seconds, count, is_start=False)

    async def _run_closed(
        self, in_flight: int, seconds: float, count: float, *, is_start: bool
    ) -> Tally:
        began = time.monotonic()
        left = count

        def next_one() -> None:
            nonlocal left
            if left > 0 and time.monotonic() < began + seconds:
                left -= 1
                self._fire(time.monotonic(), counts=True, is_start=is_start)

        self._begin(next_one)
        for _ in range(min(in_flight, len(self._resting))):
            next_one()
        if seconds == float("inf"):
            await self._wait_until_idle()
        else:
            await asyncio.sleep(seconds)
            await self._drain()
        self._tally.seconds = time.monotonic() - began
        return self._tally

    def _begin(self, after_answer: Callable[[], None]) -> None:
        self._tally = Tally(started_at=time.monotonic())
        self._after_answer = after_answer

    def _fire(self, due: float, *, counts: bool, is_start: bool = False) -> None:
        if not self._resting:
            self._tally.statuses["no player was free"] += counts
            return
        player = self._resting.popleft()
        self._waiting.append(_Shot(player, due, is_start or player.session_id is None, counts))
        self._send_waiting()

    def _send_waiting(self) -> None:
        while self._waiting and self._free:
            connection = self._free.popleft()
            if connection.is_open:
                self._send(connection, self._waiting.popleft())
            else:
                # The service closed it while nothing was on its way, as it may.
                self._replace_connection()

    def _send(self, connection: Connection, shot: _Shot) -> None:
        now = time.monotonic()
        self._on_way[connection] = shot
        connection.send(shot.player.start(now) if shot.is_start else shot.player.beat(now))
        if shot.counts:
            self._tally.lateness.append(now - shot.due)

    def _answered(self, connection: Connection, response: Response | None) -> None:
        shot = self._on_way.pop(connection, None)
        if shot is None:
            return
        if response is None:
            self._tally.statuses["connection lost"] += shot.counts
            self._replace_connection()
        else:
            self._note(shot, response)
            self._free.append(connection)
        self._resting.append(shot.player)
        self._after_answer()
        self._send_waiting()
        if not self._on_way and not self._waiting:
            self._idle.set()

    def _note(self, shot: _Shot, response: Response) -> None:
        if response.status == 200 and shot.is_start:
            shot.player.adopt(response.body)
        if response.status in _SESSION_GONE:
            shot.player.session_id = None
        if not shot.counts:
            return
        self._tally.statuses[str(response.status)] += 1
        if response.status == 200:
            self._tally.latencies.append(time.monotonic() - shot.due)
            self._tally.blocked += _BLOCKED in response.body

    def _replace_connection(self) -> None:
        async def replace() -> None:
            try:
                await self._open_one()
            except OSError:
                self._tally.statuses["connection refused"] += 1
            self._send_waiting()

        task = asyncio.get_running_loop().create_task(replace())
        self._reopening.add(task)
        task.add_done_callback(self._reopening.discard)

    async def _wait_until_idle(self) -> None:
        """Wait for every answer, as long as answers still come."""
        while self._on_way or self._waiting:
            self._idle.clear()
            answered = sum(self._tally.statuses.values())
            try:
                await asyncio.wait_for(self._idle.wait(), _DRAIN_SECONDS)
            except TimeoutError:
                if sum(self._tally.statuses.values()) == answered:
                    self._give_up()

    async def _drain(self) -> None:
        """Wait for the last answers; what doesn't come in time is an error."""
        self._idle.clear()
        if not self._on_way and not self._waiting:
            return
        try:
            await asyncio.wait_for(self._idle.wait(), _DRAIN_SECONDS)
        except TimeoutError:
            self._give_up()

    def _give_up(self) -> None:
        self._after_answer = _nothing
        for connection, shot in list(self._on_way.items()):
            self._tally.statuses["no answer"] += shot.counts
            del self._on_way[connection]
            self._resting.append(shot.player)
            connection.close()
            self._replace_connection()
        for shot in self._waiting:
            self._tally.statuses["no connection was free"] += shot.counts
            self._resting.append(shot.player)
        self._waiting.clear()


def _nothing() -> None:
    """In the open loop nothing follows from an answer."""
