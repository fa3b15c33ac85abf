"""Wire shapes of viewing time (03, section 6)."""

from typing import Annotated, Any, Self
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    field_validator,
    model_validator,
)

from watchkeeper.core.schemas import Answer, Instant, PlainText, Request
from watchkeeper.viewing.types import Binding, Counts, DeviceType, Enforcement, PlayState

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


class EligibilityResponse(Answer):
    """Whether playing may begin now."""

    eligible: bool
    remaining_minutes: float | None
    reason: Binding | None
    next_reset_at: Instant


def _on_grid(limit: int | None) -> int | None:
    if limit is not None and limit % 15:
        raise ValueError("must be a multiple of 15 minutes, or null for no limit")
    return limit


Limit = Annotated[int, Field(ge=15, le=480)]


class ViewingTimeRequest(Request):
    """Settings to change: fields left out stay, a null limit means unlimited."""

    weekday_limit_minutes: Limit | None = None
    weekend_limit_minutes: Limit | None = None
    reset_hour: int = Field(6, ge=0, le=23)
    educational_exempt: bool = True
    timezone: str = "UTC"
    warning_threshold_minutes: list[int] = Field(default_factory=lambda: [15, 5])
    grace_seconds: int = Field(120, ge=0, le=900)

    _grid = field_validator("weekday_limit_minutes", "weekend_limit_minutes")(_on_grid)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError("is not an IANA time zone such as Europe/Madrid")
        return zone

    @field_validator("warning_threshold_minutes")
    @classmethod
    def _two_falling(cls, thresholds: list[int]) -> list[int]:
        is_pair = len(thresholds) == 2
        if not is_pair or not 240 >= thresholds[0] > thresholds[1] >= 1:
            raise ValueError("must be two numbers of minutes from 240 to 1, the larger first")
        return thresholds

    def policy_values(self) -> dict[str, Any]:
        """The given fields that belong to the profile."""
        given = self.model_dump(include=self.model_fields_set - {"reset_hour", "timezone"})
        thresholds = given.pop("warning_threshold_minutes", None)
        if thresholds is not None:
            given["warning_first_minutes"], given["warning_second_minutes"] = thresholds
        return given

    def household_values(self) -> dict[str, Any]:
        """The given fields that belong to the household."""
        return self.model_dump(include=self.model_fields_set & {"reset_hour", "timezone"})


class PendingChange(Answer):
    """Zone and reset hour that are saved and take effect when the present day ends."""

    timezone: str
    reset_hour: int
    takes_effect_at: Instant
    applies_to: str = Field(
        "household", description="Zone and reset hour hold for every child of the household."
    )


class ViewingTimeResponse(Answer):
    """A child's settings."""

    profile_id: UUID
    profile_name: str
    weekday_limit_minutes: int | None
    weekend_limit_minutes: int | None
    reset_hour: int
    educational_exempt: bool
    timezone: str
    weekend_days: list[str]
    warning_threshold_minutes: list[int]
    grace_seconds: int
    pending: PendingChange | None


class GrantBody(Request):
    """Time to give or take; null minutes mean unlimited until the day ends."""

    minutes: int | None = Field(ge=-240, le=240)
    pin: str | None = Field(None, pattern=r"^[0-9]{4}$", repr=False)
    reason: Annotated[PlainText, Field(max_length=200)] | None = None
    extends_window: bool = False

    @field_validator("minutes")
    @classmethod
    def _not_zero(cls, minutes: int | None) -> int | None:
        if minutes == 0:
            raise ValueError("must not be 0")
        return minutes


class GrantResponse(Answer):
    """A grant and what the child may do now."""

    grant_id: UUID
    granted_minutes: int | None = Field(description="Null means unlimited.")
    remaining_minutes: float | None
    holds_until: Instant
    binding: Binding | None


class GrantItem(Answer):
    """One entry of the ledger."""

    id: UUID
    minutes: int | None
    channel: str
    reason: str | None
    created_at: Instant
    cancels_id: UUID | None
    is_cancelled: bool


class GrantPage(Answer):
    """A page of the ledger, newest first."""

    grants: list[GrantItem]
    next_cursor: str | None


class TitleOverrideRequest(Request):
    """Whether a title uses the allowance in this household, whatever the catalogue says."""

    counts: Counts = Field(strict=False)


class TitleOverrideResponse(Answer):
    """A title and what follows for this household's children."""

    title_id: UUID
    name: str
    counts: Counts
    is_educational: bool
