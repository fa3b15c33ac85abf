"""Which profiles there are, and from when on their viewing time is kept in detail."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.personal_data import Edge
from watchkeeper.core.queries import Queries
from watchkeeper.viewing.repository import ProfileKey

QUERIES = Queries("watchkeeper.viewing", "retention.sql")
FIRST = ProfileKey(UUID(int=0), UUID(int=0))


async def list_profiles_after(
    unit: UnitOfWork, after: ProfileKey, at_most: int
) -> list[ProfileKey]:
    """The next profiles in order of their key; begin with `FIRST`. One statement."""
    rows = await unit.execute(
        QUERIES["list_profiles_after"],
        {
            "household_id": after.household_id,
            "profile_id": after.profile_id,
            "at_most": at_most,
        },
    )
    return [ProfileKey(row.household_id, row.profile_id) for row in rows]


async def find_edges(
    unit: UnitOfWork,
    keys: Sequence[ProfileKey],
    *,
    detail_from: datetime,
    totals_from: datetime,
) -> list[Edge]:
    """From when on detail and totals of these profiles are kept. One statement."""
    rows = await unit.execute(
        QUERIES["find_kept_from"],
        {
            "households": [key.household_id for key in keys],
            "profiles": [key.profile_id for key in keys],
            "detail_from": detail_from,
        },
    )
    return [Edge(row.household_id, row.profile_id, row.keep_from, totals_from) for row in rows]
