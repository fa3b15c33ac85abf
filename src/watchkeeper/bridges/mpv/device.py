"""The device's pairing, kept between runs so that a code is needed only once."""

import json
import os
import re
import secrets
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from watchkeeper.client import DeviceType, WatchkeeperClient

FILE_NAME = "mpv-device.json"
_SLUG_LENGTH = 60


class NotPaired(Exception):  # noqa: N818 - reads better where it is caught
    """There is no pairing with this service, and no code to make one."""


@dataclass(frozen=True, slots=True)
class Device:
    """A paired device. The token is a secret: it may play in the child's name."""

    server: str
    device_id: str
    profile_id: UUID
    device_token: str
    pairing_code: str


def find_device(state_dir: Path) -> Device | None:
    """The pairing that was kept, or None if there is none that can be read."""
    try:
        document = json.loads((state_dir / FILE_NAME).read_text())
        return Device(**document | {"profile_id": UUID(document["profile_id"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def keep_device(state_dir: Path, device: Device) -> None:
    """Write the pairing so that nobody else on this machine can read it.

    The file is complete or absent at any time, and has mode 0600 before anything is in it.
    """
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    document = json.dumps(asdict(device) | {"profile_id": str(device.profile_id)}, indent=2)
    descriptor, written = tempfile.mkstemp(dir=state_dir, prefix=f".{FILE_NAME}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(document + "\n")
        Path(written).replace(state_dir / FILE_NAME)
    except OSError:
        Path(written).unlink(missing_ok=True)
        raise


async def paired_device(
    client: WatchkeeperClient,
    state_dir: Path,
    *,
    code: str | None,
    device_name: str,
    device_type: DeviceType,
) -> tuple[Device, bool]:
    """The device to play as, and whether it was paired just now. Sets the client's token.

    A code that was traded in before is recognised, so that the same command line works again.
    A new code pairs anew, under the same device id. Raises NotPaired, or what the call raises.
    """
    kept = find_device(state_dir)
    is_for_this_server = kept is not None and kept.server == client.base_url
    if kept is not None and is_for_this_server and code in {None, kept.pairing_code}:
        client.token = kept.device_token
        return kept, False
    if code is None:
        raise NotPaired
    device_id = kept.device_id if kept is not None else new_device_id(device_name)
    pairing = await client.pair(code, device_id, device_type)
    device = Device(client.base_url, device_id, pairing.profile_id, pairing.device_token, code)
    keep_device(state_dir, device)
    return device, True


def new_device_id(device_name: str) -> str:
    """An id that is unique, and that a person can recognise in a list of devices."""
    slug = re.sub(r"[^a-z0-9]+", "-", device_name.lower()).strip("-")[:_SLUG_LENGTH]
    return f"mpv-{slug or 'player'}-{secrets.token_hex(4)}"
