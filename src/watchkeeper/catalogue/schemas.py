"""Wire shapes of the catalogue (03, section 6)."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from watchkeeper.catalogue.types import Title, TitleChange, TitleFilter
from watchkeeper.core.schemas import Answer, Instant, PlainText, Request

MAX_BATCH = 1_000
MAX_DURATION_SECONDS = 7 * 24 * 3600
NAMED_FIELDS = ("name", "is_educational", "tags", "genres", "library", "duration_seconds")

Source = Annotated[PlainText, StringConstraints(min_length=1, max_length=64)]
ExternalId = Annotated[PlainText, StringConstraints(min_length=1, max_length=256)]
Name = Annotated[PlainText, StringConstraints(min_length=1, max_length=300)]
Label = Annotated[PlainText, StringConstraints(min_length=1, max_length=60)]
Labels = Annotated[list[Label], Field(max_length=30)]


class TitleFields(Request):
    """What an administrator may write about a title; fields that are left out stay as they are."""

    name: Name = Field(default="", description="Needed for a title that isn't known yet.")
    is_educational: bool = Field(default=False, description="Classifies the title.")
    tags: Labels = Field(default_factory=list)
    genres: Labels = Field(default_factory=list)
    library: Label | None = None
    duration_seconds: Annotated[int, Field(ge=1, le=MAX_DURATION_SECONDS)] | None = None
    source: Source = Field(default="", description="With `external_id`: what players call it.")
    external_id: ExternalId = ""

    @field_validator("tags", "genres")
    @classmethod
    def _without_repeats(cls, labels: list[str]) -> list[str]:
        return list(dict.fromkeys(labels))

    @model_validator(mode="after")
    def _reference_is_whole(self) -> "TitleFields":
        if ("source" in self.model_fields_set) != ("external_id" in self.model_fields_set):
            raise ValueError("source and external_id come together")
        return self

    def to_change(self, id_: UUID | None) -> TitleChange:
        """The change that this request asks for; `id_` names the title if it is given."""
        given: dict[str, Any] = {
            name: getattr(self, name) for name in NAMED_FIELDS if name in self.model_fields_set
        }
        for name in {"tags", "genres"} & given.keys():
            given[name] = tuple(given[name])
        reference = (self.source, self.external_id) if self.source else None
        return TitleChange(id_, reference, given)


class TitleEntry(TitleFields):
    """One title of a batch, named by `id`, by source and external_id, or by both."""

    id: Annotated[UUID | None, Field(strict=False)] = None

    @model_validator(mode="after")
    def _is_named(self) -> "TitleEntry":
        if self.id is None and not self.source:
            raise ValueError("needs an id, or a source and an external_id")
        return self


class TitleBatch(Request):
    """Up to a thousand titles, written all or not at all."""

    titles: Annotated[list[TitleEntry], Field(min_length=1, max_length=MAX_BATCH)]


class TitleQuery(BaseModel):
    """What a list of titles is narrowed down to, and which page of it is wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    query: Annotated[PlainText, StringConstraints(min_length=1, max_length=100)] | None = Field(
        default=None, description="Looked for anywhere in the name."
    )
    tags: Annotated[list[Label], Field(max_length=10)] = Field(
        default_factory=list, description="All of these must be there."
    )
    genre: Label | None = None
    library: Label | None = None
    is_educational: bool | None = None
    is_classified: bool | None = None
    cursor: Annotated[str, StringConstraints(max_length=2_000)] | None = Field(
        default=None, description="`next_cursor` of the page before; keep the rest the same."
    )
    limit: Annotated[int, Field(ge=1, le=200)] = 50

    def to_filter(self) -> TitleFilter:
        """The filter without the page."""
        return TitleFilter(
            query=self.query,
            tags=tuple(self.tags),
            genre=self.genre,
            library=self.library,
            is_educational=self.is_educational,
            is_classified=self.is_classified,
        )


class TitleAnswer(Answer):
    """A title. `is_private` marks what only one household has."""

    id: UUID
    source: str
    external_id: str
    name: str
    is_educational: bool
    is_classified: bool
    is_private: bool
    tags: list[str]
    genres: list[str]
    library: str | None
    duration_seconds: int | None
    updated_at: Instant

    @classmethod
    def of(cls, title: Title) -> "TitleAnswer":
        """The wire shape of a title."""
        return cls(
            id=title.id,
            source=title.source,
            external_id=title.external_id,
            name=title.name,
            is_educational=title.is_educational,
            is_classified=title.is_classified,
            is_private=title.household_id is not None,
            tags=list(title.tags),
            genres=list(title.genres),
            library=title.library,
            duration_seconds=title.duration_seconds,
            updated_at=title.updated_at,
        )


class TitleList(Answer):
    """A page of titles in order of name; `next_cursor` is null after the last one."""

    titles: list[TitleAnswer]
    next_cursor: str | None


class BatchAnswer(Answer):
    """What a batch did; `titles` are in the order of the request."""

    created: int
    updated: int
    titles: list[TitleAnswer]
