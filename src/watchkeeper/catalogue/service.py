"""Use cases of the catalogue: reading it, and writing titles with their classification."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy.exc import IntegrityError

from watchkeeper.catalogue import repository
from watchkeeper.catalogue.problems import TitleTaken
from watchkeeper.catalogue.rules import Fault, Known, plan_upsert
from watchkeeper.catalogue.types import Title, TitleChange, TitleFilter, TitlePage, Viewpoint
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.ids import new_id

TITLE_CHANGED = "title_changed"
"""The channel on which every process hears the id of a title whose classification was written."""

EVERY_TITLE = "*"
"""Sent instead of an id when any title may be looked up differently from now on."""

# More than this is announced as one change of everything.
_ANNOUNCED_ONE_BY_ONE = 50


@dataclass(frozen=True, slots=True)
class Written:
    """What a write came to; `titles` are in the order of the changes."""

    titles: tuple[Title, ...]
    created: int


class FaultyEntriesError(Exception):
    """Entries that can't be taken; the router words them by the shape of its request."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(f"{len(self.faults)} faulty entries")


class Catalogue:
    """The catalogue on one floor."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def list_titles(
        self,
        viewpoint: Viewpoint,
        narrowed: TitleFilter,
        *,
        after: tuple[str, UUID] | None,
        limit: int,
    ) -> TitlePage:
        """A page of the titles that `viewpoint` shows. One statement."""

        async def work(unit: UnitOfWork) -> TitlePage:
            return await repository.list_visible_to(
                unit, viewpoint, narrowed, after=after, limit=limit
            )

        return await self._floor.database.run(work)

    async def write_titles(self, changes: Sequence[TitleChange]) -> Written:
        """Add or change titles, all or none of them, and tell every process.

        Raises `FaultyEntriesError` with all faults, or `TitleTaken` when somebody else added one of
        the references meanwhile. Two statements and the announcement, however many titles.
        """
        now = self._floor.clock.now()

        async def work(unit: UnitOfWork) -> Written:
            return await _write(unit, changes, now)

        try:
            return await self._floor.database.run(work)
        except IntegrityError as error:
            if isinstance(getattr(error.orig, "__cause__", None), asyncpg.UniqueViolationError):
                raise TitleTaken(log=str(error.orig)) from error
            raise


async def add_global_titles(
    unit: UnitOfWork, changes: Sequence[TitleChange], now: datetime
) -> tuple[Title, ...]:
    """Write global titles inside a transaction of the caller, for demo and load-test data."""
    return (await _write(unit, changes, now)).titles


def plan_titles(changes: Sequence[TitleChange], now: datetime) -> tuple[Title, ...]:
    """The titles that `add_global_titles` will make of changes with ids in an empty catalogue."""
    return plan_upsert(changes, Known([]), new_id, now).titles


async def _write(unit: UnitOfWork, changes: Sequence[TitleChange], now: datetime) -> Written:
    known = await repository.find_for_update(
        unit,
        [change.id for change in changes if change.id],
        [change.reference for change in changes if change.reference],
    )
    plan = plan_upsert(changes, Known(known), new_id, now)
    if plan.faults:
        raise FaultyEntriesError(plan.faults)
    await repository.upsert(unit, plan.titles)
    _announce(unit, plan.titles, {title.id for title in known})
    return Written(plan.titles, plan.created)


def _announce(unit: UnitOfWork, written: Sequence[Title], known_ids: set[UUID]) -> None:
    """Tell every process what to forget.

    A new global title takes over a reference under which caches may hold households' own titles,
    so it is announced as a change of everything.
    """
    has_new = any(title.id not in known_ids for title in written)
    if has_new or len(written) > _ANNOUNCED_ONE_BY_ONE:
        unit.notify(TITLE_CHANGED, EVERY_TITLE)
        return
    for title in written:
        unit.notify(TITLE_CHANGED, str(title.id))
