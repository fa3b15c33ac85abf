"""Whom an operator means: a household by id or a guardian's address, a person by name."""

from uuid import UUID

from watchkeeper.accounts.public import find_user_by_email, list_profiles
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.problems import NotFound
from watchkeeper.privacy.types import ExportSubject


async def find_household(unit: UnitOfWork, named: str) -> UUID:
    """The household of a guardian's e-mail address, or with this id; raises `NotFound`.

    Whether a household with the id exists is left to whoever uses it.
    """
    try:
        return UUID(named)
    except ValueError:
        user = await find_user_by_email(unit, named)
    if user is None or user.household_id is None:
        raise NotFound(f"There is no guardian with the address '{named}'.")
    return user.household_id


async def find_subject(unit: UnitOfWork, household: str, child: str | None) -> ExportSubject:
    """A household, or the one of its people with this name or id; raises `NotFound`."""
    household_id = await find_household(unit, household)
    if child is None:
        return ExportSubject(household_id)
    known = await list_profiles(unit, household_id)
    wanted = child.casefold()
    found = [one for one in known if wanted in (one.name.casefold(), str(one.id))]
    if not found:
        raise NotFound(f"The household has nobody called '{child}'.")
    if len(found) > 1:
        ids = ", ".join(str(one.id) for one in found)
        raise NotFound(f"Several people are called '{child}'; give one of the ids: {ids}.")
    return ExportSubject(household_id, found[0].id)
