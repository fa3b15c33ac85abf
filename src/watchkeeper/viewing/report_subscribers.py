"""Reactions of the weekly report to what happens in accounts, inside the same transaction."""

from watchkeeper.accounts.events import (
    HouseholdTimeChanged,
    ProfileChanged,
    ProfileCreated,
    ProfileDeleted,
)
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.events import Subscriptions
from watchkeeper.viewing.report_repository import add_plan, drop_plan_of_childless, look_anew


def subscribe(subscriptions: Subscriptions) -> None:
    """Follow what decides whether, and when, a household is reported."""
    subscriptions.on(ProfileCreated, plan_reports)
    subscriptions.on(ProfileChanged, follow_kind)
    subscriptions.on(HouseholdTimeChanged, follow_time)


async def plan_reports(unit: UnitOfWork, fact: ProfileCreated) -> None:
    """A household is reported from the week in which it gets its first child."""
    if fact.profile.is_child:
        await add_plan(unit, fact.profile.household_id, fact.at)


async def follow_kind(unit: UnitOfWork, fact: ProfileChanged) -> None:
    """An adult who turns child begins the reports, the last child who turns adult ends them."""
    if fact.after.is_child and not fact.before.is_child:
        await add_plan(unit, fact.after.household_id, fact.at)
    elif fact.before.is_child and not fact.after.is_child:
        await drop_plan_of_childless(unit, fact.after.household_id, fact.after.id)


async def end_reports(unit: UnitOfWork, fact: ProfileDeleted) -> None:
    """The last child's deletion ends the reports."""
    await drop_plan_of_childless(unit, fact.profile.household_id, fact.profile.id)


async def follow_time(unit: UnitOfWork, fact: HouseholdTimeChanged) -> None:
    """Another zone or reset hour moves the end of the week."""
    await look_anew(unit, fact.household_id)
