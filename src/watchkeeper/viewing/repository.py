"""All SQL of heartbeats: loading viewers under their locks, and storing what was settled."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from watchkeeper.core.auth import DevicePrincipal, Principal, UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.problems import NotFound
from watchkeeper.core.queries import Queries
from watchkeeper.viewing.policy_records import policy_from_row
from watchkeeper.viewing.policy_types import DaySettings, Policy
from watchkeeper.viewing.records import (
    day_from_row,
    day_to_row,
    from_json,
    session_from_row,
    session_to_row,
    slice_to_row,
)
from watchkeeper.viewing.types import DayState, Session, Settlement, Slice, Viewer

QUERIES = Queries("watchkeeper.viewing")

# Released locks still cut the stretch that they lie in. It is settled when its session falls silent
# at the latest, or once the service is back.
_LOCKS_REMEMBERED_FOR = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class ProfileKey:
    """A profile by the key that every viewing table is distributed by."""

    household_id: UUID
    profile_id: UUID


@dataclass(frozen=True, slots=True)
class Configuration:
    """What rarely changes about a profile; kept in the configuration cache.

    `version` rises with each change, and whoever locks the profile sees the present one.
    """

    version: int
    profile_name: str
    is_child: bool
    policy: Policy
    day_settings: DaySettings


@dataclass(frozen=True, slots=True)
class TitleRef:
    """A title as a player knows it: where it comes from, its id there, and its name."""

    source: str
    external_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about one profile: for whom, by which device, about which session."""

    key: ProfileKey
    device_id: str | None = None
    session_id: UUID | None = None
    start_key: str | None = None
    title_id: UUID | None = None
    title_ref: TitleRef | None = None
    caller: Principal | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """The answer to one question; `version` is None when the profile is gone."""

    key: ProfileKey
    version: int | None
    credential: str | None
    is_device_known: bool
    device_name: str | None
    title_id: UUID | None
    days: tuple[DayState, ...]
    sessions: tuple[Session, ...]
    named: Session | None
    educational_titles: dict[UUID, bool]

    def viewer(self, configuration: Configuration) -> Viewer:
        """What the rules read: these rows with what the guardians decided."""
        return Viewer(
            household_id=self.key.household_id,
            profile_id=self.key.profile_id,
            is_child=configuration.is_child,
            policy=configuration.policy,
            day_settings=configuration.day_settings,
            days=self.days,
            sessions=self.sessions,
            named=self.named,
            educational_titles=self.educational_titles,
        )


async def load_configurations(
    unit: UnitOfWork, keys: Sequence[ProfileKey], now: datetime
) -> dict[ProfileKey, Configuration]:
    """The configurations of the profiles that exist. Query cost: 1 statement for any number."""
    rows = await unit.execute(
        QUERIES["load_configurations"],
        {
            "households": [key.household_id for key in keys],
            "profiles": [key.profile_id for key in keys],
            "locked_since": now - _LOCKS_REMEMBERED_FOR,
        },
    )
    return {
        ProfileKey(row.household_id, row.profile_id): Configuration(
            version=row.version,
            profile_name=row.profile_name,
            is_child=row.is_child,
            policy=policy_from_row(row, row.locks),
            day_settings=DaySettings(row.timezone, row.reset_hour, frozenset(row.weekend_days)),
        )
        for row in rows
    }


async def load_viewers(
    unit: UnitOfWork, questions: Sequence[Question], now: datetime
) -> list[Loaded]:
    """Lock the profiles and load what the rules need, in the order of the questions.

    `now` may be from before the locks were got: it only widens which days are read.
    Locks `viewing.viewers` rows in key order until the transaction ends. Query cost: 1 statement.
    """
    rows = await unit.execute(QUERIES["load_viewers"], _parameters(questions) | {"now": now})
    return [_loaded(question.key, row) for question, row in zip(questions, rows, strict=True)]


def _parameters(questions: Sequence[Question]) -> dict[str, list[Any]]:
    refs = [question.title_ref for question in questions]
    callers = [question.caller for question in questions]
    return {
        "households": [question.key.household_id for question in questions],
        "profiles": [question.key.profile_id for question in questions],
        "sessions": [question.session_id for question in questions],
        "devices": [question.device_id for question in questions],
        "start_keys": [question.start_key for question in questions],
        "titles": [question.title_id for question in questions],
        "title_sources": [ref.source if ref else None for ref in refs],
        "title_ids": [ref.external_id if ref else None for ref in refs],
        "sign_ins": [
            caller.sign_in_id if isinstance(caller, UserPrincipal) else None for caller in callers
        ],
        "pairings": [
            caller.pairing_id if isinstance(caller, DevicePrincipal) else None for caller in callers
        ],
    }


def _loaded(key: ProfileKey, row: Any) -> Loaded:
    named = from_json(row.named)
    titles = from_json(row.titles) or {}
    return Loaded(
        key=key,
        version=row.version,
        credential=row.credential,
        is_device_known=row.is_device_known,
        device_name=row.device_name,
        title_id=row.title_id,
        days=tuple(day_from_row(one) for one in from_json(row.days) or ()),
        sessions=tuple(session_from_row(one) for one in from_json(row.sessions) or ()),
        named=session_from_row(named) if named else None,
        educational_titles={UUID(key): bool(value) for key, value in titles.items()},
    )


