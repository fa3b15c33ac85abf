"""Background work of accounts: forgetting what has lapsed."""

from datetime import timedelta

from watchkeeper.accounts.repository.expiry import forget_expired
from watchkeeper.core.floor import Floor
from watchkeeper.core.jobs import Job, Jobs

EVERY = timedelta(hours=1)
AT_MOST = 5_000


def add_jobs(jobs: Jobs, floor: Floor) -> None:
    """Register the durable jobs of accounts."""
    jobs.register(Job("accounts.forget-expired", lambda _: forget_expired_rows(floor), every=EVERY))


async def forget_expired_rows(floor: Floor) -> dict[str, int]:
    """Delete lapsed codes, tokens, sign-ins and limits, `AT_MOST` of each; returns how many.

    It may run twice, or twice at once: a row that is gone is gone.
    """
    now = floor.clock.now()
    return await floor.database.run(lambda unit: forget_expired(unit, now, at_most=AT_MOST))
