"""Devices of a household, their pairings, and the codes that pair them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from watchkeeper.accounts.models import devices, pairing_codes
from watchkeeper.accounts.types import Device, DeviceType
from watchkeeper.core.auth import DevicePrincipal
from watchkeeper.core.database import UnitOfWork


@dataclass(frozen=True, slots=True)
class OpenCode:
    """What an open pairing code stands for, and the guardian who made it."""

    household_id: UUID
    profile_id: UUID
    device_name: str | None
    created_by: UUID


def _device(row: Any) -> Device:
    return Device(
        household_id=row.household_id,
        id=row.id,
        device_id=row.device_id,
        device_type=DeviceType(row.device_type),
        name=row.name,
        profile_id=row.profile_id,
        pairing_id=row.pairing_id,
        paired_at=row.paired_at,
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
    )


async def list_devices(unit: UnitOfWork, household_id: UUID) -> list[Device]:
    """A household's devices that weren't removed, paired ones first, then the last seen."""
    rows = await unit.execute(
        select(devices)
        .where(devices.c.household_id == household_id, devices.c.revoked_at.is_(None))
        .order_by(
            devices.c.pairing_id.is_(None), devices.c.last_seen_at.desc(), devices.c.device_id
        )
    )
    return [_device(row) for row in rows]


async def list_device_names(unit: UnitOfWork, household_id: UUID) -> dict[str, str]:
    """The name of every device of a household by its device id, removed ones included."""
    rows = await unit.execute(
        select(devices.c.device_id, devices.c.name).where(devices.c.household_id == household_id)
    )
    return {row.device_id: row.name for row in rows}


async def lock_device(unit: UnitOfWork, household_id: UUID, row_id: UUID) -> Device | None:
    """A device that wasn't removed, by the id of its row."""
    query = (
        select(devices)
        .where(
            devices.c.household_id == household_id,
            devices.c.id == row_id,
            devices.c.revoked_at.is_(None),
        )
        .with_for_update()
    )
    row = (await unit.execute(query)).one_or_none()
    return _device(row) if row else None


async def lock_device_named(unit: UnitOfWork, household_id: UUID, device_id: str) -> Device | None:
    """A device by the name that the player gives itself, removed or not."""
    query = (
        select(devices)
        .where(devices.c.household_id == household_id, devices.c.device_id == device_id)
        .with_for_update()
    )
    row = (await unit.execute(query)).one_or_none()
    return _device(row) if row else None


async def lock_devices_of_profile(
    unit: UnitOfWork, household_id: UUID, profile_id: UUID
) -> list[Device]:
    """The devices that are paired with a profile."""
    rows = await unit.execute(
        select(devices)
        .where(devices.c.household_id == household_id, devices.c.profile_id == profile_id)
        .order_by(devices.c.device_id)
        .with_for_update()
    )
    return [_device(row) for row in rows]


async def lock_devices_of_household(unit: UnitOfWork, household_id: UUID) -> list[Device]:
    """All devices of a household, removed ones included."""
    rows = await unit.execute(
        select(devices)
        .where(devices.c.household_id == household_id)
        .order_by(devices.c.device_id)
        .with_for_update()
    )
    return [_device(row) for row in rows]


async def lock_devices_to_delete(
    unit: UnitOfWork, household_id: UUID, profile_id: UUID, used_alone: Iterable[str]
) -> list[Device]:
    """The devices that go with a profile: those that were last paired with it, removed or not,
    and the unpaired ones among `used_alone`, device ids on which only this profile played.
    """
    rows = await unit.execute(
        select(devices)
        .where(
            devices.c.household_id == household_id,
            (devices.c.last_profile_id == profile_id)
            | (devices.c.last_profile_id.is_(None) & devices.c.device_id.in_(list(used_alone))),
        )
        .order_by(devices.c.device_id)
        .with_for_update()
    )
    return [_device(row) for row in rows]


async def claim_devices(
    unit: UnitOfWork, household_id: UUID, profile_id: UUID, device_ids: Iterable[str]
) -> None:
    """Note that unpaired devices were one profile's, so that they go with it."""
    await unit.execute(
        update(devices)
        .where(devices.c.household_id == household_id, devices.c.device_id.in_(list(device_ids)))
        .values(last_profile_id=profile_id)
    )