@dataclass(slots=True)
class Batch:
    """Rows that one call of `store_settlements` writes, by table."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, table: str, *rows: dict[str, Any]) -> None:
        """Add rows of one table."""
        if rows:
            self.rows.setdefault(table, []).extend(rows)

    def add_settlement(self, viewer: Viewer, settlement: Settlement) -> None:
        """Add everything that a settlement changed.

        A slice that may still grow is kept in its session's row; it becomes a row of its own
        when another slice follows it or the session ends.
        """
        ids = (viewer.household_id, viewer.profile_id)
        self.add("days", *(day_to_row(*ids, day) for day in settlement.days))
        changed = [
            session_to_row(*ids, session, is_child=viewer.is_child)
            for session in settlement.changed_sessions
        ]
        self.add("changed_sessions", *changed)
        if settlement.new_session is not None:
            new = session_to_row(*ids, settlement.new_session, is_child=viewer.is_child)
            self.add("new_sessions", new)
        self.add("slices", *(slice_to_row(*ids, one) for one in _finished(viewer, settlement)))
        if settlement.decision_entry is not None and viewer.is_child:
            entry = settlement.decision_entry
            self.add(
                "decisions",
                {
                    "household_id": str(viewer.household_id),
                    "profile_id": str(viewer.profile_id),
                    "decided_at": entry.decided_at.isoformat(),
                    "session_id": str(entry.session_id),
                    "device_id": entry.device_id,
                    "enforcement": entry.enforcement,
                    "reason": entry.reason,
                    "remaining_ms": entry.remaining_ms,
                },
            )

    def payload(self, now: datetime) -> str:
        """The rows as the database function takes them."""
        return json.dumps({"now": now.isoformat(), **self.rows}, separators=(",", ":"))

    def add_days(self, key: ProfileKey, days: Iterable[DayState]) -> None:
        """Add days alone, for grants and changes of policy."""
        self.add("days", *(day_to_row(key.household_id, key.profile_id, day) for day in days))


def _finished(viewer: Viewer, settlement: Settlement) -> list[Slice]:
    """The slices that can't grow any more and aren't stored yet."""
    still_open = {
        (session.id, session.open_slice.ordinal)
        for session in (*settlement.changed_sessions, settlement.new_session)
        if session is not None and session.is_open and session.open_slice is not None
    }
    changed = {session.id for session in settlement.changed_sessions}
    finished: dict[tuple[UUID, int], Slice] = {}
    before = (*viewer.sessions, *([viewer.named] if viewer.named else ()))
    for session in before:
        if session.id in changed and session.is_open and session.open_slice is not None:
            finished[session.id, session.open_slice.ordinal] = session.open_slice
    for write in settlement.slices:
        finished[write.slice.session_id, write.slice.ordinal] = write.slice
    return [piece for key, piece in finished.items() if key not in still_open]


async def store(unit: UnitOfWork, batch: Batch, now: datetime) -> None:
    """Write a batch. Query cost: 1 statement, or none when there is nothing to write."""
    if batch.rows:
        await unit.execute(QUERIES["store_settlements"], {"payload": batch.payload(now)})


async def find_session_profile(
    unit: UnitOfWork, household_id: UUID, session_id: UUID
) -> UUID | None:
    """Whose session it is, None when the household has no such session."""
    row = (
        await unit.execute(
            QUERIES["find_session_profile"],
            {"household_id": household_id, "session_id": session_id},
        )
    ).one_or_none()
    return row.profile_id if row else None


async def lock_viewers(unit: UnitOfWork, household_id: UUID, profile_ids: Sequence[UUID]) -> None:
    """Hold back heartbeats and other changes of these profiles until the transaction ends.

    Raises `NotFound` when none of them is left: whoever waited for a deletion changes nothing.
    """
    parameters = {"household_id": household_id, "profiles": list(profile_ids)}
    if not (await unit.execute(QUERIES["lock_viewers"], parameters)).all():
        raise NotFound("We couldn't find that profile.")


@dataclass(frozen=True, slots=True)
class StoredDays:
    """Days of a profile, oldest first, and the version of what its guardians decided."""

    version: int
    days: tuple[DayState, ...]


async def load_last_days(
    unit: UnitOfWork, keys: Sequence[ProfileKey], now: datetime
) -> dict[ProfileKey, StoredDays]:
    """The stored days around `now` of those profiles that exist. Query cost: 1 statement."""
    rows = await unit.execute(
        QUERIES["load_last_days"],
        {
            "households": [key.household_id for key in keys],
            "profiles": [key.profile_id for key in keys],
            "now": now,
        },
    )
    return {
        ProfileKey(row.household_id, row.profile_id): StoredDays(
            row.version, tuple(day_from_row(day) for day in from_json(row.days) or ())
        )
        for row in rows
    }
