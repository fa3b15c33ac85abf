"""A family that signs up through the API like any other, with a PIN and an elevated sign-in."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from bench.service import BenchError
from bench.wire import Address, Caller, request_head, with_body

_API = "/api/v1"
_PASSWORD = "a long password for benches"
PIN = "4821"


@dataclass(slots=True)
class Household:
    """A guardian's sign-in and the connection that it uses."""

    household_id: UUID
    _address: Address
    _token: str
    _caller: Caller

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        """The bytes of an authorised request, to be sent more than once."""
        head = request_head(method, f"{_API}{path}", self._address, self._token)
        return with_body(head, json.dumps(body).encode() if body is not None else b"")

    async def send(self, request: bytes) -> tuple[dict[str, Any], float]:
        """Send a request; returns the answer and its seconds. Raises `BenchError` unless 2xx."""
        response, seconds = await self._caller.call(request)
        if response.status >= 300:
            raise BenchError(f"the service answered {response.status}: {response.body[:300]!r}")
        fields: dict[str, Any] = json.loads(response.body) if response.body else {}
        return fields, seconds

    async def add_child(self, name: str) -> UUID:
        """A new child with default limits."""
        child, _ = await self.send(self.request("POST", "/profiles", {"name": name}))
        return UUID(child["id"])

    async def elevate(self) -> None:
        """Set the PIN and prove it, so that the next 15 minutes may read everything."""
        await self.send(self.request("POST", "/parental-controls/pin", {"new_pin": PIN}))
        await self.send(self.request("POST", "/parental-controls/pin/verify", {"pin": PIN}))

    async def pair(self, child: UUID, device_id: str) -> str:
        """Pair a device for a child, and return its token; needs the elevation."""
        code, _ = await self.send(
            self.request("POST", "/devices/pairing-codes", {"profile_id": str(child)})
        )
        body = {"code": code["code"], "device_id": device_id, "device_type": "tablet"}
        paired, _ = await self.send(self.request("POST", "/devices/pair", body))
        return str(paired["device_token"])


@asynccontextmanager
async def registered_household(address: Address) -> AsyncIterator[Household]:
    """A new household in UTC for the time of a block; raises `BenchError`."""
    caller = Caller(address)
    body = {
        "email": f"bench-{uuid4().hex}@example.com",
        "password": _PASSWORD,
        "household_name": "Bench",
        "timezone": "UTC",
    }
    try:
        head = request_head("POST", f"{_API}/auth/register", address)
        response, _ = await caller.call(with_body(head, json.dumps(body).encode()))
        if response.status != 201:
            raise BenchError(f"no household could be registered: {response.body[:300]!r}")
        signed_in = json.loads(response.body)
        household_id = UUID(signed_in["user"]["household_id"])
        yield Household(household_id, address, signed_in["access_token"], caller)
    finally:
        caller.close()
