"""Load-test households in bulk, with a token for each child."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from watchkeeper.accounts.load_test import LoadTestHousehold, insert_load_test_households
from watchkeeper.catalogue.public import TitleChange, add_global_titles
from watchkeeper.core.auth import Role, TokenSigner, UserPrincipal
from watchkeeper.core.database import Database, UnitOfWork
from watchkeeper.core.ids import new_id
from watchkeeper.viewing.load_test import open_load_test_accounts

CHILDREN_PER_HOUSEHOLD = 2
TITLES = 20
SOURCE = "load-test"
# Households of one transaction: few enough to show progress, many enough to be quick.
_HOUSEHOLDS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class LoadTestViewer:
    """What a load generator needs to play as one child."""

    access_token: str
    profile_id: UUID
    title_id: UUID


@dataclass(frozen=True, slots=True)
class LoadTestMaker:
    """Makes load-test children; tokens hold for `valid_for`."""

    database: Database
    signer: TokenSigner
    now: datetime
    valid_for: timedelta

    async def make(self, viewers: int) -> AsyncIterator[list[LoadTestViewer]]:
        """Add `viewers` children, two in a household, and yield them as they are committed.

        No password is hashed and nothing is announced, so that 100 000 take seconds. Five
        statements for every 5 000 households.
        """
        titles = await self._add_titles()
        remaining = viewers
        while remaining > 0:
            at_once = min(remaining, _HOUSEHOLDS_AT_ONCE * CHILDREN_PER_HOUSEHOLD)
            households = _draw(at_once)
            await self._store(households)
            yield [
                viewer for household in households for viewer in self._sign_in(household, titles)
            ]
            remaining -= at_once

    async def _add_titles(self) -> list[UUID]:
        changes = [
            TitleChange(
                reference=(SOURCE, str(number)),
                given={"name": f"Load test title {number}", "tags": (SOURCE,)},
            )
            for number in range(1, TITLES + 1)
        ]

        async def work(unit: UnitOfWork) -> list[UUID]:
            return [title.id for title in await add_global_titles(unit, changes, self.now)]

        return await self.database.run(work)

    async def _store(self, households: list[LoadTestHousehold]) -> None:
        async def work(unit: UnitOfWork) -> None:
            await insert_load_test_households(unit, households, self.now)
            keys = [(one.household_id, child) for one in households for child in one.child_ids]
            await open_load_test_accounts(unit, keys, self.now)

        await self.database.run(work)

    def _sign_in(self, household: LoadTestHousehold, titles: list[UUID]) -> list[LoadTestViewer]:
        guardian = UserPrincipal(
            user_id=household.user_id,
            sign_in_id=household.sign_in_id,
            household_id=household.household_id,
            roles=frozenset({Role.GUARDIAN}),
        )
        token = self.signer.sign_user(guardian, self.now, self.valid_for)
        return [
            LoadTestViewer(token, child_id, titles[child_id.int % len(titles)])
            for child_id in household.child_ids
        ]


def _draw(children: int) -> list[LoadTestHousehold]:
    sizes = [CHILDREN_PER_HOUSEHOLD] * (children // CHILDREN_PER_HOUSEHOLD)
    if children % CHILDREN_PER_HOUSEHOLD:
        sizes.append(children % CHILDREN_PER_HOUSEHOLD)
    return [
        LoadTestHousehold(new_id(), new_id(), new_id(), tuple(new_id() for _ in range(size)))
        for size in sizes
    ]
