"""Reactions of viewing time to what happens in accounts, inside the same transaction."""

from sqlalchemy import insert, update

from watchkeeper.accounts.events import (
    HouseholdDeleted,
    ProfileChanged,
    ProfileCreated,
    ProfileDeleted,
)
from watchkeeper.catalogue.public import forget_titles
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.personal_data import erase
from watchkeeper.core.queries import Queries
from watchkeeper.viewing.announcements import announce_people_changed
from watchkeeper.viewing.configuration import CHANNEL
from watchkeeper.viewing.models import viewers
from watchkeeper.viewing.personal_data import TABLES
from watchkeeper.viewing.policy_types import Policy
from watchkeeper.viewing.repository import QUERIES, lock_viewers

ERASURE = Queries("watchkeeper.viewing", "erasure.sql")


async def open_viewing_account(unit: UnitOfWork, fact: ProfileCreated) -> None:
    """A new profile gets its policy, with the default limits when it is a child."""
    policy = Policy()
    await unit.execute(
        insert(viewers).values(
            household_id=fact.profile.household_id,
            profile_id=fact.profile.id,
            weekday_limit_minutes=policy.weekday_limit_minutes,
            weekend_limit_minutes=policy.weekend_limit_minutes,
            educational_exempt=policy.educational_exempt,
            warning_first_minutes=policy.warning_first_minutes,
            warning_second_minutes=policy.warning_second_minutes,
            grace_seconds=policy.grace_seconds,
            day_limits={},
            windows={},
            version=0,
            updated_at=fact.at,
        )
    )
    announce_people_changed(unit, fact.profile.household_id)


async def follow_profile(unit: UnitOfWork, fact: ProfileChanged) -> None:
    """A changed profile is read anew; one that turns child or adult starts with closed sessions.

    What the open sessions were credited stays; their players are told to start again.
    """
    household_id = fact.after.household_id
    unit.notify(CHANNEL, str(household_id))
    await lock_viewers(unit, household_id, [fact.after.id])
    await unit.execute(
        update(viewers)
        .where(viewers.c.household_id == household_id, viewers.c.profile_id == fact.after.id)
        .values(version=viewers.c.version + 1)
    )
    announce_people_changed(unit, household_id)
    if fact.before.is_child != fact.after.is_child:
        await unit.execute(
            QUERIES["close_open_sessions"],
            {"household_id": household_id, "profile_id": fact.after.id},
        )


async def delete_viewing_account(unit: UnitOfWork, fact: ProfileDeleted) -> None:
    """A deleted profile takes its viewing time with it; heartbeats in flight are waited for.

    So do the titles of the household that nobody else watched, and it names the devices on which
    nobody else played.
    """
    household_id, profile_id = fact.profile.household_id, fact.profile.id
    keys = {"household_id": household_id, "profile_id": profile_id}
    first, *others = TABLES
    fact.erasure.add(await erase(unit, [first], household_id, profile_id))
    devices = await unit.execute(ERASURE["list_devices_used_alone"], keys)
    fact.erasure.device_ids.update(row.device_id for row in devices)
    watched = await unit.execute(ERASURE["list_titles_watched_alone"], keys)
    titles = [row.title_id for row in watched]
    fact.erasure.add(await erase(unit, others, household_id, profile_id))
    fact.erasure.add({"catalogue.titles": await forget_titles(unit, household_id, titles)})
    unit.notify(CHANNEL, str(household_id))
    announce_people_changed(unit, household_id)


async def delete_viewing_of_household(unit: UnitOfWork, fact: HouseholdDeleted) -> None:
    """A deleted household takes all viewing time with it; heartbeats in flight are waited for."""
    fact.erasure.add(await erase(unit, TABLES, fact.household_id))
    unit.notify(CHANNEL, str(fact.household_id))
