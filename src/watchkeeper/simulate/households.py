"""The households of a simulation: made for it, marked as load tests, and removed after it.

Real families are never touched: players get tokens of these households alone, and what is removed
is only what is marked and was made under this name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from uuid import UUID

from watchkeeper.accounts.load_test import (
    LoadTestHousehold,
    delete_load_test_households,
    insert_load_test_households,
    list_load_test_households,
)
from watchkeeper.catalogue.load_test import delete_load_test_titles
from watchkeeper.catalogue.public import TitleChange, add_global_titles
from watchkeeper.core.auth import Role, UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.ids import new_id
from watchkeeper.simulate.judgement import Charges
from watchkeeper.viewing.load_test import (
    delete_load_test_viewing,
    open_load_test_accounts,
    read_load_test_charges,
)

NAME = "Simulation"
SOURCE = "simulation"
FILMS, LESSONS = 4, 2
CHILDREN_PER_HOUSEHOLD = 2
# Short ones, so that a player can be seen to stop by itself within a simulation.
GRACES_SECONDS = (120, 120, 15, 5)


@dataclass(frozen=True, slots=True)
class SimulatedChild:
    """What is needed to play as one child."""

    household_id: UUID
    profile_id: UUID
    token: str
    grace: timedelta


@dataclass(frozen=True, slots=True)
class SimulatedTitles:
    """The titles of a simulation; lessons are classified as educational."""

    films: tuple[UUID, ...]
    lessons: tuple[UUID, ...]

    @property
    def all(self) -> tuple[UUID, ...]:
        return self.films + self.lessons


async def make_households(
    floor: Floor, viewers: int, chance: Random, valid_for: timedelta
) -> tuple[list[SimulatedChild], SimulatedTitles]:
    """Add households with `viewers` children, two in each, whose days reset half a day from now.

    So no day ends while it is simulated. Query cost: 5 statements.
    """
    now = floor.clock.now()
    sizes = [CHILDREN_PER_HOUSEHOLD] * (viewers // CHILDREN_PER_HOUSEHOLD)
    sizes += [viewers % CHILDREN_PER_HOUSEHOLD] if viewers % CHILDREN_PER_HOUSEHOLD else []
    households = [
        LoadTestHousehold(new_id(), new_id(), new_id(), tuple(new_id() for _ in range(size)))
        for size in sizes
    ]
    keys = [(one.household_id, child) for one in households for child in one.child_ids]
    graces = [chance.choice(GRACES_SECONDS) for _ in keys]

    async def work(unit: UnitOfWork) -> SimulatedTitles:
        reset_hour = (now.hour + 12) % 24
        await insert_load_test_households(unit, households, now, name=NAME, reset_hour=reset_hour)
        await open_load_test_accounts(unit, keys, now, graces_seconds=graces)
        # The number makes them this simulation's own: another one may be running.
        made = await add_global_titles(unit, _titles(str(households[0].household_id)), now)
        ids = tuple(title.id for title in made)
        return SimulatedTitles(ids[:FILMS], ids[FILMS:])

    titles = await floor.database.run(work)
    tokens = [
        floor.signer.sign_user(_guardian(one), now, valid_for)
        for one in households
        for _ in one.child_ids
    ]
    children = [
        SimulatedChild(household_id, profile_id, token, timedelta(seconds=grace))
        for (household_id, profile_id), token, grace in zip(keys, tokens, graces, strict=True)
    ]
    return children, titles


async def read_charges(floor: Floor, children: Sequence[SimulatedChild]) -> dict[UUID, Charges]:
    """What the days of the children hold, by profile. Query cost: 1 statement."""
    keys = [(child.household_id, child.profile_id) for child in children]
    sums = await floor.database.run(
        lambda unit: read_load_test_charges(unit, keys), is_replayable=True
    )
    return {
        profile_id: Charges(*(timedelta(milliseconds=amount) for amount in amounts))
        for profile_id, amounts in sums.items()
    }


async def remove_households(floor: Floor, household_ids: Sequence[UUID] | None = None) -> int:
    """Remove these, or all that simulations left; returns how many. Query cost: 5 statements."""

    async def work(unit: UnitOfWork) -> int:
        marked = await list_load_test_households(unit, NAME)
        wanted = marked if household_ids is None else sorted(set(marked) & set(household_ids))
        await delete_load_test_viewing(unit, wanted)
        await delete_load_test_households(unit, wanted)
        await delete_load_test_titles(unit, SOURCE, [str(household) for household in wanted])
        return len(wanted)

    return await floor.database.run(work)


def _titles(owner: str) -> list[TitleChange]:
    names = [f"film {number}" for number in range(FILMS)]
    names += [f"lesson {number}" for number in range(LESSONS)]
    return [
        TitleChange(
            reference=(SOURCE, f"{owner}/{name}"),
            given={"name": f"Simulated {name}", "is_educational": name.startswith("lesson")},
        )
        for name in names
    ]


def _guardian(household: LoadTestHousehold) -> UserPrincipal:
    return UserPrincipal(
        user_id=household.user_id,
        sign_in_id=household.sign_in_id,
        household_id=household.household_id,
        roles=frozenset({Role.GUARDIAN}),
    )
