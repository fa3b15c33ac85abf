"""What other domains, the command line and tools may use of accounts.

In SQL: the views ``accounts.pub_households``, ``pub_profiles``, ``pub_devices`` and the functions
``accounts.pub_register_devices``, ``pub_sign_in_state`` and ``pub_pairing_state``.
"""

from collections.abc import Iterable
from uuid import UUID

from watchkeeper.accounts import rules
from watchkeeper.accounts.events import (
    DevicePaired,
    DeviceRevoked,
    Erasure,
    HouseholdDeleted,
    HouseholdTimeChanged,
    ProfileChanged,
    ProfileCreated,
    ProfileDeleted,
    SignInEnded,
)
from watchkeeper.accounts.passwords import Hasher
from watchkeeper.accounts.problems import DeviceNoLongerPaired, NotAChild, PinRequired
from watchkeeper.accounts.repository import households
from watchkeeper.accounts.repository.audit_trail import count_old_audit, forget_audit
from watchkeeper.accounts.repository.devices import list_device_names
from watchkeeper.accounts.repository.expiry import forget_expired
from watchkeeper.accounts.repository.households import find_household, list_household_ids
from watchkeeper.accounts.repository.profiles import find_profile, list_profiles
from watchkeeper.accounts.repository.users import find_user_by_email, has_demo_accounts, has_users
from watchkeeper.accounts.revocations import REVOCATIONS, read_revocation
from watchkeeper.accounts.rules import password_fault
from watchkeeper.accounts.service import Accounts
from watchkeeper.accounts.service.auditing import record_audit
from watchkeeper.accounts.service.notifications import deliver
from watchkeeper.accounts.service.pins import store_first_pin
from watchkeeper.accounts.service.profiles import create_profile
from watchkeeper.accounts.service.registration import create_household_with_guardian
from watchkeeper.accounts.service.users import (
    DEMO_ACCOUNTS_ADDED,
    Users,
    create_user,
    hasher_of,
)
from watchkeeper.accounts.types import (
    Device,
    DeviceType,
    Household,
    HouseholdTime,
    NewNotification,
    NotificationKind,
    Profile,
    SignInState,
    User,
)
from watchkeeper.core.auth import DevicePrincipal, Principal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.problems import InvalidRequest, NotFound, Unauthenticated

# Tables that find somebody by what they know, before their household is known. All others have
# `household_id` first in every key.
DIRECTORY_TABLES = frozenset(
    {
        "accounts.users",
        "accounts.sign_ins",
        "accounts.refresh_tokens",
        "accounts.pairing_codes",
        "accounts.invitations",
        "accounts.rate_limits",
        # Belongs to nobody: it is kept when a household is gone.
        "accounts.deletion_receipts",
    }
)


async def get_profile(unit: UnitOfWork, household_id: UUID, profile_id: UUID) -> Profile:
    """A profile of this household; raises `NotFound` (404), also for another household's."""
    profile = await find_profile(unit, household_id, profile_id)
    if profile is None:
        raise NotFound
    return profile


def raise_for_credential(principal: Principal, state: str | None) -> None:
    """Refuse a caller whose sign-in or pairing has ended.

    `state` is what ``pub_sign_in_state`` or ``pub_pairing_state`` answered in the caller's own
    statement. Raises `DeviceNoLongerPaired` for a device, `Unauthenticated` for a person (401).
    """
    if state == "active":
        return
    if isinstance(principal, DevicePrincipal):
        raise DeviceNoLongerPaired
    raise Unauthenticated(log="the sign-in has ended")


async def get_household_time(unit: UnitOfWork, household_id: UUID) -> HouseholdTime:
    """How a household draws its days; raises `NotFound` (404)."""
    household = await households.find_household(unit, household_id)
    if household is None:
        raise NotFound
    return household.time


async def set_household_time(
    unit: UnitOfWork,
    household_id: UUID,
    *,
    timezone: str,
    reset_hour: int,
    weekend_days: Iterable[int],
) -> HouseholdTime:
    """Store how a household draws its days and return what held before.

    The caller first makes the current day's row for every child (03, section 1). Locks the
    household. Announces `HouseholdTimeChanged` when something changed. Raises `InvalidRequest`
    (422) naming the field, or `NotFound` (404).
    """
    time = HouseholdTime(timezone, reset_hour, tuple(sorted(set(weekend_days))))
    if not rules.is_known_timezone(time.timezone):
        raise InvalidRequest.field("timezone", "is not a known time zone, such as Europe/Madrid")
    if not 0 <= time.reset_hour <= 23:
        raise InvalidRequest.field("reset_hour", "must be 0 to 23")
    if not set(time.weekend_days) <= set(range(1, 8)):
        raise InvalidRequest.field("weekend_days", "must be weekdays from 1 (Monday) to 7")
    household = await households.find_household(unit, household_id, with_lock=True)
    if household is None:
        raise NotFound
    if household.time != time:
        await households.store_time(unit, household_id, time)
        await unit.announce(HouseholdTimeChanged(household_id, household.time, time))
    return household.time


__all__ = [
    "DEMO_ACCOUNTS_ADDED",
    "DIRECTORY_TABLES",
    "REVOCATIONS",
    "Accounts",
    "Device",
    "DeviceNoLongerPaired",
    "DevicePaired",
    "DeviceRevoked",
    "DeviceType",
    "Erasure",
    "Hasher",
    "Household",
    "HouseholdDeleted",
    "HouseholdTime",
    "HouseholdTimeChanged",
    "NewNotification",
    "NotAChild",
    "NotificationKind",
    "PinRequired",
    "Profile",
    "ProfileChanged",
    "ProfileCreated",
    "ProfileDeleted",
    "SignInEnded",
    "SignInState",
    "User",
    "Users",
    "count_old_audit",
    "create_household_with_guardian",
    "create_profile",
    "create_user",
    "deliver",
    "find_household",
    "find_profile",
    "find_user_by_email",
    "forget_audit",
    "forget_expired",
    "get_household_time",
    "get_profile",
    "has_demo_accounts",
    "has_users",
    "hasher_of",
    "list_device_names",
    "list_household_ids",
    "list_profiles",
    "password_fault",
    "raise_for_credential",
    "read_revocation",
    "record_audit",
    "set_household_time",
    "store_first_pin",
]
