"""The words of the catalogue as frozen values."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Title:
    """One title. `household_id` is None for a global one.

    `is_classified` says that an administrator decided on `is_educational`; until then the title
    counts.
    """

    id: UUID
    household_id: UUID | None
    source: str
    external_id: str
    name: str
    is_educational: bool
    is_classified: bool
    tags: tuple[str, ...]
    genres: tuple[str, ...]
    library: str | None
    duration_seconds: int | None
    created_at: datetime
    updated_at: datetime

    @property
    def reference(self) -> tuple[str, str]:
        """What players call the title."""
        return self.source, self.external_id


@dataclass(frozen=True, slots=True)
class TitleChange:
    """What an administrator writes about one title; `given` holds only the fields that were sent.

    The title is named by `id` or by its `reference`, or by both, when a reference is (re)assigned.
    """

    id: UUID | None = None
    reference: tuple[str, str] | None = None
    given: dict[str, Any] = field(default_factory=dict)


class Sight(StrEnum):
    """Which households' titles a caller sees beside the global ones."""

    NO_HOUSEHOLD = "no_household"
    OWN_HOUSEHOLD = "own_household"
    EVERY_HOUSEHOLD = "every_household"


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """Who looks at the catalogue; `household_id` is set for `Sight.OWN_HOUSEHOLD` only."""

    sight: Sight
    household_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class TitleFilter:
    """What a list of titles is narrowed down to; None means not at all."""

    query: str | None = None
    tags: tuple[str, ...] = ()
    genre: str | None = None
    library: str | None = None
    is_educational: bool | None = None
    is_classified: bool | None = None


@dataclass(frozen=True, slots=True)
class TitlePage:
    """Some titles in order of name; `next_position` begins the next page, None after the last."""

    titles: tuple[Title, ...]
    next_position: tuple[str, UUID] | None
