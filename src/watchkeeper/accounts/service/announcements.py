"""Facts that several use cases announce in the same words."""

from collections.abc import Iterable
from datetime import datetime

from watchkeeper.accounts.events import DeviceRevoked, SignInEnded
from watchkeeper.accounts.repository import devices
from watchkeeper.accounts.repository.sign_ins import EndedSignIn
from watchkeeper.accounts.types import Device, EndReason
from watchkeeper.core.database import UnitOfWork


async def announce_ended(
    unit: UnitOfWork, ended: Iterable[EndedSignIn], reason: EndReason, now: datetime
) -> None:
    """Announce that sign-ins are over."""
    for sign_in in ended:
        await unit.announce(
            SignInEnded(sign_in.id, sign_in.user_id, sign_in.household_id, reason, now)
        )


async def revoke_and_announce(unit: UnitOfWork, revoked: Iterable[Device], now: datetime) -> None:
    """End the pairings of devices, and announce each."""
    for device in revoked:
        await devices.revoke(unit, device, now)
        if device.pairing_id is not None:
            await unit.announce(
                DeviceRevoked(device.household_id, device.device_id, device.pairing_id, now)
            )
