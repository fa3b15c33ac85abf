"""Households for load tests, made in bulk and marked as such.

Nobody can sign in to them: their password hash matches nothing. They are used with access tokens
that are handed out when they are made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from watchkeeper.core.database import UnitOfWork

_UNUSABLE_HASH = "!"


@dataclass(frozen=True, slots=True)
class LoadTestHousehold:
    """One household with a guardian, a sign-in, and children."""

    household_id: UUID
    user_id: UUID
    sign_in_id: UUID
    child_ids: tuple[UUID, ...]


_INSERT_HOUSEHOLDS = text(
    """
    WITH made AS (
        SELECT * FROM unnest(
            CAST(:households AS uuid[]), CAST(:users AS uuid[]), CAST(:sign_ins AS uuid[])
        ) AS m (household_id, user_id, sign_in_id)
    ),
    households AS (
        INSERT INTO accounts.households
            (household_id, name, timezone, reset_hour, is_load_test, created_at)
        SELECT household_id, CAST(:name AS text), 'UTC', CAST(:reset_hour AS smallint), true,
               CAST(:now AS timestamptz)
        FROM made
    ),
    users AS (
        INSERT INTO accounts.users
            (id, email, password_hash, roles, household_id, created_at, password_changed_at)
        SELECT user_id, user_id || '@load-test.invalid', CAST(:unusable AS text), '{guardian}',
               household_id, CAST(:now AS timestamptz), CAST(:now AS timestamptz)
        FROM made
    )
    INSERT INTO accounts.sign_ins (id, user_id, household_id, client, created_at, last_used_at)
    SELECT sign_in_id, user_id, household_id, 'load test', CAST(:now AS timestamptz),
           CAST(:now AS timestamptz)
    FROM made
    """
).bindparams(unusable=_UNUSABLE_HASH)

_INSERT_CHILDREN = text(
    """
    INSERT INTO accounts.profiles (household_id, id, name, is_child, created_at)
    SELECT c.household_id, c.id, 'Child', true, CAST(:now AS timestamptz)
    FROM unnest(CAST(:households AS uuid[]), CAST(:children AS uuid[])) AS c (household_id, id)
    """
)


_LIST_HOUSEHOLDS = text(
    "SELECT household_id FROM accounts.households WHERE is_load_test AND name = :name"
)
_DELETE_HOUSEHOLDS = text(
    """
    WITH gone AS (
        DELETE FROM accounts.households
        WHERE household_id = ANY (CAST(:households AS uuid[])) AND is_load_test
        RETURNING household_id
    )
    DELETE FROM accounts.users AS u USING gone WHERE u.household_id = gone.household_id
    """
)


async def insert_load_test_households(
    unit: UnitOfWork,
    made: Sequence[LoadTestHousehold],
    now: datetime,
    *,
    name: str = "Load test",
    reset_hour: int = 6,
) -> None:
    """Store households with all that belongs to them. Two statements for any number."""
    await unit.execute(
        _INSERT_HOUSEHOLDS,
        {
            "households": [one.household_id for one in made],
            "users": [one.user_id for one in made],
            "sign_ins": [one.sign_in_id for one in made],
            "name": name,
            "reset_hour": reset_hour,
            "now": now,
        },
    )
    await unit.execute(
        _INSERT_CHILDREN,
        {
            "households": [one.household_id for one in made for _ in one.child_ids],
            "children": [child_id for one in made for child_id in one.child_ids],
            "now": now,
        },
    )


async def list_load_test_households(unit: UnitOfWork, name: str) -> list[UUID]:
    """The households of this name that are marked as made for load tests. One statement."""
    rows = await unit.execute(_LIST_HOUSEHOLDS, {"name": name})
    return list(rows.scalars())


async def delete_load_test_households(unit: UnitOfWork, household_ids: Sequence[UUID]) -> None:
    """Remove households with all that belongs to them in accounts, if they are marked.

    One statement for any number.
    """
    await unit.execute(_DELETE_HOUSEHOLDS, {"households": list(household_ids)})
