"""A watched past, written in bulk: sessions, slices and days that agree with each other.

The service would need months to be told all this by heartbeats. For every child and day the
credited time of the slices, of the sessions and of the day is the same, as the rules would have
left it; a household in UTC with the default reset hour is assumed.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import asyncpg

_SEED = 20_260_102
_RESET_HOUR = 6
# Sessions lie in this part of a viewing day.
_AWAKE = timedelta(hours=16)
_WEEKEND = (5, 6)
_LIMIT_MINUTES = {False: 120, True: 180}
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Title:
    """A title of the catalogue that everybody sees."""

    id: UUID
    name: str
    is_educational: bool


@dataclass(slots=True)
class WatchedPast:
    """Rows by table, ready for COPY."""

    sessions: list[Row] = field(default_factory=list)
    slices: list[Row] = field(default_factory=list)
    days: list[Row] = field(default_factory=list)

    @property
    def credited_ms(self) -> int:
        """Counted and exempt time of everything."""
        return sum(int(day["counted_ms"]) + int(day["exempt_ms"]) for day in self.days)


def make_titles(count: int, draw: random.Random) -> list[Title]:
    """Titles, one in four of them educational."""
    return [Title(_uuid(draw), f"Bench title {n}", n % 4 == 0) for n in range(count)]


def spread(total: int, days: int) -> list[int]:
    """`total` sessions over `days` days, as evenly as whole numbers allow."""
    return [total * (day + 1) // days - total * day // days for day in range(days)]


def watched_past(
    household_id: UUID,
    profile_ids: Sequence[UUID],
    titles: Sequence[Title],
    *,
    before: datetime,
    sessions_on: Sequence[int],
) -> WatchedPast:
    """What children watched on the days that ended before `before`.

    `sessions_on` says how many sessions each child has on each day, oldest first.
    """
    past = WatchedPast()
    last_start = current_day_start(before) - timedelta(days=1)
    for profile_id in profile_ids:
        # Ids of sessions are drawn too: those of two children must differ.
        draw = random.Random(f"{_SEED}:{profile_id}")
        for number, sessions in enumerate(sessions_on):
            starts_at = last_start - timedelta(days=len(sessions_on) - 1 - number)
            _add_day(past, _Child(household_id, profile_id), titles, starts_at, sessions, draw)
    return past


def current_day_start(now: datetime) -> datetime:
    """When the viewing day of `now` began, in UTC with the default reset hour."""
    label = (now.astimezone(UTC) - timedelta(hours=_RESET_HOUR)).date()
    return datetime.combine(label, time(_RESET_HOUR), UTC)


@dataclass(frozen=True, slots=True)
class _Child:
    household_id: UUID
    profile_id: UUID


def _add_day(
    past: WatchedPast,
    child: _Child,
    titles: Sequence[Title],
    starts_at: datetime,
    sessions: int,
    draw: random.Random,
) -> None:
    credited = {"counted": 0, "exempt": 0}
    slot = _AWAKE / max(1, sessions)
    for number in range(sessions):
        title = draw.choice(titles)
        kind = "exempt" if title.is_educational else "counted"
        length_ms = int(slot.total_seconds() * 1000 * draw.uniform(0.2, 0.9))
        began_at = starts_at + number * slot
        ended_at = began_at + timedelta(milliseconds=length_ms)
        session_id = _uuid(draw)
        credited[kind] += length_ms
        past.sessions.append(
            _session(child, session_id, title, kind, (began_at, ended_at), length_ms)
        )
        past.slices.append(
            {
                "household_id": child.household_id,
                "session_id": session_id,
                "ordinal": 0,
                "profile_id": child.profile_id,
                "title_id": title.id,
                "kind": kind,
                "day_starts_at": starts_at,
                "starts_at": began_at,
                "ends_at": ended_at,
                "credited_ms": length_ms,
            }
        )
    past.days.append(_day(child, starts_at, credited))


def _day(child: _Child, starts_at: datetime, credited: dict[str, int]) -> Row:
    label: date = starts_at.date()
    return {
        "household_id": child.household_id,
        "profile_id": child.profile_id,
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(days=1),
        "label": label,
        "timezone": "UTC",
        "reset_hour": _RESET_HOUR,
        "limit_minutes": _LIMIT_MINUTES[label.weekday() in _WEEKEND],
        "counted_ms": credited["counted"],
        "exempt_ms": credited["exempt"],
    }


def _session(
    child: _Child,
    session_id: UUID,
    title: Title,
    kind: str,
    span: tuple[datetime, datetime],
    length_ms: int,
) -> Row:
    return {
        "household_id": child.household_id,
        "id": session_id,
        "profile_id": child.profile_id,
        "is_child": True,
        "device_id": "bench-tv",
        "device_type": "tv",
        "title_id": title.id,
        "started_at": span[0],
        "last_accepted_at": span[1],
        "state": "ended",
        "has_counters": True,
        "seq": 1 + length_ms // 30_000,
        "played_ms": length_ms,
        "paused_ms": 0,
        "bucket_ms": 0,
        "pause_counted_ms": 0,
        "was_blocked": False,
        "counted_ms": length_ms if kind == "counted" else 0,
        "exempt_ms": length_ms if kind == "exempt" else 0,
        "written_off_ms": 0,
        "forgiven_ms": 0,
        "is_flagged": False,
        "ended_at": span[1],
        "end_reason": "ended",
        "slice_count": 1,
    }


def _uuid(draw: random.Random) -> UUID:
    return UUID(int=draw.getrandbits(128), version=4)


async def insert_titles(
    connection: "asyncpg.Connection[asyncpg.Record]", titles: Sequence[Title], now: datetime
) -> None:
    """Add titles to the catalogue; a second time they are there already."""
    await connection.executemany(
        "INSERT INTO catalogue.titles"
        " (id, source, external_id, name, is_educational, is_classified, created_at, updated_at)"
        " VALUES ($1, 'bench', $2, $3, $4, true, $5, $5) ON CONFLICT DO NOTHING",
        [(title.id, str(title.id), title.name, title.is_educational, now) for title in titles],
    )


async def insert_past(connection: "asyncpg.Connection[asyncpg.Record]", past: WatchedPast) -> None:
    """COPY a past into the database in one transaction, and refresh the planner's statistics."""
    async with connection.transaction():
        for table in ("days", "sessions", "slices"):
            rows: list[Row] = getattr(past, table)
            await connection.copy_records_to_table(
                table,
                schema_name="viewing",
                columns=list(rows[0]),
                records=[tuple(row.values()) for row in rows],
            )
    await connection.execute("ANALYZE viewing.days, viewing.sessions, viewing.slices")
