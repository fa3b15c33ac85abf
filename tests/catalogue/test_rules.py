"""Pure decisions of the catalogue."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.catalogue.rules import (
    OWN_SOURCE,
    Fault,
    Known,
    Upsert,
    plan_upsert,
    title_id_for,
)
from watchkeeper.catalogue.types import Title, TitleChange

NOW = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
HOUSEHOLD = uuid4()


def plan(*changes: TitleChange, known: tuple[Title, ...] = ()) -> Upsert:
    return plan_upsert(changes, Known(known), uuid4, LATER)


def a_title(reference: tuple[str, str] = ("tmdb", "1"), household_id: UUID | None = None) -> Title:
    made = plan_upsert(
        [TitleChange(reference=reference, given={"name": "Old", "tags": ("a",)})],
        Known([]),
        uuid4,
        NOW,
    )
    return replace(made.titles[0], household_id=household_id)


@given(st.uuids(), st.text(max_size=64), st.text(max_size=256))
def test_the_same_reference_has_the_same_id(household: UUID, source: str, id_: str) -> None:
    assert title_id_for(household, source, id_) == title_id_for(household, source, id_)
    assert title_id_for(household, source, id_) != title_id_for(uuid4(), source, id_)


def test_a_new_title_by_reference_draws_an_id() -> None:
    made = plan(TitleChange(reference=("tmdb", "9"), given={"name": "New"}))
    assert made.created == 1
    assert made.titles[0].reference == ("tmdb", "9")
    assert made.titles[0].household_id is None


def test_a_new_title_by_id_is_known_by_that_id_alone() -> None:
    id_ = uuid4()
    made = plan(TitleChange(id=id_, given={"name": "New"}))
    assert made.titles[0].id == id_
    assert made.titles[0].reference == (OWN_SOURCE, str(id_))


def test_fields_that_are_left_out_stay() -> None:
    known = a_title()
    changed = plan(TitleChange(id=known.id, given={"library": "Films"}), known=(known,)).titles[0]
    assert (changed.name, changed.tags, changed.library) == ("Old", ("a",), "Films")
    assert (changed.created_at, changed.updated_at) == (NOW, LATER)


def test_only_a_word_about_the_classification_classifies() -> None:
    known = a_title()
    assert not known.is_classified
    renamed = plan(TitleChange(id=known.id, given={"name": "X"}), known=(known,)).titles[0]
    judged = plan(TitleChange(id=known.id, given={"is_educational": False}), known=(known,))
    assert not renamed.is_classified
    assert judged.titles[0].is_classified


def test_an_unknown_title_needs_a_name() -> None:
    made = plan(TitleChange(reference=("tmdb", "9"), given={"is_educational": True}))
    assert [(fault.index, fault.field) for fault in made.faults] == [(0, "name")]


def test_a_reference_belongs_to_one_title() -> None:
    known = a_title()
    made = plan(
        TitleChange(reference=("tmdb", "2"), given={"name": "Fine"}),
        TitleChange(id=uuid4(), reference=known.reference, given={"name": "Thief"}),
        known=(known,),
    )
    assert made.faults == (Fault(1, "external_id", f"already belongs to the title {known.id}"),)


def test_a_batch_names_a_title_once() -> None:
    known = a_title()
    by_id = plan(TitleChange(id=known.id), TitleChange(id=known.id), known=(known,))
    both = plan(TitleChange(id=known.id), TitleChange(reference=known.reference), known=(known,))
    assert [(fault.index, fault.field) for fault in by_id.faults] == [(1, "id")]
    assert [(fault.index, fault.field) for fault in both.faults] == [(1, "external_id")]


def test_the_reference_of_a_households_title_is_fixed() -> None:
    known = a_title(household_id=HOUSEHOLD)
    moved = plan(TitleChange(id=known.id, reference=("tmdb", "7")), known=(known,))
    kept = plan(TitleChange(id=known.id, given={"is_educational": True}), known=(known,))
    assert [fault.field for fault in moved.faults] == ["external_id"]
    assert kept.titles[0].household_id == HOUSEHOLD


def test_a_households_title_is_never_found_by_reference() -> None:
    known = a_title(household_id=HOUSEHOLD)
    made = plan(TitleChange(reference=known.reference, given={"name": "Global"}), known=(known,))
    assert made.created == 1
    assert made.titles[0].id != known.id
