"""Puts the demo family, its titles and its history into an empty database."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import insert, text

from watchkeeper.accounts.public import (
    Device,
    Hasher,
    Household,
    HouseholdTime,
    Profile,
    create_household_with_guardian,
    create_profile,
    has_users,
    store_first_pin,
)
from watchkeeper.accounts.public import DeviceType as PairedDeviceType
from watchkeeper.accounts.repository.devices import store_pairing
from watchkeeper.accounts.repository.users import insert_user
from watchkeeper.catalogue.public import Title, add_global_titles, plan_titles
from watchkeeper.core.auth import Role
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.ids import new_id
from watchkeeper.demo.accounts import DEMO_ACCOUNTS_ADDED, GUARDIAN, PASSWORD, PIN, STAFF
from watchkeeper.demo.history import DemoPlayer, History, shelves_of
from watchkeeper.demo.schedule import DAYS, TELEVISION, Habit, Screen, sittings
from watchkeeper.demo.titles import demo_titles
from watchkeeper.viewing.models import grants
from watchkeeper.viewing.policy_types import DaySettings, Policy
from watchkeeper.viewing.records import session_to_row, slice_to_row
from watchkeeper.viewing.repository import Batch, ProfileKey, store
from watchkeeper.viewing.types import DeviceType, Viewer

TIMEZONE = "Europe/Madrid"
HABITS = (
    Habit("Noa", Screen("demo-noa-tablet", DeviceType.TABLET, "Noa's tablet"), 0.8, is_child=True),
    Habit("Leo", Screen("demo-leo-tablet", DeviceType.TABLET, "Leo's tablet"), 0.75, is_child=True),
    Habit("Carmen", Screen("demo-phone", DeviceType.MOBILE, "Carmen's phone"), 0.7, is_child=False),
)
# One number for all commands that add demo data to the same database at once.
_ADVISORY_LOCK = 0x57_4B_44_4D

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Person:
    """A profile of the demo family and what it watched."""

    profile: Profile
    history: History


@dataclass(frozen=True, slots=True)
class DemoMade:
    """What was added, for a word about it."""

    household_id: UUID
    profile_ids: dict[str, UUID]
    titles: int
    sessions: int


class DatabaseNotEmptyError(Exception):
    """There are accounts already, so nothing was added."""


async def make_demo(floor: Floor, tell: Tell) -> DemoMade:
    """Add the demo data, all or nothing; `tell` gets lines about what takes long.

    Raises `DatabaseNotEmptyError`. The reaction that opens viewing accounts for new profiles must
    be subscribed.
    """
    await floor.database.run(_require_empty)
    now = floor.clock.now()
    hasher = Hasher(floor.secrets.pin_pepper)
    hashes = [await floor.hashing.run(hasher.hash_password, PASSWORD) for _ in (GUARDIAN, *STAFF)]
    pin_hash = await floor.hashing.run(hasher.hash_pin, PIN)
    tell(f"Making {DAYS} days of viewing …")
    made_at = now - timedelta(days=DAYS + 1)
    titles = plan_titles(demo_titles(), made_at)
    household = Household(new_id(), "Rivera", HouseholdTime(TIMEZONE), True, False, made_at)
    people = [
        _live(household, habit, made_at + timedelta(seconds=number), titles, now)
        for number, habit in enumerate(HABITS)
    ]

    async def work(unit: UnitOfWork) -> None:
        await _require_empty(unit)
        guardian = await create_household_with_guardian(
            unit, household, email=GUARDIAN, password_hash=hashes[0]
        )
        await store_first_pin(
            unit, household.household_id, pin_hash, set_by=guardian.id, now=made_at
        )
        for (role, email), password_hash in zip(STAFF.items(), hashes[1:], strict=True):
            await _add_staff(unit, email, role, password_hash, made_at)
        await add_global_titles(unit, demo_titles(), made_at)
        for person in people:
            await create_profile(unit, person.profile, actor="demo")
        await _store_devices(unit, people, now)
        for person in people:
            await _store_history(unit, person, guardian.id, now)
        unit.notify(DEMO_ACCOUNTS_ADDED, str(household.household_id))

    await floor.database.run(work)
    return DemoMade(
        household_id=household.household_id,
        profile_ids={person.profile.name: person.profile.id for person in people},
        titles=len(titles),
        sessions=sum(len(person.history.sessions) for person in people),
    )


async def _require_empty(unit: UnitOfWork) -> None:
    await unit.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
    if await has_users(unit):
        raise DatabaseNotEmptyError


def _live(
    household: Household, habit: Habit, joined_at: datetime, titles: Sequence[Title], now: datetime
) -> Person:
    """Let one person live through the last 30 days."""
    profile = Profile(
        household_id=household.household_id,
        id=new_id(),
        name=habit.name,
        is_child=habit.is_child,
        avatar=None,
        created_at=joined_at,
    )
    viewer = Viewer(
        household_id=household.household_id,
        profile_id=profile.id,
        is_child=habit.is_child,
        policy=Policy(),
        day_settings=DaySettings(TIMEZONE),
    )
    player = DemoPlayer(viewer, shelves_of(titles, is_child=habit.is_child), habit.name)
    zone = ZoneInfo(TIMEZONE)
    for sitting in sittings(habit, now.astimezone(zone).date(), zone):
        player.play(sitting, now)
    return Person(profile, player.history)


async def _add_staff(
    unit: UnitOfWork, email: str, role: str, password_hash: str, now: datetime
) -> None:
    await insert_user(
        unit,
        user_id=new_id(),
        email=email,
        password_hash=password_hash,
        roles=[Role(role)],
        household_id=None,
        is_demo=True,
        now=now,
    )


async def _store_devices(unit: UnitOfWork, people: Sequence[Person], now: datetime) -> None:
    """Store the television and everybody's own screen; the children's are paired with them."""
    household_id = people[0].profile.household_id
    screens: list[tuple[Screen, UUID | None]] = [(TELEVISION, None)]
    for person, habit in zip(people, HABITS, strict=True):
        screens.append((habit.own_screen, person.profile.id if habit.is_child else None))
    for screen, child_id in screens:
        made_at = people[0].profile.created_at
        device = Device(
            household_id=household_id,
            id=new_id(),
            device_id=screen.device_id,
            device_type=PairedDeviceType(screen.device_type),
            name=screen.name,
            profile_id=child_id,
            pairing_id=new_id() if child_id else None,
            paired_at=made_at if child_id else None,
            first_seen_at=made_at,
            last_seen_at=now,
        )
        await store_pairing(unit, device)


async def _store_history(
    unit: UnitOfWork, person: Person, guardian_id: UUID, now: datetime
) -> None:
    """Store what a person watched. Two statements."""
    ids = (person.profile.household_id, person.profile.id)
    history = person.history
    batch = Batch()
    batch.add_days(ProfileKey(*ids), history.days.values())
    rows = [
        session_to_row(*ids, session, is_child=person.profile.is_child)
        for session in history.sessions.values()
    ]
    batch.add("new_sessions", *rows)
    batch.add("slices", *(slice_to_row(*ids, piece) for piece in history.slices.values()))
    await store(unit, batch, now)
    if history.grants:
        entries = [
            {
                "household_id": ids[0],
                "profile_id": ids[1],
                "id": new_id(),
                "day_starts_at": grant.day_starts_at,
                "minutes": grant.minutes,
                "channel": "remote",
                "reason": "Finish the episode",
                "floor_ms": grant.floor_ms,
                "actor_user_id": guardian_id,
                "created_at": grant.given_at,
            }
            for grant in history.grants
        ]
        await unit.execute(insert(grants), entries)
