"""What goes over the wire between a player and the service (03, section 6).

Answers ignore fields that this version doesn't know, so that an older player goes on working with
a newer service. Durations are integers and fractions in the units that their names say.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

SHORT_TEXT = 200
DEVICE_ID_LENGTH = 100

_Text = Annotated[str, StringConstraints(min_length=1, max_length=SHORT_TEXT)]
_DeviceId = Annotated[str, StringConstraints(min_length=1, max_length=DEVICE_ID_LENGTH)]


class PlayState(StrEnum):
    """What a player does. A player that is held, or has nothing to play, reports `ended`."""

    PLAYING = "playing"
    PAUSED = "paused"
    BUFFERING = "buffering"
    ENDED = "ended"


class DeviceType(StrEnum):
    """The kinds of device that the service tells apart."""

    TV = "tv"
    MOBILE = "mobile"
    TABLET = "tablet"
    WEB = "web"


class Enforcement(StrEnum):
    """The service's decision: play on, play on and warn, or stop."""

    ALLOWED = "allowed"
    WARNING_15 = "warning_15"
    WARNING_5 = "warning_5"
    BLOCKED = "blocked"


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TitleRef(_Message):
    """A title as the player knows it: where it comes from, its stable id there, and its name."""

    source: _Text
    id: _Text
    name: _Text


class Counters(_Message):
    """Wall time that the player spent playing and paused since the session began.

    `paused_ms` includes buffering. Both only grow, as does `seq`, so that a heartbeat that is lost
    is made good by the next one.
    """

    seq: int = Field(ge=1)
    played_ms: int = Field(ge=0)
    paused_ms: int = Field(ge=0)


class Heartbeat(_Message):
    """What the player did up to now, and what it does from now on."""

    profile_id: UUID
    device_id: _DeviceId
    device_type: DeviceType
    device_name: _Text | None = None
    state: PlayState
    title: TitleRef | UUID
    session_id: UUID | None = None
    start_key: str | None = None
    counters: Counters | None = None
    position_ms: int | None = Field(default=None, ge=0)

    def wire(self) -> dict[str, object]:
        """The JSON body: fields that aren't set are left out, counters lie flat."""
        body = self.model_dump(mode="json", exclude_none=True, exclude={"title", "counters"})
        body["is_paused"] = self.state is PlayState.PAUSED
        if isinstance(self.title, TitleRef):
            body["title_ref"] = self.title.model_dump(mode="json")
        else:
            body["title_id"] = str(self.title)
        if self.counters is not None:
            body |= self.counters.model_dump(mode="json")
        return body


class HeartbeatAnswer(_Message):
    """The decision, and when to ask again.

    `remaining_minutes` (None means unlimited) and `next_beat_ms` count from when the heartbeat was
    sent. `reason` says why it is blocked, `binding` what would stop play next.
    """

    session_id: UUID
    enforcement: Enforcement
    remaining_minutes: float | None = None
    used_minutes: float = 0.0
    is_educational: bool = False
    reason: str | None = None
    binding: str | None = None
    remaining_seconds: int | None = None
    blocks_at: AwareDatetime | None = None
    next_beat_ms: int | None = None
    next_reset_at: AwareDatetime | None = None
    server_time: AwareDatetime | None = None
    ack_seq: int | None = None
    grace_seconds: int | None = None
    playback_token: str | None = None


class SessionEnd(_Message):
    """A session that is over, and what it counted in total."""

    session_id: UUID
    total_seconds: float
    ended_at: AwareDatetime | None = None


class Balance(_Message):
    """Where a child's viewing day stands."""

    profile_id: UUID
    is_child_profile: bool
    has_limits: bool
    used_minutes: float
    educational_minutes: float
    limit_minutes: float | None = None
    remaining_minutes: float | None = None
    is_unlimited_override: bool = False
    next_reset_at: datetime | None = None
    warning_threshold_minutes: list[int] | None = None
    enforcement: Enforcement | None = None
    reason: str | None = None
    binding: str | None = None


class Eligibility(_Message):
    """Whether a child could start to play now."""

    eligible: bool
    remaining_minutes: float | None = None
    reason: str | None = None
    next_reset_at: datetime | None = None


class Pairing(_Message):
    """The result of trading in a pairing code: a token for one child's profile."""

    device_token: str
    profile_id: UUID
    profile_name: str | None = None


class SignIn(_Message):
    """A guardian's sign-in. The access token lasts `expires_in` seconds."""

    access_token: str
    refresh_token: str | None = None
    token_type: str
    expires_in: int
    user: dict[str, object]


class Grant(_Message):
    """Minutes that were granted (None means unlimited today), and what is left with them."""

    grant_id: UUID
    granted_minutes: float | None = None
    remaining_minutes: float | None = None
    holds_until: datetime | None = None
    binding: str | None = None
