"""Which profiles a caller reaches: its household's, or a device's own."""

from uuid import UUID

from watchkeeper.core.auth import DevicePrincipal, Principal
from watchkeeper.core.problems import Forbidden, NotFound
from watchkeeper.viewing.repository import ProfileKey


def household_of(caller: Principal) -> UUID:
    """The caller's household; raises `Forbidden` for staff, who have none."""
    if isinstance(caller, DevicePrincipal):
        return caller.household_id
    if not caller.is_guardian or caller.household_id is None:
        raise Forbidden("Only guardians and their children's devices may do this.")
    return caller.household_id


def profile_key(caller: Principal, profile_id: UUID) -> ProfileKey:
    """The key of a profile as the caller sees it.

    Raises `NotFound` when a device asks for a profile that isn't its own; whether the household
    has such a profile is asked of the database.
    """
    if isinstance(caller, DevicePrincipal) and caller.profile_id != profile_id:
        raise NotFound("We couldn't find that profile.")
    return ProfileKey(household_of(caller), profile_id)
