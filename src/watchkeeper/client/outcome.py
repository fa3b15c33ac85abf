"""What a player must do, and what it should tell the person in front of it."""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where a player stands.

    - `idle`: nothing is playing, and no session is open.
    - `waiting`: held until the service answers: at the start, and when the time has just run out.
    - `playing`: may play.
    - `blocked`: held by a decision; `reason` says which.
    - `unreachable`: held because the service can't be asked. It isn't the child's time that is up.
    - `superseded`: the child watches on another device; only a person's action starts again.
    - `refused`: the service doesn't take this player's heartbeats; `detail` says why.
    """

    IDLE = "idle"
    WAITING = "waiting"
    PLAYING = "playing"
    BLOCKED = "blocked"
    UNREACHABLE = "unreachable"
    SUPERSEDED = "superseded"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A phase with its particulars. `warning` is 15 or 5, or None while there is no warning."""

    phase: Phase
    warning: int | None = None
    reason: str | None = None
    device_name: str | None = None
    detail: str | None = None

    @property
    def may_play(self) -> bool:
        """Whether the player may play. A player that may not must stop, and stay stopped."""
        return self.phase is Phase.PLAYING

    @property
    def is_held(self) -> bool:
        """Whether the player wants to play, or may want to, and isn't allowed to."""
        return self.phase not in {Phase.PLAYING, Phase.IDLE}
