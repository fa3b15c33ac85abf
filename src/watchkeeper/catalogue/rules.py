"""Pure decisions of the catalogue: ids, merging of changes, and what a batch may not hold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5

from watchkeeper.catalogue.types import Title, TitleChange

OWN_SOURCE = "watchkeeper"
"""The source of titles that administrators add by id, without any player's reference."""


def title_id_for(household_id: UUID, source: str, external_id: str) -> UUID:
    """The id of a household's own title.

    It follows from the reference, so that two processes that hear of the same title at the same
    time agree on its id without asking each other.
    """
    return uuid5(household_id, f"{source}\n{external_id}")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one entry of a batch can't be taken; `index` counts from 0."""

    index: int
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Upsert:
    """What a batch comes to: the rows to write, or the faults, of which one refuses the whole."""

    titles: tuple[Title, ...]
    created: int
    faults: tuple[Fault, ...]


class Known:
    """The titles that a batch may meet, by id and by global reference."""

    def __init__(self, titles: Sequence[Title]) -> None:
        self.by_id: Mapping[UUID, Title] = {title.id: title for title in titles}
        self.by_reference: Mapping[tuple[str, str], Title] = {
            title.reference: title for title in titles if title.household_id is None
        }

    def find(self, change: TitleChange) -> Title | None:
        """The title that a change is about, if it exists."""
        if change.id is not None:
            return self.by_id.get(change.id)
        return self.by_reference.get(change.reference) if change.reference else None


def plan_upsert(
    changes: Sequence[TitleChange], known: Known, new_id: Callable[[], UUID], now: datetime
) -> Upsert:
    """Merge every change into its title; all faults are found, not only the first.

    `new_id` draws ids for titles that are added by reference.
    """
    titles: list[Title] = []
    faults: list[Fault] = []
    created = 0
    for index, change in enumerate(changes):
        existing = known.find(change)
        if existing is None and "name" not in change.given:
            faults.append(Fault(index, "name", "is needed for a title that isn't known yet"))
            continue
        titles.append(_merge(existing, change, now) if existing else _create(change, new_id(), now))
        created += existing is None
        faults += _reference_faults(index, change, titles[-1], known)
    return Upsert(tuple(titles), created, tuple(faults + _repeats(changes, titles)))


def _create(change: TitleChange, drawn_id: UUID, now: datetime) -> Title:
    id_ = change.id or drawn_id
    source, external_id = change.reference or (OWN_SOURCE, str(id_))
    blank = Title(
        id=id_,
        household_id=None,
        source=source,
        external_id=external_id,
        name="",
        is_educational=False,
        # Only a word about the classification classifies a title; a name or a tag doesn't.
        is_classified="is_educational" in change.given,
        tags=(),
        genres=(),
        library=None,
        duration_seconds=None,
        created_at=now,
        updated_at=now,
    )
    return replace(blank, **change.given)


def _merge(existing: Title, change: TitleChange, now: datetime) -> Title:
    source, external_id = change.reference or existing.reference
    return replace(
        existing,
        source=source,
        external_id=external_id,
        is_classified=existing.is_classified or "is_educational" in change.given,
        updated_at=now,
        **change.given,
    )


def _reference_faults(index: int, change: TitleChange, title: Title, known: Known) -> list[Fault]:
    if title.household_id is not None:
        # Its id follows from its reference: with another one its players would no longer find it.
        existing = known.by_id[title.id]
        is_kept = change.reference in {None, existing.reference}
        message = "belongs to a household's title, whose reference is fixed"
    else:
        other = known.by_reference.get(title.reference)
        is_kept = other is None or other.id == title.id
        message = f"already belongs to the title {other.id}" if other else ""
    return [] if is_kept else [Fault(index, "external_id", message)]


def _repeats(changes: Sequence[TitleChange], titles: Sequence[Title]) -> list[Fault]:
    """Entries that name a title, or a reference, that an earlier entry names."""
    if len(titles) != len(changes):
        return []  # Entries without a title were faulted already; indexes would be off.
    faults: list[Fault] = []
    ids: set[UUID] = set()
    references: set[tuple[UUID | None, str, str]] = set()
    for index, title in enumerate(titles):
        key = (title.household_id, *title.reference)
        if title.id in ids or key in references:
            name = "external_id" if changes[index].id is None else "id"
            faults.append(Fault(index, name, "names a title that an earlier entry names too"))
        ids.add(title.id)
        references.add(key)
    return faults
