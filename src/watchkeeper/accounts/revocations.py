"""Tells every process of credentials that have ended, for what outlives the check of a request.

An answer that lasts, such as a stream of events, was allowed by a sign-in or a pairing that may end
meanwhile. The reactions here run in the transaction that ends it; the announcement leaves with the
commit.
"""

from uuid import UUID

from watchkeeper.accounts.events import DeviceRevoked, SignInEnded
from watchkeeper.core.database import UnitOfWork

REVOCATIONS = "accounts_revocations"


async def tell_of_device(unit: UnitOfWork, fact: DeviceRevoked) -> None:
    """A pairing has ended."""
    unit.notify(REVOCATIONS, str(fact.pairing_id))


async def tell_of_sign_in(unit: UnitOfWork, fact: SignInEnded) -> None:
    """A sign-in has ended."""
    unit.notify(REVOCATIONS, str(fact.sign_in_id))


def read_revocation(payload: str) -> UUID | None:
    """The sign-in or pairing that has ended; None for a payload of another version."""
    try:
        return UUID(payload)
    except ValueError:
        return None
