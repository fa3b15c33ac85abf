"""Writes viewing time straight into the tables, for tests of what reads it.

The rows are made so that slices = days = sessions, as heartbeats would leave them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from tests.harness.family import Family
from tests.harness.service import Service
from watchkeeper.core.database import Database, UnitOfWork
from watchkeeper.viewing.policy_types import DaySettings
from watchkeeper.viewing.records import session_to_row, slice_to_row
from watchkeeper.viewing.repository import Batch, ProfileKey, store
from watchkeeper.viewing.rules.days import day_from, last_reset_until
from watchkeeper.viewing.types import (
    DayState,
    DeviceType,
    EndReason,
    PlayState,
    Session,
    Slice,
    SliceKind,
    ViewingDay,
)

MADRID = DaySettings("Europe/Madrid")
BEGIN = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
COUNTED, EXEMPT = SliceKind.COUNTED, SliceKind.EXEMPT


@dataclass(frozen=True, slots=True)
class Piece:
    """So much time with one title."""

    title_id: UUID | None
    seconds: int
    kind: SliceKind = COUNTED


@dataclass(frozen=True, slots=True)
class Watched:
    """A session whose pieces follow one another from its start; cut where days end."""

    started_at: datetime
    pieces: tuple[Piece, ...] = ()
    title_id: UUID | None = None
    device_id: str = "living-room"
    device_name: str | None = None
    is_open: bool = False
    id: UUID = field(default_factory=uuid4)

    @property
    def ended_at(self) -> datetime:
        return self.started_at + timedelta(seconds=sum(piece.seconds for piece in self.pieces))


def draw_days(settings: DaySettings, first: datetime, until: datetime) -> tuple[ViewingDay, ...]:
    """The days from the one that contains `first` to the one that contains `until`."""
    days = [day_from(last_reset_until(first, settings), settings)]
    while days[-1].ends_at <= until:
        days.append(day_from(days[-1].ends_at, settings))
    return tuple(days)


def cut(session: Watched, days: Sequence[ViewingDay]) -> tuple[Slice, ...]:
    """The slices of a session."""
    slices: list[Slice] = []
    at = session.started_at
    for piece in session.pieces:
        end = at + timedelta(seconds=piece.seconds)
        while at < end:
            day = next(day for day in days if day.starts_at <= at < day.ends_at)
            until = min(end, day.ends_at)
            slices.append(
                Slice(
                    session_id=session.id,
                    ordinal=len(slices),
                    title_id=piece.title_id,
                    kind=piece.kind,
                    day_starts_at=day.starts_at,
                    starts_at=at,
                    ends_at=until,
                    credited_ms=(until - at) // timedelta(milliseconds=1),
                )
            )
            at = until
    return tuple(slices)


def _session(watched: Watched, slices: Sequence[Slice]) -> Session:
    return Session(
        id=watched.id,
        device_id=watched.device_id,
        device_type=DeviceType.TV,
        device_name=watched.device_name,
        start_key=None,
        title_id=watched.pieces[-1].title_id if watched.pieces else watched.title_id,
        started_at=watched.started_at,
        last_accepted_at=watched.ended_at,
        state=PlayState.PLAYING if watched.is_open else PlayState.ENDED,
        counted_ms=_sum(slices, COUNTED),
        exempt_ms=_sum(slices, EXEMPT),
        slice_count=len(slices),
        ended_at=None if watched.is_open else watched.ended_at,
        end_reason=None if watched.is_open else EndReason.ENDED,
        open_slice=slices[-1] if watched.is_open and slices else None,
    )


def _sum(slices: Iterable[Slice], kind: SliceKind) -> int:
    return sum(piece.credited_ms for piece in slices if piece.kind is kind)


def day_states(
    days: Sequence[ViewingDay], sessions: Iterable[Watched], limit_minutes: int | None = 120
) -> tuple[DayState, ...]:
    """The days with what the sessions used of them."""
    slices = [piece for session in sessions for piece in cut(session, days)]
    by_day: dict[datetime, list[Slice]] = {}
    for piece in slices:
        by_day.setdefault(piece.day_starts_at, []).append(piece)
    return tuple(
        DayState(
            day=day,
            limit_minutes=limit_minutes,
            counted_ms=_sum(by_day.get(day.starts_at, ()), COUNTED),
            exempt_ms=_sum(by_day.get(day.starts_at, ()), EXEMPT),
        )
        for day in days
    )


async def write_viewing(
    database: Database,
    key: ProfileKey,
    states: Sequence[DayState],
    sessions: Sequence[Watched],
    *,
    is_child: bool = True,
) -> None:
    """Store days and sessions of one profile; what it watched before is forgotten."""
    days = [state.day for state in states]
    batch = Batch()
    batch.add_days(key, states)
    ids = (key.household_id, key.profile_id)
    for watched in sessions:
        slices = cut(watched, days)
        session = _session(watched, slices)
        batch.add("new_sessions", session_to_row(*ids, session, is_child=is_child))
        finished = slices[:-1] if watched.is_open else slices
        batch.add("slices", *(slice_to_row(*ids, piece) for piece in finished))

    async def work(unit: UnitOfWork) -> None:
        for table in ("slices", "sessions", "days"):
            await unit.execute(
                text(f"DELETE FROM viewing.{table} WHERE profile_id = :profile_id"),
                {"profile_id": key.profile_id},
            )
        await store(unit, batch, states[0].day.starts_at)

    await database.run(work)


async def add_titles(database: Database, titles: Mapping[UUID, tuple[str, UUID | None]]) -> None:
    """Put titles into the catalogue: name, and the household whose own it is (None for all)."""

    async def work(unit: UnitOfWork) -> None:
        for title_id, (name, household_id) in titles.items():
            await unit.execute(
                text(
                    "INSERT INTO catalogue.titles"
                    " (id, household_id, source, external_id, name, created_at, updated_at)"
                    " VALUES (:id, :household_id, 'test', :external_id, :name, :at, :at)"
                    " ON CONFLICT DO NOTHING"
                ),
                {
                    "id": title_id,
                    "household_id": household_id,
                    "external_id": str(title_id),
                    "name": name,
                    "at": datetime.fromisoformat("2026-01-01T00:00:00+00:00"),
                },
            )

    await database.run(work)


@dataclass(slots=True)
class Home:
    """A family with one child, whose viewing time is written by hand."""

    family: Family
    key: ProfileKey

    @classmethod
    async def settle(cls, service: Service) -> "Home":
        """Register a family in Madrid with a child, at the hour at which every test begins.

        Families don't see each other, so that tests may share a service.
        """
        service.clock.set(BEGIN)
        family = await Family.register(service)
        profile_id = await family.add_profile("Noa")
        return cls(family, ProfileKey(UUID(family.household_id), UUID(profile_id)))

    @property
    def path(self) -> str:
        return f"/parental-controls/profiles/{self.key.profile_id}/history"

    @property
    def database(self) -> Database:
        return self.family.service.database

    async def write(
        self, sessions: Sequence[Watched], *, first: datetime | None = None
    ) -> tuple[DayState, ...]:
        """Store sessions with their days, from `first` or the first session until now."""
        now = self.family.service.clock.now()
        starts = [session.started_at for session in sessions]
        days = draw_days(MADRID, min([*starts, first or now]), now)
        states = day_states(days, sessions)
        await write_viewing(self.database, self.key, states, sessions)
        return states

    async def read(self, **wanted: Any) -> Any:
        """A page of the child's history."""
        return await self.family.call("GET", self.path, params=wanted)


def at(text: str) -> datetime:
    """An instant, given in UTC as `2026-03-09 18:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
