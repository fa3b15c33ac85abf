"""What is known of one child's players, from both ends: what they did, and what arrived."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from watchkeeper.client import PlayState


class Call(StrEnum):
    """The two calls by which time is charged."""

    BEAT = "beat"
    END = "end"


class Arrival(StrEnum):
    """What became of a request that left for the service.

    - `accepted`: the answer says that these very counters were taken.
    - `passed_over`: refused, or later than newer ones.
    - `unknown`: sent, and the connection broke before an answer, or the service failed.
    """

    ACCEPTED = "accepted"
    PASSED_OVER = "passed_over"
    UNKNOWN = "unknown"


class RequestKey(NamedTuple):
    """A request of a session; repetitions of it have the same."""

    start_key: str
    seq: int


@dataclass(frozen=True, slots=True)
class Stamp:
    """A request at the moment it was made, with the stopwatch's reading of its player.

    `state` and `title_id` govern the time until the next request that is accepted; for an end
    there is none. `is_playing` says whether the picture moved.
    """

    call: Call
    watched: timedelta
    state: PlayState
    title_id: UUID | None
    is_playing: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """One time that a request reached the service, on the simulator's own clock.

    The service took it between the two instants, if it did.
    """

    arrival: Arrival
    sent_at: timedelta
    answered_at: timedelta


@dataclass(slots=True)
class Evidence:
    """All of one child. `watched` is what all of its players watched together."""

    grace: timedelta
    stamps: dict[RequestKey, Stamp] = field(default_factory=dict)
    deliveries: defaultdict[RequestKey, list[Delivery]] = field(
        default_factory=lambda: defaultdict(list)
    )
    watched: timedelta = timedelta(0)
