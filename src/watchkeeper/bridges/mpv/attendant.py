"""Attends one running mpv: tells the heartbeat loop what it does, and makes it obey."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from watchkeeper.bridges.mpv.ipc import Event, MpvConnection, MpvGone, MpvRefused
from watchkeeper.bridges.mpv.messages import PIN_USAGE, granted_message, held_message, time_left
from watchkeeper.bridges.mpv.playback import Playback, title_of
from watchkeeper.bridges.mpv.reports import Reporter
from watchkeeper.client import (
    ClientError,
    Grant,
    HeartbeatLoop,
    Outcome,
    Phase,
    PlayState,
    TitleRef,
)

PIN_MESSAGE = "watchkeeper-pin"
STATUS_MESSAGE = "watchkeeper-status"
USUAL_GRANT_MINUTES = 15
LONGEST_GRANT_MINUTES = 240
_GRANT = re.compile(r"(?P<pin>[0-9]{1,12})( (?P<amount>today|[0-9]{1,4}))?")
SHORTLY, LONGER, UNTIL_REPLACED = (timedelta(seconds=seconds) for seconds in (4, 8, 15))
REPEAT_MESSAGE_TICKS = 10

GrantByPin = Callable[[int | None, str], Awaitable[Grant]]


class Attendant:
    """One connection to mpv.

    `grant` gives minutes (None: unlimited today) by PIN. Feed it mpv's events and two of the
    bridge's own, `outcome` after each new outcome and `tick` every second, one after another.
    Every call raises MpvGone when mpv has quit.
    """

    def __init__(
        self, mpv: MpvConnection, loop: HeartbeatLoop, grant: GrantByPin, report: Reporter
    ) -> None:
        self._mpv = mpv
        self._loop = loop
        self._grant = grant
        self._report = report
        self._playback = Playback()
        self._title: TitleRef | None = None
        self._told: tuple[PlayState, TitleRef | None] | None = None
        self._obeyed = Outcome(Phase.IDLE)
        self._is_holding = False
        self._ticks = 0
        self._granting: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Learn what mpv is doing, and let it tell of changes from now on."""
        for number, name in enumerate(Playback.OBSERVED, start=1):
            self._playback.note(name, await self._mpv.find_property(name))
            await self._mpv.command("observe_property", number, name)
        # Until a file is loaded mpv calls it by its file name; `file-loaded` comes then.
        if await self._mpv.find_property("track-list/count"):
            is_standing = await self._mpv.find_property("core-idle")
            self._playback.has_begun = bool(self._playback.properties["pause"] or not is_standing)
            await self._read_title()
        self._tell()
        await self._obey()

    async def notice(self, event: Event) -> None:
        """Take in one event and act on it."""
        match event.get("event"):
            case "property-change":
                await self._property_changed(event["name"], event.get("data"))
            case "start-file":
                self._playback.has_begun = False
            case "file-loaded":
                await self._read_title()
            case "playback-restart":
                self._playback.has_begun = True
            case "client-message":
                await self._message_came([str(word) for word in event.get("args", [])])
            case "outcome":
                await self._obey()
            case "tick":
                await self._keep_holding()
        self._tell()

    async def leave(self) -> None:
        """mpv has gone, or the bridge goes: nothing of this attendant goes on."""
        if self._granting is not None:
            self._granting.cancel()
            await asyncio.gather(self._granting, return_exceptions=True)

    # What mpv does.

    def _tell(self) -> None:
        now = (self._playback.state, self._title)
        if now != self._told:
            self._told = now
            self._loop.report(*now)

    async def _property_changed(self, name: str, value: Any) -> None:
        if name == "pause":
            await self._look_at_pause()
            return
        self._playback.note(name, value)
        if name == "media-title" and self._title is not None and value:
            await self._read_title()

    async def _read_title(self) -> None:
        path = await self._mpv.find_property("path")
        if path is None:
            return
        name = await self._mpv.find_property("media-title")
        self._title = title_of(path, name, await self._mpv.find_property("working-directory"))

    async def _look_at_pause(self) -> None:
        """Tell a person's pause and play from the bridge's own.

        What counts is what mpv does now: the event may be older than the bridge's last command.
        """
        is_paused = bool(await self._mpv.find_property("pause"))
        self._playback.note("pause", is_paused)
        if is_paused:
            return
        if not self._is_holding:
            self._playback.is_held = False
        elif not self._playback.is_over:
            await self._hold()
            self._loop.resume()

    # What the service decides.

    async def _obey(self) -> None:
        outcome, before = self._loop.outcome, self._obeyed
        if outcome == before:
            return
        self._obeyed = outcome
        if outcome.is_held:
            await self._hold()
        elif outcome.may_play:
            await self._let_go()
            await self._show(time_left(self._loop.remaining), LONGER)
        else:
            await self._stand_by(was_held=self._is_holding)
        self._announce(outcome)

    async def _hold(self) -> None:
        self._is_holding = True
        if not await self._mpv.find_property("pause"):
            self._playback.is_held = True
            self._playback.note("pause", True)
            await self._mpv.command("set_property", "pause", True)
        await self._show_why()

    async def _let_go(self) -> None:
        self._is_holding = False
        if self._playback.is_held:
            self._playback.is_held = False
            self._playback.note("pause", False)
            await self._mpv.command("set_property", "pause", False)

    async def _stand_by(self, *, was_held: bool) -> None:
        """No session is open: mpv stays as it is, and its pause is the person's to end."""
        self._is_holding = self._playback.is_held = False
        if was_held and not self._playback.is_over:
            await self._show("Press play to go on.", UNTIL_REPLACED)

    async def _keep_holding(self) -> None:
        """Look again while holding: mpv merges changes that follow each other closely."""
        if not self._is_holding:
            return
        self._ticks += 1
        await self._look_at_pause()
        if self._ticks % REPEAT_MESSAGE_TICKS == 0:
            await self._show_why()

    # What the people in front of it see and ask.

    async def _show_why(self) -> None:
        message = held_message(self._loop.outcome)
        if message is not None:
            await self._show(message, UNTIL_REPLACED)

    async def _show(self, text: str, how_long: timedelta) -> None:
        # Without a picture there may be no screen to write on.
        with contextlib.suppress(MpvRefused):
            await self._mpv.command("show-text", text, how_long // timedelta(milliseconds=1))

    def _announce(self, outcome: Outcome) -> None:
        remaining = self._loop.remaining
        seconds = None if remaining is None else round(remaining.total_seconds(), 3)
        particulars: dict[str, Any] = {"remaining_seconds": seconds}
        for name in ("warning", "reason", "device_name", "detail"):
            if (value := getattr(outcome, name)) is not None:
                particulars[name] = value
        event = "warned" if outcome.may_play and outcome.warning else outcome.phase.value
        if outcome.may_play:
            text = f"Playing. {time_left(remaining)}"
        else:
            text = held_message(outcome) or outcome.phase.value.capitalize() + "."
        self._report(event, text, **particulars)

    async def _message_came(self, words: list[str]) -> None:
        if words[:1] == [STATUS_MESSAGE]:
            held = held_message(self._loop.outcome)
            await self._show(held or time_left(self._loop.remaining), LONGER)
        if words[:1] != [PIN_MESSAGE]:
            return
        asked = parse_grant(words[1:])
        if asked is None:
            await self._show(PIN_USAGE, LONGER)
        elif self._granting is not None and not self._granting.done():
            await self._show("One moment, please.", SHORTLY)
        else:
            # Checking a PIN takes its time, and mpv must be attended meanwhile.
            self._granting = asyncio.create_task(self._grant_by_pin(*asked))

    async def _grant_by_pin(self, pin: str, minutes: int | None) -> None:
        with contextlib.suppress(MpvGone):
            try:
                grant = await self._grant(minutes, pin)
            except ClientError as refusal:
                self._report("grant_refused", str(refusal))
                await self._show(str(refusal), LONGER)
                return
            message = granted_message(grant)
            self._report("granted", message, granted_minutes=grant.granted_minutes)
            self._loop.ask_now()
            await self._show(message, LONGER)


def parse_grant(words: list[str]) -> tuple[str, int | None] | None:
    """PIN and minutes of a message; `today` means no limit for the rest of the day."""
    asked = _GRANT.fullmatch(" ".join(words))
    if asked is None:
        return None
    pin, amount = asked["pin"], asked["amount"] or str(USUAL_GRANT_MINUTES)
    if amount == "today":
        return pin, None
    return (pin, int(amount)) if 1 <= int(amount) <= LONGEST_GRANT_MINUTES else None
