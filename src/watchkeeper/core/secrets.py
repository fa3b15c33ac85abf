"""The service's own secrets: signing keys by key id, and the pepper of PINs.

They are made at the first start and kept in one file that only the service's user can read.
Several processes or machines on one database share the file (`WATCHKEEPER_SECURITY_SECRETS_FILE`).
"""

import base64
import contextlib
import json
import os
import secrets as random
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class SecretsError(Exception):
    """The secrets file can't be used; the message is one sentence for the terminal."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Keys in memory; `repr` shows none of them."""

    current_kid: str
    keys: dict[str, bytes]
    pin_pepper: bytes

    def __repr__(self) -> str:
        return f"Secrets(current_kid={self.current_kid!r})"

    @property
    def signing_key(self) -> tuple[str, bytes]:
        """The key id and key that new tokens are signed with."""
        return self.current_kid, self.keys[self.current_kid]

    def verifying_key(self, kid: str) -> bytes:
        """The key of a token's key id; raises `KeyError` for an unknown one."""
        return self.keys[kid]


def load_or_create_secrets(path: Path) -> Secrets:
    """Read the secrets, or make them when the file doesn't exist yet.

    Raises `SecretsError` when the file can be read by others, or is damaged.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(path)
    return _read(path)


def _create(path: Path) -> None:
    """Write the file whole or not at all; of several processes at once, one wins."""
    draft = path.with_name(f".{path.name}.{random.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(_new_document(), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()


def _new_document() -> dict[str, Any]:
    kid = random.token_hex(4)
    return {
        "current": kid,
        "signing_keys": {kid: base64.b64encode(random.token_bytes(32)).decode()},
        "pin_pepper": base64.b64encode(random.token_bytes(32)).decode(),
    }


def _read(path: Path) -> Secrets:
    try:
        if path.stat().st_mode & 0o077:
            raise SecretsError(f"{path} can be read by others; run: chmod 600 '{path}'")
        document = json.loads(path.read_text())
        keys = {kid: base64.b64decode(key) for kid, key in document["signing_keys"].items()}
        secrets = Secrets(document["current"], keys, base64.b64decode(document["pin_pepper"]))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise SecretsError(f"{path} can't be read as a secrets file ({error}).") from error
    short = [kid for kid, key in keys.items() if len(key) < 32]
    if short or secrets.current_kid not in keys or len(secrets.pin_pepper) < 32:
        raise SecretsError(f"{path} holds a key that is missing or shorter than 32 bytes.")
    return secrets
