"""Refusals of viewing time.

ViewingProblem
├── SessionEnded        410 viewing/session-ended
├── SessionSuperseded   410 viewing/session-superseded, with the other device's name
├── SessionOfOtherDevice 409 viewing/session-of-other-device
├── AdultProfile        409 viewing/adult-profile
├── GrantOver           409 viewing/grant-over
├── KeyReused           409 viewing/idempotency-key-reused
├── TooManyOverrides    409 viewing/too-many-overrides
├── RequestOpen         409 viewing/request-open, with the id of the one that is open
├── RequestOver         409 viewing/request-over
└── Undecided           503 viewing/undecided
"""

from uuid import UUID

from watchkeeper.core.problems import Conflict, Problem, Unavailable


class SessionEnded(Problem):
    """The session is over: it was ended, or nothing was heard of it for too long."""

    type = "viewing/session-ended"
    status = 410
    title = "This session has ended"
    default_detail = "This viewing session has ended. Start playing again to open a new one."


class SessionSuperseded(Problem):
    """Another device took over: one stream per child plays."""

    type = "viewing/session-superseded"
    status = 410
    title = "Playing on another device"

    def __init__(self, device_name: str | None) -> None:
        where = device_name or "another device"
        super().__init__(f"Playback moved to {where}.", device_name=device_name)


class SessionOfOtherDevice(Conflict):
    """The named session belongs to another device."""

    type = "viewing/session-of-other-device"
    title = "That session belongs to another device"
    default_detail = "That session belongs to another device. Start a session of your own."


class AdultProfile(Conflict):
    """Limits, locks and grants are for children; adults are unlimited."""

    type = "viewing/adult-profile"
    title = "Adults have no limits"
    default_detail = "This profile is an adult's: it has no limits to set or to extend."


class GrantOver(Conflict):
    """The grant was cancelled before, or its day is over."""

    type = "viewing/grant-over"
    title = "That grant can't be cancelled any more"
    default_detail = "That grant was cancelled before, or its day is over."


class KeyReused(Conflict):
    """The same Idempotency-Key came with another request."""

    type = "viewing/idempotency-key-reused"
    title = "That key was used for something else"
    default_detail = "This Idempotency-Key was used for a different grant."


class TooManyOverrides(Conflict):
    """The child has as many dates with rules of their own ahead as it may have."""

    type = "viewing/too-many-overrides"
    title = "There are too many dates"


class RequestOpen(Conflict):
    """The child has asked already, and nobody has answered yet."""

    type = "viewing/request-open"
    title = "There is a request already"
    default_detail = "You have asked already. Please wait for the answer."

    def __init__(self, request_id: UUID) -> None:
        super().__init__(request_id=str(request_id))


class RequestOver(Conflict):
    """The request was answered before, or its day is over."""

    type = "viewing/request-over"
    title = "That request is over"
    default_detail = "That request was answered before, or its day is over."


class Undecided(Unavailable):
    """Deciding failed inside; the player stays within its grace and asks again."""

    type = "viewing/undecided"
    title = "We can't tell right now"
    default_detail = "The service can't answer right now. Please try again in a moment."