async def count_paired_devices(unit: UnitOfWork, household_id: UUID) -> int:
    """How many devices of a household are paired with a child."""
    query = (
        select(func.count())
        .select_from(devices)
        .where(devices.c.household_id == household_id, devices.c.pairing_id.is_not(None))
    )
    return int((await unit.execute(query)).scalar_one())


async def store_pairing(unit: UnitOfWork, device: Device) -> Device:
    """Store a device with its new pairing; one that is known keeps its id and first sighting."""
    pairing = {
        "device_type": device.device_type,
        "name": device.name,
        "profile_id": device.profile_id,
        "last_profile_id": device.profile_id,
        "pairing_id": device.pairing_id,
        "paired_at": device.paired_at,
        "last_seen_at": device.last_seen_at,
        "revoked_at": None,
    }
    statement = (
        insert(devices)
        .values(
            household_id=device.household_id,
            device_id=device.device_id,
            id=device.id,
            first_seen_at=device.first_seen_at,
            **pairing,
        )
        .on_conflict_do_update(constraint="devices_pkey", set_=pairing)
        .returning(devices)
    )
    return _device((await unit.execute(statement)).one())


async def revoke(unit: UnitOfWork, device: Device, now: datetime) -> None:
    """End a device's pairing and take it off the list; history keeps its name."""
    await unit.execute(
        update(devices)
        .where(
            devices.c.household_id == device.household_id, devices.c.device_id == device.device_id
        )
        .values(profile_id=None, pairing_id=None, paired_at=None, revoked_at=now)
    )


async def is_paired(unit: UnitOfWork, principal: DevicePrincipal) -> bool:
    """Whether the pairing behind a device token still holds. One statement."""
    query = select(
        exists().where(
            devices.c.household_id == principal.household_id,
            devices.c.device_id == principal.device_id,
            devices.c.pairing_id == principal.pairing_id,
        )
    )
    return bool((await unit.execute(query)).scalar_one())


async def insert_code(
    unit: UnitOfWork,
    code_hash: bytes,
    code: OpenCode,
    *,
    tries_left: int,
    expires_at: datetime,
) -> bool:
    """Store a new code; False when the same code is known already."""
    statement = (
        insert(pairing_codes)
        .values(
            code_hash=code_hash,
            household_id=code.household_id,
            profile_id=code.profile_id,
            device_name=code.device_name,
            created_by=code.created_by,
            tries_left=tries_left,
            expires_at=expires_at,
        )
        .on_conflict_do_nothing(constraint="pairing_codes_pkey")
        .returning(pairing_codes.c.code_hash)
    )
    return (await unit.execute(statement)).one_or_none() is not None


async def try_code(unit: UnitOfWork, code_hash: bytes, now: datetime) -> OpenCode | None:
    """What a code stands for, and one of its tries taken; None when it isn't open. Locks it."""
    row = (
        await unit.execute(
            update(pairing_codes)
            .where(
                pairing_codes.c.code_hash == code_hash,
                pairing_codes.c.used_at.is_(None),
                pairing_codes.c.expires_at > now,
                pairing_codes.c.tries_left > 0,
            )
            .values(tries_left=pairing_codes.c.tries_left - 1)
            .returning(
                pairing_codes.c.household_id,
                pairing_codes.c.profile_id,
                pairing_codes.c.device_name,
                pairing_codes.c.created_by,
            )
        )
    ).one_or_none()
    if row is None:
        return None
    return OpenCode(row.household_id, row.profile_id, row.device_name, row.created_by)


async def use_code(unit: UnitOfWork, code_hash: bytes, now: datetime) -> None:
    """Close a code that has paired a device."""
    await unit.execute(
        update(pairing_codes).where(pairing_codes.c.code_hash == code_hash).values(used_at=now)
    )


async def delete_codes_of_profile(unit: UnitOfWork, household_id: UUID, profile_id: UUID) -> None:
    """Withdraw the codes that were made for a profile."""
    await unit.execute(
        delete(pairing_codes).where(
            pairing_codes.c.household_id == household_id,
            pairing_codes.c.profile_id == profile_id,
        )
    )


async def delete_codes_of_user(unit: UnitOfWork, household_id: UUID, user_id: UUID) -> None:
    """Withdraw the codes that a guardian made."""
    await unit.execute(
        delete(pairing_codes).where(
            pairing_codes.c.household_id == household_id, pairing_codes.c.created_by == user_id
        )
    )
