"""Pairing children's devices, and ending pairings."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from watchkeeper.accounts import rules
from watchkeeper.accounts.events import DevicePaired, DeviceRevoked
from watchkeeper.accounts.problems import NotAChild, TooManyDevices, WrongPairingCode
from watchkeeper.accounts.repository import devices, households, profiles, rate_limits
from watchkeeper.accounts.repository.devices import OpenCode
from watchkeeper.accounts.service.announcements import revoke_and_announce
from watchkeeper.accounts.service.auditing import record_audit
from watchkeeper.accounts.service.limits import CallLimits, network_of
from watchkeeper.accounts.service.pin_checks import household_of
from watchkeeper.accounts.types import (
    Device,
    DeviceType,
    PairedDevice,
    PairingCode,
    Profile,
)
from watchkeeper.core.auth import DevicePrincipal, UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.ids import new_id
from watchkeeper.core.problems import NotFound, Problem

_NAMES = {
    DeviceType.TV: "TV",
    DeviceType.MOBILE: "Phone",
    DeviceType.TABLET: "Tablet",
    DeviceType.WEB: "Web browser",
}


@dataclass(frozen=True, slots=True)
class DeviceToPair:
    """What a device says about itself when it gives a code."""

    device_id: str
    device_type: DeviceType


class Devices:
    """Devices of the caller's household, and the codes that pair them."""

    def __init__(self, floor: Floor, limits: CallLimits) -> None:
        self._floor = floor
        self._limits = limits

    async def list_devices(self, principal: UserPrincipal) -> list[Device]:
        """The household's devices, paired ones first. One statement."""
        household_id = household_of(principal)

        async def read(unit: UnitOfWork) -> list[Device]:
            return await devices.list_devices(unit, household_id)

        return await self._floor.database.run(read)

    async def make_code(
        self, principal: UserPrincipal, profile_id: UUID, name: str | None, now: datetime
    ) -> PairingCode:
        """A code for one device of a child, open for 10 minutes.

        Raises `NotFound` (404), `NotAChild` (409), or `TooManyRequests` (429).
        """
        household_id = household_of(principal)

        async def store(unit: UnitOfWork) -> PairingCode:
            # Locked, so that no code outlives a profile that is being deleted.
            profile = await profiles.find_profile(unit, household_id, profile_id, with_lock=True)
            if profile is None:
                raise NotFound
            if not profile.is_child:
                raise NotAChild
            await self._limits.admit(unit, self._limits.codes_of_household, str(household_id), now)
            expires_at = now + rules.PAIRING_CODE_VALID_FOR
            code = await self._insert_code(
                unit, OpenCode(household_id, profile_id, name, principal.user_id), expires_at
            )
            return PairingCode(code, profile_id, expires_at)

        return await self._floor.database.run(store)

    async def _insert_code(
        self, unit: UnitOfWork, stands_for: OpenCode, expires_at: datetime
    ) -> str:
        """Draw codes until one is free, which the first nearly always is."""
        while True:
            code = "".join(
                secrets.choice(rules.PAIRING_ALPHABET) for _ in range(rules.PAIRING_CODE_LENGTH)
            )
            if await devices.insert_code(
                unit,
                self._hash(code),
                stands_for,
                tries_left=rules.PAIRING_TRIES,
                expires_at=expires_at,
            ):
                return code

    def _hash(self, code: str) -> bytes:
        # Keyed: there are few enough codes to try them all against a copy of the table.
        key = self._floor.secrets.pin_pepper
        return hmac.new(key, b"pairing:" + code.encode(), hashlib.sha256).digest()

    async def pair(
        self, code: str, device: DeviceToPair, *, address: str | None, now: datetime
    ) -> PairedDevice:
        """Bind a device to the child that a code was made for. Announces `DevicePaired`.

        A try is taken from the address for every wrong code, and from a code for every pairing
        that fails with it; both have five. Raises `WrongPairingCode` (403), `TooManyDevices`
        (409), or `TooManyRequests` (429).
        """

        async def pair(unit: UnitOfWork) -> PairedDevice | Problem:
            return await self._pair(unit, self._hash(code), device, network_of(address), now)

        # Refusals are raised after the commit, because the tries that they cost must stay.
        result = await self._floor.database.run(pair)
        if isinstance(result, Problem):
            raise result
        return result

    async def _pair(
        self, unit: UnitOfWork, code_hash: bytes, wanted: DeviceToPair, network: str, now: datetime
    ) -> PairedDevice | Problem:
        limits = self._limits
        await rate_limits.forget_stale(unit, now, at_most=10)
        await limits.admit(unit, limits.wrong_codes_from_address, network, now)
        await limits.admit(unit, limits.wrong_codes_from_anywhere, "", now)
        code = await devices.try_code(unit, code_hash, now)
        if code is None:
            return WrongPairingCode()
        await rate_limits.give_call_back(unit, limits.wrong_codes_from_address, network)
        await rate_limits.give_call_back(unit, limits.wrong_codes_from_anywhere, "")
        profile = await profiles.find_profile(
            unit, code.household_id, code.profile_id, with_lock=True
        )
        await households.find_household(unit, code.household_id, with_lock=True)
        if profile is None or not profile.is_child:
            return WrongPairingCode()
        before = await devices.lock_device_named(unit, code.household_id, wanted.device_id)
        is_another = before is None or before.pairing_id is None
        if is_another and await self._is_full(unit, code.household_id):
            return TooManyDevices(
                f"A household can have at most {rules.PAIRED_DEVICES_PER_HOUSEHOLD} paired "
                "devices. Please remove one first."
            )
        device = await self._store(unit, code, wanted, before, now)
        await devices.use_code(unit, code_hash, now)
        return PairedDevice(device, profile, self._sign(device, profile, now))

    @staticmethod
    async def _is_full(unit: UnitOfWork, household_id: UUID) -> bool:
        count = await devices.count_paired_devices(unit, household_id)
        return count >= rules.PAIRED_DEVICES_PER_HOUSEHOLD

    @staticmethod
    async def _store(
        unit: UnitOfWork, code: OpenCode, wanted: DeviceToPair, before: Device | None, now: datetime
    ) -> Device:
        pairing_id = new_id()
        device = await devices.store_pairing(
            unit,
            Device(
                household_id=code.household_id,
                id=new_id(),
                device_id=wanted.device_id,
                device_type=wanted.device_type,
                name=code.device_name or _NAMES[wanted.device_type],
                profile_id=code.profile_id,
                pairing_id=pairing_id,
                paired_at=now,
                first_seen_at=now,
                last_seen_at=now,
            ),
        )
        await record_audit(
            unit,
            code.household_id,
            at=now,
            # The device gives the code, and the guardian who made it let it in.
            actor=f"user:{code.created_by}",
            action="device.paired",
            subject=f"device:{device.id}",
            after={"profile_id": str(code.profile_id), "device_type": wanted.device_type},
        )
        if before is not None and before.pairing_id is not None:
            await unit.announce(
                DeviceRevoked(before.household_id, before.device_id, before.pairing_id, now)
            )
        await unit.announce(
            DevicePaired(code.household_id, code.profile_id, wanted.device_id, pairing_id, now)
        )
        return device

    def _sign(self, device: Device, profile: Profile, now: datetime) -> str:
        assert device.pairing_id is not None
        principal = DevicePrincipal(
            household_id=device.household_id,
            profile_id=profile.id,
            device_id=device.device_id,
            pairing_id=device.pairing_id,
        )
        return self._floor.signer.sign_device(principal, now)

    async def remove(self, principal: UserPrincipal, row_id: UUID, now: datetime) -> None:
        """Take a device off the list and end its pairing at once; raises `NotFound` (404).

        Announces `DeviceRevoked`. A guardian's own device comes back when it plays again.
        """
        household_id = household_of(principal)

        async def remove(unit: UnitOfWork) -> None:
            device = await devices.lock_device(unit, household_id, row_id)
            if device is None:
                raise NotFound
            await revoke_and_announce(unit, [device], now)
            await record_audit(
                unit,
                household_id,
                at=now,
                actor=principal,
                action="device.removed",
                subject=f"device:{row_id}",
                before={"was_paired": device.pairing_id is not None},
            )

        await self._floor.database.run(remove)

    async def is_paired(self, principal: DevicePrincipal) -> bool:
        """Whether the pairing behind a device token still holds. One statement."""

        async def read(unit: UnitOfWork) -> bool:
            return await devices.is_paired(unit, principal)

        return await self._floor.database.run(read)
