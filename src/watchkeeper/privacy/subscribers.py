"""Who reacts to deletions; the service and the command line must not differ in this."""

from watchkeeper.accounts.events import HouseholdDeleted, ProfileDeleted
from watchkeeper.catalogue.subscribers import delete_titles_of_household
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.events import Subscriptions
from watchkeeper.core.jobs import forget_household
from watchkeeper.viewing.report_subscribers import end_reports
from watchkeeper.viewing.subscribers import delete_viewing_account, delete_viewing_of_household


def follow_deletions(subscriptions: Subscriptions) -> None:
    """Let every domain delete what it keeps, in the transaction that deletes."""
    subscriptions.on(ProfileDeleted, delete_viewing_account)
    subscriptions.on(HouseholdDeleted, delete_viewing_of_household)
    subscriptions.on(ProfileDeleted, end_reports)
    subscriptions.on(HouseholdDeleted, delete_titles_of_household)
    subscriptions.on(HouseholdDeleted, _forget_jobs)


async def _forget_jobs(unit: UnitOfWork, fact: HouseholdDeleted) -> None:
    """What was still to be done for the household needn't be done any more."""
    await forget_household(unit, fact.household_id)
