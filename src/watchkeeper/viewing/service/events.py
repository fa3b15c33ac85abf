"""Streams of events: who hears what, and when it is read from the database.

One worker reads for all streams of the process, one round after the other, so that no reader gets
an older balance after a newer one, and any number of changes and of new streams cost a round the
same few statements. Between rounds lie 50 ms: a burst of changes of one profile becomes one event.
No connection is held while nothing is read. Source: viewing time, section 6; decision 0017.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog

from watchkeeper.accounts.public import REVOCATIONS, raise_for_credential, read_revocation
from watchkeeper.core.auth import Principal
from watchkeeper.core.config import EventSettings
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.event_stream import Ending
from watchkeeper.core.floor import Floor
from watchkeeper.core.logging import pseudonym
from watchkeeper.core.problems import Overloaded, Problem, Unavailable
from watchkeeper.viewing.access import household_of
from watchkeeper.viewing.announcements import CHANNEL, Announcement, Kind
from watchkeeper.viewing.configuration import ConfigurationCache
from watchkeeper.viewing.events_repository import Reach, Reader, find_reach
from watchkeeper.viewing.repository import ProfileKey
from watchkeeper.viewing.service.balances import Balance, Balances
from watchkeeper.viewing.streams import (
    Change,
    Snapshot,
    Stream,
    Streams,
    credential_of,
)

log = structlog.get_logger(__name__)

# Long enough to fold a burst, short beside the second within which a change arrives.
_BETWEEN_ROUNDS_SECONDS = 0.05
_AFTER_A_FAULT_SECONDS = 1.0
# A round's work on the event loop stays in the milliseconds, also when everybody comes back.
_SNAPSHOTS_A_ROUND = 100


@dataclass(slots=True)
class _Round:
    """What one round reads and tells; dicts because they keep the order and fold repetitions."""

    streams: dict[Stream, None] = field(default_factory=dict)
    changes: dict[tuple[ProfileKey, Kind], None] = field(default_factory=dict)
    households: dict[UUID, None] = field(default_factory=dict)
    announcements: list[Announcement] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.streams or self.changes or self.households or self.announcements)

    def take(self) -> "_Round":
        """Everything that waits, but only so many streams; the rest is left here."""
        streams = dict.fromkeys(list(self.streams)[:_SNAPSHOTS_A_ROUND])
        taken = _Round(streams, self.changes, self.households, self.announcements)
        for stream in streams:
            del self.streams[stream]
        self.changes, self.households, self.announcements = {}, {}, []
        return taken

    def put_back(self, taken: "_Round") -> None:
        """Do it in a later round."""
        self.streams = taken.streams | self.streams
        self.changes = taken.changes | self.changes
        self.households = taken.households | self.households
        self.announcements = taken.announcements + self.announcements


class Events:
    """Opens streams, and tells them what others announce."""

    def __init__(
        self,
        floor: Floor,
        configurations: ConfigurationCache,
        balances: Balances,
        settings: EventSettings,
    ) -> None:
        self._floor = floor
        self._balances = balances
        self._configurations = configurations
        self.keep_alive_seconds = settings.keep_alive_seconds
        self.streams = Streams(settings.most_streams, floor.metrics)
        self._waiting = _Round()
        self._openings: dict[Stream, asyncio.Future[None]] = {}
        self._has_work = asyncio.Event()
        self._is_stopping = False
        floor.listener.on(CHANNEL, self._hear)
        floor.listener.on(REVOCATIONS, self._hear_revocation)
        floor.listener.on_gap(self._renew_all)

    async def open(self, caller: Principal, expires_at: datetime | None) -> Stream:
        """A new stream, whose first event is a snapshot; `discard` it when it is over.

        `expires_at` is when the caller's token lapses, None for never. The credential is checked
        after the stream is known to this process, so that no revocation can fall in between.
        Raises `Forbidden`, `TooManyRequests`, `Overloaded`, what a credential that has ended is
        refused with, or `Unavailable` problems. Query cost: shared with all that open at once.
        """
        reader = Reader(household_of(caller), caller)
        credential_id = credential_of(reader)
        if self._is_stopping:
            raise Overloaded("This server is stopping.")
        self.streams.admit(credential_id)
        stream = Stream(reader, credential_id, self._floor.clock.monotonic())
        self.streams.add(stream)
        opening = self._openings[stream] = asyncio.get_running_loop().create_future()
        self._waiting.streams[stream] = None
        self._has_work.set()
        try:
            await opening
            self._end_at(stream, expires_at)
        except BaseException:
            self.streams.discard(stream)
            raise
        finally:
            del self._openings[stream]
        log.info("stream.opened", **_particulars(stream))
        return stream

    def _end_at(self, stream: Stream, expires_at: datetime | None) -> None:
        if expires_at is not None:
            left = (expires_at - self._floor.clock.now()).total_seconds()
            asyncio.get_running_loop().call_later(max(left, 0), stream.close, Ending.EXPIRED)

    def discard(self, stream: Stream) -> None:
        """Let go of a stream whose connection is over."""
        self.streams.discard(stream)
        ending = stream.ending or Ending.LEFT
        self._floor.metrics.streams_ended.labels(ending=ending).inc()
        seconds = round(self._floor.clock.monotonic() - stream.begun_at, 1)
        particulars = _particulars(stream)
        log.info("stream.closed", **particulars, ending=ending, seconds=seconds, sent=stream.sent)

    def stop(self) -> None:
        """End every stream at once and take no more: the service stops."""
        self._is_stopping = True
        self.streams.close_all(Ending.STOPPED)

    # What other processes, and this one, announce.

    def _hear(self, payload: str) -> None:
        try:
            announcement = Announcement.read(payload)
        except (ValueError, KeyError, TypeError):
            # A newer version announces things that this one doesn't know.
            log.warning("events.unknown_announcement")
            return
        household_id = announcement.household_id
        streams = self.streams.of_household(household_id)
        if not streams:
            return
        match announcement.kind:
            case Kind.PEOPLE_CHANGED:
                self._waiting.streams |= dict.fromkeys(streams)
            case Kind.BALANCE_CHANGED | Kind.POLICY_CHANGED if announcement.profile_id:
                key = ProfileKey(household_id, announcement.profile_id)
                self._waiting.changes[key, announcement.kind] = None
            case Kind.POLICY_CHANGED:
                self._waiting.households[household_id] = None
            case _:
                self._waiting.announcements.append(announcement)
        self._has_work.set()

    def _hear_revocation(self, payload: str) -> None:
        credential_id = read_revocation(payload)
        if credential_id is not None:
            self.streams.close_credential(credential_id, Ending.REVOKED)

    def _renew_all(self, _reason: str) -> None:
        """Announcements may have been missed, revocations too: everybody gets a new snapshot."""
        self._waiting.streams |= dict.fromkeys(self.streams)
        self._has_work.set()

    # The worker.

    async def run(self) -> None:
        """Work for ever, a round at a time."""
        while True:
            await self._has_work.wait()
            pause = _BETWEEN_ROUNDS_SECONDS
            try:
                await self._work()
            except Problem as problem:
                log.warning("events.postponed", reason=problem.log or problem.detail)
                pause = _AFTER_A_FAULT_SECONDS
            if not self._waiting:
                self._has_work.clear()
            await asyncio.sleep(pause)

    async def _work(self) -> None:
        taken = self._waiting.take()
        try:
            await self._read_and_tell(taken)
        except BaseException as error:
            for stream in list(taken.streams):
                if stream in self._openings:
                    del taken.streams[stream]
                    self._refuse(stream, error)
            self._waiting.put_back(taken)
            raise

    async def _read_and_tell(self, taken: _Round) -> None:
        streams = self._still_open(taken.streams)
        reaches = await self._find_reach(streams, taken.households)
        for household in reaches[len(streams) :]:
            taken.changes |= {(key, Kind.POLICY_CHANGED): None for key in household.keys}
        changes = [change for change in taken.changes if self.streams.reaching(change[0])]
        keys = dict.fromkeys(key for key, _ in changes)
        keys |= {key: None for reach in reaches[: len(streams)] for key in reach.keys}
        now, balances = await self._balances.get_many(list(keys))
        for stream, reach in zip(streams, reaches, strict=False):
            self._give_snapshot(stream, reach, now, balances)
        for key, kind in changes:
            if key in balances:
                change = Change(kind, now, balances[key])
                for stream in self.streams.reaching(key):
                    self._put(stream, change)
        for announcement in taken.announcements:
            self._pass_on(announcement)

    def _still_open(self, streams: Iterable[Stream]) -> list[Stream]:
        """Those that are to have a snapshot; who waits for one that has ended is told so."""
        for stream in streams:
            if stream.ending is not None:
                self._refuse(stream, Unavailable(log="ended while it was being opened"))
        return [stream for stream in streams if stream.ending is None]

    def _pass_on(self, announcement: Announcement) -> None:
        for stream in self.streams.of_household(announcement.household_id):
            if stream.is_live and stream.hears(announcement):
                self._put(stream, announcement)

    async def _find_reach(
        self, streams: Sequence[Stream], households: dict[UUID, None]
    ) -> list[Reach]:
        readers = [stream.reader for stream in streams]
        readers += [Reader(household_id) for household_id in households]
        if not readers:
            return []

        async def work(unit: UnitOfWork) -> list[Reach]:
            return await find_reach(unit, readers)

        return await self._floor.database.run(work, is_replayable=True)

    def _give_snapshot(
        self, stream: Stream, reach: Reach, now: datetime, balances: dict[ProfileKey, Balance]
    ) -> None:
        assert stream.reader.caller is not None, "streams have callers"
        try:
            raise_for_credential(stream.reader.caller, reach.credential)
        except Problem as problem:
            self._refuse(stream, problem)
            return
        known = tuple(balances[key] for key in reach.keys if key in balances)
        stream.is_live = True
        self._put(stream, Snapshot(now, known))
        opening = self._openings.get(stream)
        if opening is not None and not opening.done():
            opening.set_result(None)

    def _refuse(self, stream: Stream, error: BaseException) -> None:
        """Refuse a stream that is being opened; end one that is open."""
        opening = self._openings.get(stream)
        if opening is None:
            stream.close(Ending.REVOKED)
        elif not opening.done():
            # A cancelled worker means that the service stops.
            opening.set_exception(error if isinstance(error, Exception) else Unavailable())

    def _put(self, stream: Stream, event: Snapshot | Change | Announcement) -> None:
        stream.put(event)
        stream.sent += 1
        kind = "snapshot" if isinstance(event, Snapshot) else event.kind
        self._floor.metrics.events_sent.labels(event=kind).inc()


def _particulars(stream: Stream) -> dict[str, str]:
    return {
        "household": pseudonym(stream.reader.household_id),
        "reader": "guardian" if stream.is_guardians else "device",
    }
