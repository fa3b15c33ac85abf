"""A loop that is cancelled ends, whatever it was about to do."""

import asyncio

from tests.client.clocks import HandClock, settle
from tests.client.contract_service import PROFILE_ID
from tests.client.stage import FILM
from watchkeeper.client import (
    Counters,
    DeviceType,
    Heartbeat,
    HeartbeatAnswer,
    HeartbeatLoop,
    Player,
    PlayerSession,
    PlayState,
    SessionEnd,
)
from watchkeeper.client.session import ABANDON_AFTER


class HoldsOn:
    """Never answers, and doesn't let go at once of a caller that gives up."""

    def __init__(self) -> None:
        self.is_given_up = asyncio.Event()
        self.may_go = asyncio.Event()

    async def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatAnswer:
        try:
            await asyncio.Event().wait()
        finally:
            self.is_given_up.set()
            await self.may_go.wait()
        raise AssertionError("nobody sets that event")

    async def end_session(self, session_id: object, counters: Counters | None = None) -> SessionEnd:
        raise AssertionError("no session was begun")


async def test_being_cancelled_while_a_request_is_given_up_isnt_overheard() -> None:
    clock, service = HandClock(), HoldsOn()
    player = Player(PROFILE_ID, "tv", DeviceType.TV)
    loop = HeartbeatLoop(service, PlayerSession(player), lambda _outcome: None, clock=clock)
    running = asyncio.create_task(loop.run())
    loop.report(PlayState.PLAYING, FILM)
    await clock.advance(ABANDON_AFTER.total_seconds() + 0.1)
    assert service.is_given_up.is_set()
    assert not running.done()
    running.cancel()
    await settle()
    assert running.cancelled()
    service.may_go.set()
    await settle()
