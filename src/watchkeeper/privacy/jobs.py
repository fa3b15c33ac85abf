"""Forgetting what is old: detail, daily totals and the audit trail, each after its own time.

It walks through profiles and households by key and works in small transactions, so that nobody
waits for it, and so that it may be ended at any time and begun again. Several processes may run it
at once. Open sessions and the current day are never touched.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog

from watchkeeper.accounts.public import count_old_audit, forget_audit, list_household_ids
from watchkeeper.core.config import PrivacySettings
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.jobs import Job, Jobs
from watchkeeper.core.personal_data import Edge, PersonalTable, count_old, forget_old
from watchkeeper.privacy.tables import TABLES
from watchkeeper.viewing.retention import FIRST, find_edges, list_profiles_after

log = structlog.get_logger(__name__)

RETENTION_EVERY = timedelta(hours=1)
AT_ONCE = 200
AT_MOST = 2_000
_AUDIT = "accounts.audit"


def add_jobs(jobs: Jobs, floor: Floor, settings: PrivacySettings) -> None:
    """Register the durable jobs of privacy."""
    jobs.register(
        Job("privacy.retention", lambda _: apply_retention(floor, settings), every=RETENTION_EVERY)
    )


async def apply_retention(floor: Floor, settings: PrivacySettings) -> dict[str, int]:
    """Forget what is older than the settings say; returns how many rows went by table.

    Each transaction deletes at most `AT_MOST` rows of `AT_ONCE` profiles.
    """
    now = floor.clock.now()
    counts: Counter[str] = Counter()
    async for edges in _edges(floor, settings, now):
        for table in _forgetful():
            counts[table.name] += await _until_done(
                floor, partial(forget_old, table=table, edges=edges, at_most=AT_MOST)
            )
    before = now - timedelta(days=settings.audit_days)
    async for ids in _households(floor):
        counts[_AUDIT] += await _until_done(
            floor, partial(forget_audit, household_ids=ids, before=before, at_most=AT_MOST)
        )
    forgotten = {table: count for table, count in counts.items() if count}
    if forgotten:
        log.info(
            "retention.applied", **{name.replace(".", "_"): n for name, n in forgotten.items()}
        )
    return forgotten


async def count_too_old(floor: Floor, settings: PrivacySettings) -> dict[str, int]:
    """How many rows `apply_retention` would delete, by table; changes nothing."""
    now = floor.clock.now()
    counts: Counter[str] = Counter()
    async for edges in _edges(floor, settings, now):
        for table in _forgetful():
            counts[table.name] += await floor.database.run(
                partial(count_old, table=table, edges=edges)
            )
    before = now - timedelta(days=settings.audit_days)
    async for ids in _households(floor):
        counts[_AUDIT] += await floor.database.run(
            partial(count_old_audit, household_ids=ids, before=before)
        )
    return {table: count for table, count in counts.items() if count}


def _forgetful() -> list[PersonalTable]:
    return [table for table in TABLES if table.forgotten_when is not None]


async def _edges(
    floor: Floor, settings: PrivacySettings, now: datetime
) -> AsyncIterator[Sequence[Edge]]:
    """The edges of all profiles, some at a time."""
    detail_from = now - timedelta(days=settings.detail_days)
    totals_from = now - timedelta(days=settings.daily_totals_days)
    last = FIRST
    while True:
        keys = await floor.database.run(partial(list_profiles_after, after=last, at_most=AT_ONCE))
        if not keys:
            return
        yield await floor.database.run(
            partial(find_edges, keys=keys, detail_from=detail_from, totals_from=totals_from)
        )
        last = keys[-1]


async def _households(floor: Floor) -> AsyncIterator[Sequence[UUID]]:
    """The ids of all households, some at a time."""
    last: UUID | None = None
    while True:
        ids = await floor.database.run(partial(list_household_ids, after=last, at_most=AT_ONCE))
        if not ids:
            return
        yield ids
        last = ids[-1]


async def _until_done(floor: Floor, forget: Callable[[UnitOfWork], Awaitable[int]]) -> int:
    """Run `forget` in one transaction after the other until it finds no full batch."""
    total = 0
    while True:
        count = await floor.database.run(forget)
        total += count
        if count < AT_MOST:
            return total
