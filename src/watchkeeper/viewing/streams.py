"""The streams of events that are open in this process, by household and by credential.

Nothing here touches the database: `service.events` says what is news, and this knows who hears it.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from watchkeeper.core.auth import DevicePrincipal, UserPrincipal
from watchkeeper.core.event_stream import Ending, Outbox
from watchkeeper.core.metrics import Metrics
from watchkeeper.core.problems import Overloaded, TooManyRequests
from watchkeeper.viewing.announcements import Announcement, Kind
from watchkeeper.viewing.events_repository import Reader
from watchkeeper.viewing.repository import ProfileKey
from watchkeeper.viewing.service.balances import Balance

# A household's whole evening fits; who leaves that unread isn't reading.
WAITING_EVENTS = 64
STREAMS_PER_CREDENTIAL = 10
_COME_BACK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The balances of every profile that a reader reaches; replaces what it knew before."""

    server_time: datetime
    balances: tuple[Balance, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A profile's balance after it or its rules changed."""

    kind: Kind
    server_time: datetime
    balance: Balance


Event = Snapshot | Change | Announcement
"""What a stream carries. An announcement goes out as it came: it is about a session or request."""


class Stream(Outbox[Event]):
    """One reader's open connection. It hears nothing before its first snapshot."""

    __slots__ = ("begun_at", "credential_id", "is_live", "reader", "sent")

    def __init__(self, reader: Reader, credential_id: UUID, begun_at: float) -> None:
        super().__init__(WAITING_EVENTS)
        self.reader = reader
        self.credential_id = credential_id
        self.begun_at = begun_at
        self.is_live = False
        self.sent = 0

    @property
    def is_guardians(self) -> bool:
        """Whether a person reads this, who sees every profile of the household."""
        return self.reader.profile_id is None

    def hears(self, announcement: Announcement) -> bool:
        """Whether news of a session or request are for this reader.

        Of a session that was taken over hear guardians and the device that lost, and not the
        child's other devices; a request that was asked is for guardians.
        """
        if self.is_guardians:
            return True
        caller = self.reader.caller
        if not isinstance(caller, DevicePrincipal) or caller.profile_id != announcement.profile_id:
            return False
        if announcement.kind is Kind.SESSION_SUPERSEDED:
            return caller.device_id == announcement.device_id
        return announcement.kind is not Kind.REQUEST_ASKED

    def reaches(self, profile_id: UUID) -> bool:
        """Whether the reader sees this profile of its household."""
        return self.reader.profile_id in {None, profile_id}


class Streams:
    """All open streams of this process."""

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most = most
        self._metrics = metrics
        self._count = 0
        self._by_household: defaultdict[UUID, set[Stream]] = defaultdict(set)
        self._by_credential: defaultdict[UUID, set[Stream]] = defaultdict(set)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Stream]:
        return (stream for streams in self._by_household.values() for stream in streams)

    def admit(self, credential_id: UUID) -> None:
        """Raises `TooManyRequests` (429) or `Overloaded` (503) when there is no room."""
        if len(self._by_credential.get(credential_id, ())) >= STREAMS_PER_CREDENTIAL:
            raise TooManyRequests(
                f"At most {STREAMS_PER_CREDENTIAL} streams of events can be open at a time.",
                retry_after_seconds=_COME_BACK_SECONDS,
            )
        if self._count >= self._most:
            raise Overloaded(
                "Too many players are connected to this server right now.",
                retry_after_seconds=_COME_BACK_SECONDS,
            )

    def add(self, stream: Stream) -> None:
        """Take in a new stream."""
        self._by_household[stream.reader.household_id].add(stream)
        self._by_credential[stream.credential_id].add(stream)
        self._count += 1
        self._metrics.streams_open.set(self._count)

    def discard(self, stream: Stream) -> None:
        """Let go of a stream; harmless when that was done before."""
        of_household = self._by_household.get(stream.reader.household_id, set())
        if stream not in of_household:
            return
        self._count -= 1
        self._metrics.streams_open.set(self._count)
        for index, key in (
            (self._by_household, stream.reader.household_id),
            (self._by_credential, stream.credential_id),
        ):
            index[key].discard(stream)
            if not index[key]:
                del index[key]

    def of_household(self, household_id: UUID) -> tuple[Stream, ...]:
        """The household's streams."""
        return tuple(self._by_household.get(household_id, ()))

    def reaching(self, key: ProfileKey) -> list[Stream]:
        """The streams that see a profile and have had their first snapshot."""
        return [
            stream
            for stream in self.of_household(key.household_id)
            if stream.is_live and stream.reaches(key.profile_id)
        ]

    def close_credential(self, credential_id: UUID, ending: Ending) -> None:
        """End the streams of a sign-in or pairing that is over."""
        for stream in tuple(self._by_credential.get(credential_id, ())):
            stream.close(ending)

    def close_all(self, ending: Ending) -> None:
        """End every stream."""
        for stream in tuple(self):
            stream.close(ending)


def credential_of(reader: Reader) -> UUID:
    """The sign-in or pairing by which a reader may read."""
    caller = reader.caller
    if isinstance(caller, DevicePrincipal):
        return caller.pairing_id
    assert isinstance(caller, UserPrincipal), "streams are opened by callers"
    return caller.sign_in_id
