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
           CAST(:grace AS smallint), CAST(:now AS timestamptz)
    FROM unnest(CAST(:households AS uuid[]), CAST(:profiles AS uuid[]))
        AS n (household_id, profile_id)
    """
)


async def open_load_test_accounts(
    unit: UnitOfWork, keys: Sequence[tuple[UUID, UUID]], now: datetime
) -> None:
    """Give new load-test children, (household, profile), the default policy. One statement."""
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
            "grace": policy.grace_seconds,
            "now": now,
        },
    )
