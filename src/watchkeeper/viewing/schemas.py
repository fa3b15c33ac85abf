"""Wire shapes of viewing time (03, section 6)."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    model_validator,
)

from watchkeeper.core.schemas import Answer, Instant, PlainText
from watchkeeper.viewing.types import Binding, DeviceType, Enforcement, PlayState

_LARGEST = 2**53 - 1  # what every JSON reader can hold exactly

Amount = Annotated[StrictInt, Field(ge=0, le=_LARGEST)]
DeviceId = Annotated[PlainText, Field(min_length=1, max_length=100)]


class TitleReference(BaseModel):
    """A title as the player knows it; unknown ones are added to the catalogue unclassified."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    source: Annotated[PlainText, Field(min_length=1, max_length=50)]
    id: Annotated[PlainText, Field(min_length=1, max_length=256)]
    name: Annotated[PlainText, Field(min_length=1, max_length=300)]


class CountersPart(BaseModel):
    """The three counters, which come together or not at all."""

    seq: Amount | None = None
    played_ms: Amount | None = None
    paused_ms: Amount | None = None

    @model_validator(mode="after")
    def _all_or_none(self) -> Self:
        given = [value is not None for value in (self.seq, self.played_ms, self.paused_ms)]
        if any(given) and not all(given):
            raise ValueError("seq, played_ms and paused_ms come together or not at all")
        return self


class HeartbeatRequest(CountersPart):
    """What a player did since its last heartbeat. Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    profile_id: UUID
    title_id: UUID | None = None
    title_ref: TitleReference | None = None
    device_id: DeviceId
    device_type: DeviceType
    session_id: UUID | None = None
    start_key: Annotated[PlainText, Field(min_length=1, max_length=100)] | None = None
    is_paused: StrictBool = False
    state: PlayState | None = Field(None, description="Overrides is_paused.")
    position_ms: Amount | None = None
    client_time: AwareDatetime | None = None

    @model_validator(mode="after")
    def _names_a_title(self) -> Self:
        if self.title_id is None and self.title_ref is None:
            raise ValueError("title_id or title_ref is needed")
        return self


class HeartbeatResponse(Answer):
    """What the player may do; remaining time and next_beat_ms count from the sending."""

    session_id: UUID
    enforcement: Enforcement
    reason: Binding | None = Field(description="Why playing is blocked; null when it isn't.")
    binding: Binding | None = Field(description="The rule that sets the remaining time.")
    remaining_minutes: float | None = Field(description="Null means unlimited.")
    remaining_seconds: int | None
    used_minutes: float
    is_educational: bool
    blocks_at: Instant | None
    next_beat_ms: int
    next_reset_at: Instant
    server_time: Instant
    ack_seq: int | None
    grace_seconds: int


class EndRequest(CountersPart):
    """The last counters of a session; all optional."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EndResponse(Answer):
    """What the session came to."""

    session_id: UUID
    total_seconds: int
    ended_at: Instant


class BalanceResponse(Answer):
    """What a profile has used and may still watch today."""

    profile_id: UUID
    is_child_profile: bool
    has_limits: bool
    used_minutes: float
    educational_minutes: float
    limit_minutes: int | None
    remaining_minutes: float | None
    is_unlimited_override: bool
    next_reset_at: Instant
    warning_threshold_minutes: list[int]
    enforcement: Enforcement
    reason: Binding | None
    binding: Binding | None
    blocks_at: Instant | None = Field(
        description="When the allowed hours end, now while play is closed or locked."
    )
    opens_at: Instant | None = Field(
        description="When closed or locked hours end, as far as tomorrow shows."
    )


class EligibilityResponse(Answer):
    """Whether playing may begin now."""

    eligible: bool
    remaining_minutes: float | None
    reason: Binding | None
    next_reset_at: Instant
