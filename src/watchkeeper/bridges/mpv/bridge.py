"""The bridge's life: wait for mpv, attend it, end its session, wait for the next one."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from watchkeeper.bridges.mpv.attendant import Attendant
from watchkeeper.bridges.mpv.ipc import Event, MpvConnection, MpvGone
from watchkeeper.bridges.mpv.reports import Reporter
from watchkeeper.client import (
    Grant,
    HeartbeatLoop,
    Outcome,
    Player,
    PlayerSession,
    PlayState,
    Push,
    WatchkeeperClient,
)

LOOK_FOR_MPV_SECONDS = 0.25
TICK_SECONDS = 1.0
_GONE: Event = {"event": "gone"}


class MpvBridge:
    """Connects one mpv socket with one child's viewing time.

    `service` must have the device's token. Run `run` until it is cancelled; call `stop` before
    that, so that the service hears the last of what was played. `draw` spreads repeated attempts.
    """

    def __init__(
        self,
        service: WatchkeeperClient,
        player: Player,
        socket: Path,
        report: Reporter,
        *,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._service = service
        self._player = player
        self._socket = socket
        self._report = report
        session = PlayerSession(player, draw=draw)
        self._loop = HeartbeatLoop(service, session, self._outcome_changed)
        self._push = Push(service, self._loop, draw=draw)
        self._inbox: asyncio.Queue[Event] | None = None

    async def run(self) -> None:
        """Attend whichever mpv listens on the socket, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._loop.run())
            tasks.create_task(self._push.run())
            while True:
                mpv = await self._wait_for_mpv()
                self._report("connected", "mpv is here.")
                try:
                    await self._attend(mpv)
                finally:
                    self._loop.report(PlayState.ENDED)
                    await mpv.aclose()
                self._report("disconnected", "mpv has gone; waiting for it to come back.")

    async def stop(self) -> None:
        """End the session that is open, if the service can be reached."""
        await self._loop.stop()

    async def _wait_for_mpv(self) -> MpvConnection:
        has_complained = False
        while True:
            try:
                return await MpvConnection.open(self._socket)
            except (FileNotFoundError, ConnectionError):
                pass
            except OSError as error:
                if not has_complained:
                    self._report("socket_refused", f"mpv's socket can't be opened: {error}")
                has_complained = True
            await asyncio.sleep(LOOK_FOR_MPV_SECONDS)

    async def _attend(self, mpv: MpvConnection) -> None:
        attendant = Attendant(mpv, self._loop, self._grant, self._report)
        try:
            async with _inbox_of(mpv) as inbox:
                self._inbox = inbox
                await attendant.begin()
                while (event := await inbox.get()) is not _GONE:
                    await attendant.notice(event)
        except MpvGone:
            return
        finally:
            self._inbox = None
            await attendant.leave()

    async def _grant(self, minutes: int | None, pin: str) -> Grant:
        return await self._service.grant_with_pin(self._player.profile_id, minutes, pin)

    def _outcome_changed(self, outcome: Outcome) -> None:
        if self._inbox is not None:
            self._inbox.put_nowait({"event": "outcome"})


@asynccontextmanager
async def _inbox_of(mpv: MpvConnection) -> AsyncIterator[asyncio.Queue[Event]]:
    """One queue for mpv's events and the ticks, so that they are taken in one after another."""
    inbox: asyncio.Queue[Event] = asyncio.Queue()

    async def listen() -> None:
        async for event in mpv.events():
            inbox.put_nowait(event)
        inbox.put_nowait(_GONE)

    async def tick() -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            inbox.put_nowait({"event": "tick"})

    tasks = [asyncio.create_task(listen()), asyncio.create_task(tick())]
    try:
        yield inbox
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
