"""Reads which profiles the readers of streams of events reach.

And writes settlements together with their announcements.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from watchkeeper.core.auth import DevicePrincipal, Principal, UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.queries import Queries
from watchkeeper.viewing.repository import Batch, ProfileKey, store

QUERIES = Queries("watchkeeper.viewing", "events.sql")


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose profiles are asked for: a caller's, or without one all of a household."""

    household_id: UUID
    caller: Principal | None = None

    @property
    def profile_id(self) -> UUID | None:
        """The only profile that a device reaches; None for everybody else."""
        return self.caller.profile_id if isinstance(self.caller, DevicePrincipal) else None


@dataclass(frozen=True, slots=True)
class Reach:
    """What a reader reaches now; `credential` is None when the reader has none."""

    keys: tuple[ProfileKey, ...]
    credential: str | None


async def find_reach(unit: UnitOfWork, readers: Sequence[Reader]) -> list[Reach]:
    """The reach of each reader, in their order. Query cost: 1 statement for any number."""
    callers = [reader.caller for reader in readers]
    devices = [one if isinstance(one, DevicePrincipal) else None for one in callers]
    rows = await unit.execute(
        QUERIES["find_reach"],
        {
            "households": [reader.household_id for reader in readers],
            "profiles": [reader.profile_id for reader in readers],
            "devices": [device.device_id if device else None for device in devices],
            "sign_ins": [
                one.sign_in_id if isinstance(one, UserPrincipal) else None for one in callers
            ],
            "pairings": [device.pairing_id if device else None for device in devices],
        },
    )
    return [
        Reach(tuple(ProfileKey(reader.household_id, one) for one in row.profiles), row.credential)
        for reader, row in zip(readers, rows, strict=True)
    ]


async def store_and_notify(unit: UnitOfWork, batch: Batch, now: datetime) -> None:
    """Write a batch, and send what was announced with it. Query cost: 1 statement, or none."""
    announced = unit.take_notifications() if batch.rows else []
    if not announced:
        await store(unit, batch, now)
        return
    await unit.execute(
        QUERIES["store_settlements_and_notify"],
        {
            "payload": batch.payload(now),
            "channels": [channel for channel, _ in announced],
            "payloads": [text for _, text in announced],
        },
    )
