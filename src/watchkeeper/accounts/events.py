"""Facts that accounts announces; reactions run in the announcing transaction."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from watchkeeper.accounts.types import EndReason, HouseholdTime, Profile


@dataclass(frozen=True, slots=True)
class ProfileCreated:
    """A person was added to a household; a child needs its default limits."""

    profile: Profile
    at: datetime


@dataclass(frozen=True, slots=True)
class ProfileChanged:
    """Name, avatar or kind of a profile changed."""

    before: Profile
    after: Profile
    at: datetime


@dataclass(slots=True)
class Erasure:
    """What the reactions to a deletion report back: rows by table, for the receipt.

    `device_ids` are devices that nobody but the deleted profile used; they go with it.
    """

    rows: Counter[str] = field(default_factory=Counter)
    device_ids: set[str] = field(default_factory=set)

    def add(self, rows: Mapping[str, int]) -> None:
        """Note that rows were deleted."""
        self.rows.update(rows)


@dataclass(frozen=True, slots=True)
class ProfileDeleted:
    """A profile is being deleted; whoever keeps something about it deletes that now."""

    profile: Profile
    at: datetime
    erasure: Erasure = field(default_factory=Erasure)


@dataclass(frozen=True, slots=True)
class HouseholdDeleted:
    """A household is being deleted; whoever keeps something about it deletes that now.

    Announced twice in one transaction: the second time for what others stored before they could
    notice. A reaction that finds nothing does nothing.
    """

    household_id: UUID
    at: datetime
    erasure: Erasure = field(default_factory=Erasure)


@dataclass(frozen=True, slots=True)
class DevicePaired:
    """A device was bound to a child and may play for it."""

    household_id: UUID
    profile_id: UUID
    device_id: str
    pairing_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class DeviceRevoked:
    """A pairing is over: its device was removed, paired anew, or its child is gone."""

    household_id: UUID
    device_id: str
    pairing_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class SignInEnded:
    """A sign-in is over; its access tokens are refused from now on."""

    sign_in_id: UUID
    user_id: UUID
    household_id: UUID | None
    reason: EndReason
    at: datetime


@dataclass(frozen=True, slots=True)
class HouseholdTimeChanged:
    """Zone, reset hour or weekend days of a household changed."""

    household_id: UUID
    before: HouseholdTime
    after: HouseholdTime
