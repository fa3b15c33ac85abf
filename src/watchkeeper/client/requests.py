"""What a player's session keeps, and the requests that it makes."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from watchkeeper.client.allowance import Allowance
from watchkeeper.client.counters import PlayCounters
from watchkeeper.client.types import Counters, DeviceType, Heartbeat, PlayState, TitleRef

Title = TitleRef | UUID


@dataclass(frozen=True, slots=True)
class Player:
    """Who plays, and on what."""

    profile_id: UUID
    device_id: str
    device_type: DeviceType
    device_name: str | None = None


@dataclass(frozen=True, slots=True)
class EndRequest:
    """A session to be ended, with its last counters."""

    session_id: UUID
    counters: Counters


Request = Heartbeat | EndRequest


@dataclass(slots=True)
class OpenSession:
    """The open session. It has no id until its first heartbeat is answered.

    `permitted_until` lets a player that was playing when its session was closed go on while the
    new one is being started. `reported` is the state and title of the last heartbeat.
    """

    start_key: str
    opened_at: timedelta
    counters: PlayCounters
    permitted_until: timedelta
    id: UUID | None = None
    allowance: Allowance | None = None
    seq: int = 0
    end_attempts: int = 0
    reported: tuple[PlayState, object] | None = None

    def next_reading(self) -> Counters:
        """The counters for the next request, under a new number."""
        self.seq += 1
        return self.counters.reading(self.seq)


@dataclass(frozen=True, slots=True)
class Exchange:
    """The one request that waits for its answer, and the clock and counter when it was sent."""

    request: Request
    sent_at: timedelta
    charged_at: timedelta

    @property
    def is_start(self) -> bool:
        return isinstance(self.request, Heartbeat) and self.request.session_id is None


@dataclass(slots=True)
class Silence:
    """Requests that got no decision: when the first one was sent, and how many there were."""

    since: timedelta | None = None
    failures: int = 0

    def __bool__(self) -> bool:
        return self.since is not None

    def begin(self, sent_at: timedelta) -> None:
        """Remember the first request that got no decision."""
        if self.since is None:
            self.since = sent_at

    def lasts(self, now: timedelta) -> timedelta:
        """How long it has lasted."""
        return timedelta(0) if self.since is None else now - self.since


def key_of(title: Title | None) -> object:
    """What makes two titles the same; a name may become known only after the title was opened."""
    return (title.source, title.id) if isinstance(title, TitleRef) else title
