"""Wire shapes of a household's word on a title (03, section 6)."""

from uuid import UUID

from pydantic import Field

from watchkeeper.core.schemas import Answer, Request
from watchkeeper.viewing.types import Counts


class TitleOverrideRequest(Request):
    """Whether a title uses the allowance in this household, whatever the catalogue says."""

    counts: Counts = Field(strict=False)


class TitleOverrideResponse(Answer):
    """A title and what follows for this household's children."""

    title_id: UUID
    name: str
    counts: Counts
    is_educational: bool
