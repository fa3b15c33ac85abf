"""Facts that accounts announces; reactions run in the announcing transaction."""

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class ProfileDeleted:
    """A profile's row is being deleted; whoever keeps something about it deletes that now."""

    profile: Profile
    at: datetime


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
