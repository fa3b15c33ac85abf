"""Reactions of the catalogue to what happens in accounts, inside the same transaction."""

from watchkeeper.accounts.events import HouseholdDeleted
from watchkeeper.catalogue.personal_data import TABLES
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.personal_data import erase


async def delete_titles_of_household(unit: UnitOfWork, fact: HouseholdDeleted) -> None:
    """The titles that only this household's players mentioned go with it."""
    fact.erasure.add(await erase(unit, TABLES, fact.household_id))
