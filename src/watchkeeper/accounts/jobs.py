"""Background work of accounts: forgetting what has lapsed."""

from datetime import timedelta

from watchkeeper.accounts.repository.expiry import forget_expired
from watchkeeper.accounts.repository.notifications import forget_old
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.jobs import Job, Jobs

EVERY = timedelta(hours=1)
AT_MOST = 5_000
# A little longer than daily totals, so that the last report of a year is there with them.
NOTIFICATIONS_KEPT = timedelta(days=400)


def add_jobs(jobs: Jobs, floor: Floor) -> None:
    """Register the durable jobs of accounts."""
    jobs.register(Job("accounts.forget-expired", lambda _: forget_expired_rows(floor), every=EVERY))


async def forget_expired_rows(floor: Floor) -> dict[str, int]:
    """Delete lapsed codes, tokens, sign-ins, limits and old notifications, `AT_MOST` of each.

    Returns how many. It may run twice, or twice at once: a row that is gone is gone.
    """
    now = floor.clock.now()

    async def forget(unit: UnitOfWork) -> dict[str, int]:
        counts = await forget_expired(unit, now, at_most=AT_MOST)
        counts["notifications"] = await forget_old(unit, now - NOTIFICATIONS_KEPT, at_most=AT_MOST)
        return counts

    return await floor.database.run(forget)
