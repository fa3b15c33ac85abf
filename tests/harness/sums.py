"""The invariant of counting, asked of the database: slices = days = sessions."""

from typing import Any
from uuid import UUID

from sqlalchemy import text

from watchkeeper.core.database import Database, UnitOfWork

_SUMS = text("""
SELECT
    (SELECT coalesce(sum(credited_ms) FILTER (WHERE kind = 'counted'), 0)
     FROM viewing.pub_slices WHERE profile_id = :profile_id) AS slices_counted,
    (SELECT coalesce(sum(credited_ms) FILTER (WHERE kind = 'exempt'), 0)
     FROM viewing.pub_slices WHERE profile_id = :profile_id) AS slices_exempt,
    (SELECT coalesce(sum(counted_ms), 0) FROM viewing.days
     WHERE profile_id = :profile_id) AS days_counted,
    (SELECT coalesce(sum(exempt_ms), 0) FROM viewing.days
     WHERE profile_id = :profile_id) AS days_exempt,
    (SELECT coalesce(sum(counted_ms), 0) FROM viewing.sessions
     WHERE profile_id = :profile_id) AS sessions_counted,
    (SELECT coalesce(sum(exempt_ms), 0) FROM viewing.sessions
     WHERE profile_id = :profile_id) AS sessions_exempt,
    (SELECT count(*) FROM viewing.sessions
     WHERE profile_id = :profile_id AND ended_at IS NULL) AS open_sessions,
    (SELECT count(*) FROM viewing.days a JOIN viewing.days b
       ON a.profile_id = b.profile_id AND a.starts_at < b.starts_at AND a.ends_at > b.starts_at
     WHERE a.profile_id = :profile_id) AS overlapping_days
""")


async def read_sums(database: Database, profile_id: str) -> Any:
    """One row with the three sums of each kind, and the number of open sessions."""

    async def read(unit: UnitOfWork) -> Any:
        return (await unit.execute(_SUMS, {"profile_id": UUID(profile_id)})).one()

    return await database.run(read)


async def assert_sums_agree(database: Database, profile_id: str) -> Any:
    """Fail unless slices, days and sessions add up to the same; returns the row."""
    sums = await read_sums(database, profile_id)
    assert sums.slices_counted == sums.days_counted == sums.sessions_counted, sums
    assert sums.slices_exempt == sums.days_exempt == sums.sessions_exempt, sums
    assert sums.overlapping_days == 0, sums
    return sums
