"""Keyset pagination: an opaque, signed cursor that says where the next page begins."""

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

from watchkeeper.core.problems import InvalidRequest

_SIGNATURE_BYTES = 12


def write_cursor(key: bytes, position: list[Any]) -> str:
    """A cursor for `position`, a list of JSON values; `key` signs it."""
    payload = json.dumps(position, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_sign(key, payload) + payload).decode().rstrip("=")


def read_cursor(key: bytes, cursor: str) -> list[Any]:
    """The position in a cursor; raises `InvalidRequest` for one that we didn't write."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        signature, payload = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, _sign(key, payload)):
            raise ValueError("signature")
        position = json.loads(payload)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest.field("cursor", "isn't a cursor that this service gave") from error
    if not isinstance(position, list):
        raise InvalidRequest.field("cursor", "isn't a cursor that this service gave")
    return position


def _sign(key: bytes, payload: bytes) -> bytes:
    return hmac.new(key, b"cursor:" + payload, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
