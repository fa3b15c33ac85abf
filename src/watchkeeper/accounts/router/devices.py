"""`/devices`: a household's devices, and how a child's device is paired."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request, status

from watchkeeper.accounts.dependencies import (
    CurrentGuardian,
    ElevatedGuardian,
    Now,
    StartingGuardian,
    TheAccounts,
)
from watchkeeper.accounts.schemas import (
    DeviceAnswer,
    DevicesAnswer,
    PairAnswer,
    PairingCodeAnswer,
    PairingCodeRequest,
    PairRequest,
)
from watchkeeper.accounts.service.devices import DeviceToPair
from watchkeeper.core.problem_documents import problem_responses

router = APIRouter(
    prefix="/devices", tags=["devices"], responses=problem_responses(401, 403, 404, 409, 429)
)


@router.post("/pairing-codes", status_code=status.HTTP_201_CREATED)
async def make_pairing_code(
    body: PairingCodeRequest, guardian: StartingGuardian, accounts: TheAccounts, now: Now
) -> PairingCodeAnswer:
    """A code for one device of a child; needs the PIN once there is one."""
    code = await accounts.devices.make_code(guardian, body.profile_id, body.name, now)
    return PairingCodeAnswer.of(code)


@router.post("/pair", status_code=status.HTTP_201_CREATED)
async def pair(body: PairRequest, request: Request, accounts: TheAccounts, now: Now) -> PairAnswer:
    """Give a code, and get the token that the device plays with; needs no sign-in."""
    paired = await accounts.devices.pair(
        body.code,
        DeviceToPair(body.device_id, body.device_type),
        address=request.client.host if request.client else None,
        now=now,
    )
    return PairAnswer.of(paired)


@router.get("")
async def list_devices(guardian: CurrentGuardian, accounts: TheAccounts) -> DevicesAnswer:
    """The household's devices, paired ones first."""
    devices = await accounts.devices.list_devices(guardian)
    return DevicesAnswer(devices=[DeviceAnswer.of(device) for device in devices])


@router.delete("/{id}", status_code=status.HTTP_204_NO_CONTENT)
async def remove_device(
    row_id: Annotated[UUID, Path(alias="id")],
    guardian: ElevatedGuardian,
    accounts: TheAccounts,
    now: Now,
) -> None:
    """Take a device off the list; its token is refused from now on."""
    await accounts.devices.remove(guardian, row_id, now)
