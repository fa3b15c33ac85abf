"""Wire shapes of grants (03, section 6)."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator

from watchkeeper.core.schemas import Answer, Instant, PlainText, Request
from watchkeeper.viewing.types import Binding


class GrantBody(Request):
    """Time to give or take; null minutes mean unlimited until the day ends."""

    minutes: int | None = Field(ge=-240, le=240)
    pin: str | None = Field(None, pattern=r"^[0-9]{4}$", repr=False)
    reason: Annotated[PlainText, Field(max_length=200)] | None = None
    extends_window: bool = Field(
        False, description="Also keeps the allowed hours open for so many minutes more."
    )

    @field_validator("minutes")
    @classmethod
    def _not_zero(cls, minutes: int | None) -> int | None:
        if minutes == 0:
            raise ValueError("must not be 0")
        return minutes

    @field_validator("extends_window")
    @classmethod
    def _with_time_given(cls, extends_window: bool, info: ValidationInfo) -> bool:
        minutes = info.data.get("minutes")
        if extends_window and minutes is not None and minutes < 0:
            raise ValueError("goes with time that is given, not with time that is taken")
        return extends_window


class GrantResponse(Answer):
    """A grant and what the child may do now."""

    grant_id: UUID
    granted_minutes: int | None = Field(description="Null means unlimited.")
    remaining_minutes: float | None
    holds_until: Instant
    binding: Binding | None
    window_extended_until: Instant | None = Field(
        description="With extends_window: until when the allowed hours are open now."
    )


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
