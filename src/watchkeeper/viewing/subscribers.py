"""Reactions of viewing time to what happens in accounts, inside the same transaction."""

from sqlalchemy import delete, insert, text, update

from watchkeeper.accounts.events import ProfileChanged, ProfileCreated, ProfileDeleted
from watchkeeper.core.database import UnitOfWork
from watchkeeper.viewing.announcements import announce_people_changed
from watchkeeper.viewing.configuration import CHANNEL
from watchkeeper.viewing.models import viewers
from watchkeeper.viewing.policy_types import Policy
from watchkeeper.viewing.repository import QUERIES, lock_viewers

_OWNED_TABLES = (
    "decisions",
    "requests",
    "grants",
    "slices",
    "sessions",
    "days",
    "overrides",
    "locks",
)


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
    """A deleted profile takes its viewing time with it; heartbeats in flight are waited for."""
    keys = {"household_id": fact.profile.household_id, "profile_id": fact.profile.id}
    await unit.execute(
        delete(viewers).where(
            viewers.c.household_id == fact.profile.household_id,
            viewers.c.profile_id == fact.profile.id,
        )
    )
    for table in _OWNED_TABLES:
        await unit.execute(
            text(
                f"DELETE FROM viewing.{table} "  # noqa: S608 - names from the constant above
                "WHERE household_id = :household_id AND profile_id = :profile_id"
            ),
            keys,
        )
    unit.notify(CHANNEL, str(fact.profile.household_id))
    announce_people_changed(unit, fact.profile.household_id)
