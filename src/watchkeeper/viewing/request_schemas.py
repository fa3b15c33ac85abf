"""Wire shapes of what children ask for (03, section 6)."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator

from watchkeeper.core.schemas import Answer, Instant, PlainText, Request
from watchkeeper.viewing.service.requests import Verdict
from watchkeeper.viewing.types import RequestStatus, TimeRequest

Minutes = Annotated[int, Field(ge=1, le=240)]
Words = Annotated[PlainText, Field(min_length=1, max_length=200)]


class TimeRequestBody(Request):
    """What a child asks for."""

    profile_id: Annotated[UUID, Field(strict=False)]
    minutes: Minutes
    message: Words | None = None


class AnswerBody(Request):
    """A guardian's answer; approved without `minutes` it grants what was asked for."""

    decision: Annotated[Verdict, Field(strict=False)]
    minutes: Minutes | None = None
    message: Words | None = Field(None, description="A word to the child.")
    extends_window: bool = Field(
        False, description="Also keeps the allowed hours open for so many minutes more."
    )

    @model_validator(mode="after")
    def _denied_without_time(self) -> Self:
        if self.decision is Verdict.DENY and (self.minutes is not None or self.extends_window):
            raise ValueError("a request that is denied grants no minutes and no hours")
        return self


class TimeRequestItem(Answer):
    """A request and what became of it."""

    id: UUID
    profile_id: UUID
    minutes: int
    message: str | None
    status: RequestStatus
    created_at: Instant
    expires_at: Instant = Field(description="When the viewing day ends in which it was asked.")
    answered_at: Instant | None
    answer: str | None = Field(description="The guardian's word.")
    granted_minutes: int | None
    grant_id: UUID | None

    @classmethod
    def of(cls, request: TimeRequest) -> Self:
        """The wire shape of a request."""
        return cls(
            id=request.id,
            profile_id=request.profile_id,
            minutes=request.minutes,
            message=request.message,
            status=request.status,
            created_at=request.created_at,
            expires_at=request.expires_at,
            answered_at=request.answered_at,
            answer=request.answer,
            granted_minutes=request.granted_minutes,
            grant_id=request.grant_id,
        )


class TimeRequestPage(Answer):
    """A page of requests, newest first."""

    requests: list[TimeRequestItem]
    next_cursor: str | None
