"""Between rows and values: how days, sessions and slices are written and read as JSON rows.

The SQL functions of the heartbeat exchange whole rows as JSON, whose keys are the column names;
this is the only place that knows both sides.
"""

import json
from datetime import date, datetime
from typing import Any
from uuid import UUID

from watchkeeper.viewing.policy_types import Stretch
from watchkeeper.viewing.types import (
    Binding,
    DayState,
    DeviceType,
    EndReason,
    Enforcement,
    Ledger,
    PlayState,
    Session,
    Slice,
    SliceKind,
    ViewingDay,
)

Row = dict[str, Any]

_SAME_NAME = (
    "device_id",
    "device_name",
    "start_key",
    "has_counters",
    "seq",
    "played_ms",
    "paused_ms",
    "bucket_ms",
    "pause_counted_ms",
    "was_blocked",
    "counted_ms",
    "exempt_ms",
    "written_off_ms",
    "forgiven_ms",
    "is_flagged",
    "superseded_by_device_id",
    "superseded_by_device_name",
    "slice_count",
)


def from_json(value: Any) -> Any:
    """A value of a JSON column, which the driver hands out as text or as what it says."""
    return json.loads(value) if isinstance(value, str) else value


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _optional_instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _optional_id(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)


def day_from_row(row: Row) -> DayState:
    """A stored day of one profile."""
    return DayState(
        day=ViewingDay(
            starts_at=_instant(row["starts_at"]),
            ends_at=_instant(row["ends_at"]),
            label=date.fromisoformat(row["label"]),
            timezone=row["timezone"],
            reset_hour=row["reset_hour"],
            is_first_with_label=row["is_first_with_label"] is not False,
        ),
        limit_minutes=row["limit_minutes"],
        counted_ms=row["counted_ms"],
        exempt_ms=row["exempt_ms"],
        written_off_ms=row["written_off_ms"],
        forgiven_ms=row["forgiven_ms"],
        ledger=Ledger(row["granted_minutes"], row["floor_ms"], row["unlimited_grants"]),
        extensions=tuple(
            Stretch(_instant(start), _instant(end)) for start, end in row["extensions"] or ()
        ),
    )


def day_to_row(household_id: UUID, profile_id: UUID, state: DayState) -> Row:
    """The row of a day, ready for JSON."""
    return {
        "household_id": str(household_id),
        "profile_id": str(profile_id),
        "starts_at": state.day.starts_at.isoformat(),
        "ends_at": state.day.ends_at.isoformat(),
        "label": state.day.label.isoformat(),
        "timezone": state.day.timezone,
        "reset_hour": state.day.reset_hour,
        "limit_minutes": state.limit_minutes,
        "counted_ms": state.counted_ms,
        "exempt_ms": state.exempt_ms,
        "written_off_ms": state.written_off_ms,
        "forgiven_ms": state.forgiven_ms,
        "granted_minutes": state.ledger.granted_minutes,
        "floor_ms": state.ledger.floor_ms,
        "unlimited_grants": state.ledger.unlimited_grants,
        "is_first_with_label": state.day.is_first_with_label,
        "extensions": [
            [one.starts_at.isoformat(), one.ends_at.isoformat()] for one in state.extensions
        ],
    }


def session_from_row(row: Row) -> Session:
    """A stored session with its open slice."""
    session_id = UUID(row["id"])
    return Session(
        id=session_id,
        device_type=DeviceType(row["device_type"]),
        title_id=_optional_id(row["title_id"]),
        started_at=_instant(row["started_at"]),
        last_accepted_at=_instant(row["last_accepted_at"]),
        state=PlayState(row["state"]),
        last_enforcement=Enforcement(row["last_enforcement"]) if row["last_enforcement"] else None,
        last_reason=Binding(row["last_reason"]) if row["last_reason"] else None,
        ended_at=_optional_instant(row["ended_at"]),
        end_reason=EndReason(row["end_reason"]) if row["end_reason"] else None,
        open_slice=_open_slice(session_id, row),
        **{name: row[name] for name in _SAME_NAME},
    )


def _open_slice(session_id: UUID, row: Row) -> Slice | None:
    if row["open_kind"] is None:
        return None
    return Slice(
        session_id=session_id,
        ordinal=row["slice_count"] - 1,
        title_id=_optional_id(row["open_title_id"]),
        kind=SliceKind(row["open_kind"]),
        day_starts_at=_instant(row["open_day_starts_at"]),
        starts_at=_instant(row["open_starts_at"]),
        ends_at=_instant(row["open_ends_at"]),
        credited_ms=row["open_credited_ms"],
    )


def session_to_row(
    household_id: UUID, profile_id: UUID, session: Session, *, is_child: bool
) -> Row:
    """The row of a session, ready for JSON; an ended one has no open slice."""
    open_slice = session.open_slice if session.is_open else None
    return {
        "household_id": str(household_id),
        "id": str(session.id),
        "profile_id": str(profile_id),
        "is_child": is_child,
        "device_type": session.device_type,
        "title_id": str(session.title_id) if session.title_id else None,
        "started_at": session.started_at.isoformat(),
        "last_accepted_at": session.last_accepted_at.isoformat(),
        "state": session.state,
        "last_enforcement": session.last_enforcement,
        "last_reason": session.last_reason,
        "ended_at": session.ended_at.isoformat() if session.ended_at else None,
        "end_reason": session.end_reason,
        **{name: getattr(session, name) for name in _SAME_NAME},
        **_open_slice_columns(open_slice),
    }


def _open_slice_columns(piece: Slice | None) -> Row:
    if piece is None:
        return {}
    return {
        "open_title_id": str(piece.title_id) if piece.title_id else None,
        "open_kind": piece.kind,
        "open_day_starts_at": piece.day_starts_at.isoformat(),
        "open_starts_at": piece.starts_at.isoformat(),
        "open_ends_at": piece.ends_at.isoformat(),
        "open_credited_ms": piece.credited_ms,
    }


def slice_to_row(household_id: UUID, profile_id: UUID, piece: Slice) -> Row:
    """The row of a finished slice, ready for JSON."""
    return {
        "household_id": str(household_id),
        "session_id": str(piece.session_id),
        "ordinal": piece.ordinal,
        "profile_id": str(profile_id),
        "title_id": str(piece.title_id) if piece.title_id else None,
        "kind": piece.kind,
        "day_starts_at": piece.day_starts_at.isoformat(),
        "starts_at": piece.starts_at.isoformat(),
        "ends_at": piece.ends_at.isoformat(),
        "credited_ms": piece.credited_ms,
    }
