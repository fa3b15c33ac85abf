"""What use cases announce to players and guardians in every process.

A use case calls the function of its event with its unit of work; the announcement is sent by NOTIFY
when that commits, and to nobody when it doesn't. It holds ids only: who has streams of the
household open reads the news from the database. Announce after the drop of cached configurations:
announcements of one transaction arrive in the order in which they were made.

Ordinary heartbeats announce nothing. A NOTIFY takes a lock of the whole database at commit, and
what a heartbeat changes, its player knows. Source: viewing time, section 6; decision 0017.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from watchkeeper.core.database import UnitOfWork
from watchkeeper.viewing.repository import ProfileKey
from watchkeeper.viewing.types import Session

CHANNEL = "viewing_events"


class Kind(StrEnum):
    """What an announcement is about."""

    BALANCE_CHANGED = "balance_changed"
    POLICY_CHANGED = "policy_changed"
    PEOPLE_CHANGED = "people_changed"
    SESSION_SUPERSEDED = "session_superseded"
    REQUEST_ASKED = "request_asked"
    REQUEST_ANSWERED = "request_answered"


@dataclass(frozen=True, slots=True)
class Announcement:
    """One announcement as it travels; `profile_id` is None when it is about the household.

    `subject_id` is the session or request, `device_id` the device that lost its session,
    `device_name` the one that plays now.
    """

    kind: Kind
    household_id: UUID
    profile_id: UUID | None = None
    subject_id: UUID | None = None
    device_id: str | None = None
    device_name: str | None = None

    def write(self) -> str:
        """The payload; at most about 3 KB, because ids and names of devices are bounded."""
        fields = {
            "kind": self.kind.value,
            "household": str(self.household_id),
            "profile": _text(self.profile_id),
            "subject": _text(self.subject_id),
            "device": self.device_id,
            "device_name": self.device_name,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        return json.dumps(given, separators=(",", ":"))

    @classmethod
    def read(cls, payload: str) -> "Announcement":
        """Raises `ValueError`, `KeyError` or `TypeError` for a payload of another version."""
        fields = json.loads(payload)
        return cls(
            kind=Kind(fields["kind"]),
            household_id=UUID(fields["household"]),
            profile_id=_uuid(fields.get("profile")),
            subject_id=_uuid(fields.get("subject")),
            device_id=fields.get("device"),
            device_name=fields.get("device_name"),
        )


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _uuid(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)


def announce_balance_changed(unit: UnitOfWork, key: ProfileKey) -> None:
    """Time was given or taken, so that the profile may do something else than it was told."""
    _notify(unit, Announcement(Kind.BALANCE_CHANGED, key.household_id, key.profile_id))


def announce_policy_changed(unit: UnitOfWork, household_id: UUID, *profile_ids: UUID) -> None:
    """Rules of these profiles changed: limits, windows, a lock. Without ids: of all of them."""
    for profile_id in profile_ids or (None,):
        _notify(unit, Announcement(Kind.POLICY_CHANGED, household_id, profile_id))


def announce_people_changed(unit: UnitOfWork, household_id: UUID) -> None:
    """A profile was added, renamed or deleted: everybody who listens gets a new snapshot."""
    _notify(unit, Announcement(Kind.PEOPLE_CHANGED, household_id))


def announce_superseded(unit: UnitOfWork, key: ProfileKey, session: Session) -> None:
    """Another device took over: `session` is the one that lost, as it was settled."""
    _notify(
        unit,
        Announcement(
            Kind.SESSION_SUPERSEDED,
            key.household_id,
            key.profile_id,
            subject_id=session.id,
            device_id=session.device_id,
            device_name=session.superseded_by_device_name or session.superseded_by_device_id,
        ),
    )


def announce_request_asked(unit: UnitOfWork, key: ProfileKey, request_id: UUID) -> None:
    """A child asked for time; guardians are told."""
    _notify(
        unit,
        Announcement(Kind.REQUEST_ASKED, key.household_id, key.profile_id, subject_id=request_id),
    )


def announce_request_answered(unit: UnitOfWork, key: ProfileKey, request_id: UUID) -> None:
    """A guardian answered (or the request lapsed); the child's devices and guardians are told."""
    _notify(
        unit,
        Announcement(
            Kind.REQUEST_ANSWERED, key.household_id, key.profile_id, subject_id=request_id
        ),
    )


def _notify(unit: UnitOfWork, announcement: Announcement) -> None:
    unit.notify(CHANNEL, announcement.write())
