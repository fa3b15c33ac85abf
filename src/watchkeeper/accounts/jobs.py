"""Background work of accounts: forgetting what has lapsed."""

from watchkeeper.accounts.repository.expiry import forget_expired
from watchkeeper.core.floor import Floor

EVERY_SECONDS = 3600.0
AT_MOST = 5_000


async def forget_expired_rows(floor: Floor) -> dict[str, int]:
    """Delete lapsed codes, tokens, sign-ins and limits, `AT_MOST` of each; returns how many.

    Several processes may run it at once: a row that is gone is gone.
    """
    now = floor.clock.now()
    return await floor.database.run(lambda unit: forget_expired(unit, now, at_most=AT_MOST))
