"""Base classes of wire shapes: strict where a request is read, plain where an answer is written."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any
from unicodedata import category

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer


class Request(BaseModel):
    """A request body. Unknown fields are faults, and values aren't converted between types."""

    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True, frozen=True)


class Answer(BaseModel):
    """An answer body."""

    model_config = ConfigDict(frozen=True)


def _rfc3339(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Instant = Annotated[datetime, PlainSerializer(_rfc3339, return_type=str, when_used="json")]
"""An instant on the wire: RFC 3339 in UTC with milliseconds."""


def minutes_of(milliseconds: int) -> float:
    """Minutes with fractions, to a hundred-thousandth: `*_minutes` on the wire (03, section 6)."""
    return round(milliseconds / 60_000, 5)


def _no_control_characters(value: Any) -> Any:
    if isinstance(value, str) and any(category(char) in {"Cc", "Cs"} for char in value):
        raise ValueError("must not contain control characters or halves of surrogate pairs")
    return value


PlainText = Annotated[str, BeforeValidator(_no_control_characters)]
"""Text on one line that PostgreSQL can store: no control characters, and so no NUL, and no half
of a surrogate pair, which JSON can say and UTF-8 can't."""


EARLIEST, LATEST = date(2000, 1, 1), date(2199, 12, 31)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _written_out(value: Any) -> Any:
    """Dates are written as 2026-03-10; neither times nor counts of seconds are taken for one."""
    if isinstance(value, str) and not _DATE.fullmatch(value):
        raise ValueError("must be a date such as 2026-03-10")
    return value


LocalDate = Annotated[date, BeforeValidator(_written_out), Field(ge=EARLIEST, le=LATEST)]
"""A local date on the wire, of this century or the next."""
