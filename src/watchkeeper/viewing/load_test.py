"""Viewing accounts of load-test children, opened in bulk instead of one fact at a time."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from watchkeeper.core.database import UnitOfWork
from watchkeeper.viewing.policy_types import Policy

_OPEN_ACCOUNTS = text(
    """
    INSERT INTO viewing.viewers
        (household_id, profile_id, weekday_limit_minutes, weekend_limit_minutes,
         educational_exempt, warning_first_minutes, warning_second_minutes, grace_seconds,
         updated_at)
    SELECT n.household_id, n.profile_id, CAST(:weekday AS smallint), CAST(:weekend AS smallint),
           CAST(:exempt AS boolean), CAST(:first AS smallint), CAST(:second AS smallint),
           n.grace_seconds, CAST(:now AS timestamptz)
    FROM unnest(CAST(:households AS uuid[]), CAST(:profiles AS uuid[]),
                CAST(:graces AS smallint[]))
        AS n (household_id, profile_id, grace_seconds)
    """
)

_READ_CHARGES = text(
    """
    SELECT d.profile_id, CAST(sum(d.counted_ms) AS bigint) AS counted_ms,
           CAST(sum(d.exempt_ms) AS bigint) AS exempt_ms,
           CAST(sum(d.forgiven_ms) AS bigint) AS forgiven_ms
    FROM unnest(CAST(:households AS uuid[]), CAST(:profiles AS uuid[]))
        AS n (household_id, profile_id)
    JOIN viewing.days AS d ON d.household_id = n.household_id AND d.profile_id = n.profile_id
    GROUP BY d.profile_id
    """
)

_TABLES = (
    *("viewers", "decisions", "requests", "locks", "overrides", "grants", "slices", "sessions"),
    *("days", "title_overrides", "report_plans"),
)


async def open_load_test_accounts(
    unit: UnitOfWork,
    keys: Sequence[tuple[UUID, UUID]],
    now: datetime,
    *,
    graces_seconds: Sequence[int] | None = None,
) -> None:
    """Give new load-test children, (household, profile), the default policy. One statement.

    `graces_seconds` has one grace for each child, where it isn't to be the default.
    """
    policy = Policy()
    await unit.execute(
        _OPEN_ACCOUNTS,
        {
            "households": [household_id for household_id, _ in keys],
            "profiles": [profile_id for _, profile_id in keys],
            "weekday": policy.weekday_limit_minutes,
            "weekend": policy.weekend_limit_minutes,
            "exempt": policy.educational_exempt,
            "first": policy.warning_first_minutes,
            "second": policy.warning_second_minutes,
            "graces": list(graces_seconds or [policy.grace_seconds] * len(keys)),
            "now": now,
        },
    )


async def read_load_test_charges(
    unit: UnitOfWork, keys: Sequence[tuple[UUID, UUID]]
) -> dict[UUID, tuple[int, int, int]]:
    """Counted, exempt and forgiven milliseconds of all days, by profile. One statement."""
    rows = await unit.execute(
        _READ_CHARGES,
        {
            "households": [household_id for household_id, _ in keys],
            "profiles": [profile_id for _, profile_id in keys],
        },
    )
    return {row.profile_id: (row.counted_ms, row.exempt_ms, row.forgiven_ms) for row in rows}


async def delete_load_test_viewing(unit: UnitOfWork, household_ids: Sequence[UUID]) -> None:
    """Remove all viewing time of load-test households. One statement a table."""
    for table in _TABLES:
        await unit.execute(
            text(
                f"DELETE FROM viewing.{table} "  # noqa: S608 - names from the constant above
                "WHERE household_id = ANY (CAST(:households AS uuid[]))"
            ),
            {"households": list(household_ids)},
        )
