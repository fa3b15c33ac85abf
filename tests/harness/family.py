"""A household as its people see it: made and used over HTTP alone."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import httpx

from tests.harness.service import Service

API = "/api/v1"
PIN = "4321"
PASSWORD = "correct horse battery"
_numbers = count(1)


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


@dataclass(slots=True)
class Player:
    """One device that plays for one profile, with counters when `counting`."""

    family: "Family"
    profile_id: str
    device_id: str
    token: str
    title: dict[str, Any] = field(
        default_factory=lambda: {"title_ref": {"source": "test", "id": "film", "name": "A film"}}
    )
    counting: bool = False
    device_type: str = "tv"
    session_id: str | None = None
    seq: int = 0
    played_ms: int = 0
    paused_ms: int = 0

    async def send(self, **fields: Any) -> httpx.Response:
        """One heartbeat as it stands; `fields` replace or add."""
        body: dict[str, Any] = {
            "profile_id": self.profile_id,
            "device_id": self.device_id,
            "device_type": self.device_type,
            **self.title,
        }
        if self.session_id:
            body["session_id"] = self.session_id
        if self.counting:
            body |= {"seq": self.seq, "played_ms": self.played_ms, "paused_ms": self.paused_ms}
            self.seq += 1
        response = await self.family.service.client.post(
            f"{API}/viewing-time/heartbeat", json=body | fields, headers=bearer(self.token)
        )
        if response.status_code == 200:
            self.session_id = response.json()["session_id"]
        return response

    async def beat(self, **fields: Any) -> dict[str, Any]:
        """One heartbeat that must be accepted; returns the answer."""
        response = await self.send(**fields)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def play(self, seconds: float, *, every: float = 30.0, **fields: Any) -> dict[str, Any]:
        """Play on for so long with a heartbeat every few seconds; returns the last answer.

        The first call of a player starts its session.
        """
        answer: dict[str, Any] = {}
        if self.session_id is None:
            answer = await self.beat(**fields)
        while seconds > 0:
            step = min(every, seconds)
            self.family.service.clock.advance(seconds=step)
            self.played_ms += int(step * 1000)
            seconds -= step
            answer = await self.beat(**fields)
        return answer

    async def end(self, **fields: Any) -> httpx.Response:
        """End the session."""
        return await self.family.service.client.post(
            f"{API}/viewing-time/session/{self.session_id}/end",
            json=fields,
            headers=bearer(self.token),
        )


@dataclass(slots=True)
class Family:
    """A registered household; `token` is its guardian's, elevated by the PIN."""

    service: Service
    email: str
    household_id: str
    token: str
    refresh_token: str
    profiles: dict[str, str] = field(default_factory=dict)
    elevated_at: datetime | None = None

    @classmethod
    async def register(
        cls, service: Service, *, timezone: str = "Europe/Madrid", with_pin: bool = True
    ) -> "Family":
        """Sign up, and by default set the PIN and elevate the sign-in."""
        email = f"guardian{next(_numbers)}@example.com"
        response = await service.client.post(
            f"{API}/auth/register",
            json={
                "email": email,
                "password": PASSWORD,
                "household_name": "Test family",
                "timezone": timezone,
            },
        )
        assert response.status_code == 201, response.text
        answer = response.json()
        family = cls(
            service,
            email,
            answer["user"]["household_id"],
            answer["access_token"],
            answer["refresh_token"],
        )
        if with_pin:
            await family.call("POST", "/parental-controls/pin", json={"new_pin": PIN})
            await family.elevate()
        return family

    @property
    def headers(self) -> dict[str, str]:
        return bearer(self.token)

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A call of the guardian's, whatever it answers."""
        headers = self.headers | options.pop("headers", {})
        return await self.service.client.request(method, f"{API}{path}", headers=headers, **options)

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """A call of the guardian's that must succeed; returns the body."""
        response = await self.send(method, path, **options)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    async def elevate(self) -> None:
        """Enter the PIN; holds for 15 minutes of the service's clock."""
        await self.call("POST", "/parental-controls/pin/verify", json={"pin": PIN})
        self.elevated_at = self.service.clock.now()

    async def stay_elevated(self) -> None:
        """Enter the PIN again when the last time was more than ten minutes ago."""
        now = self.service.clock.now()
        if self.elevated_at is not None and now - self.elevated_at > timedelta(minutes=10):
            await self.elevate()

    async def sign_in(self) -> None:
        """A fresh, elevated sign-in, for tests that move the clock far."""
        answer = await self.call(
            "POST", "/auth/login", json={"email": self.email, "password": PASSWORD}
        )
        self.token = answer["access_token"]
        await self.elevate()

    async def add_profile(self, name: str, *, is_child: bool = True) -> str:
        """A new profile's id."""
        answer = await self.call(
            "POST", "/profiles", json={"name": name, "is_child": is_child, "avatar": "fox"}
        )
        self.profiles[name] = answer["id"]
        return str(answer["id"])

    async def pair(self, profile_id: str, *, device_id: str | None = None) -> Player:
        """A child's own device, paired with a code."""
        device_id = device_id or f"device-{uuid4().hex[:8]}"
        code = await self.call("POST", "/devices/pairing-codes", json={"profile_id": profile_id})
        response = await self.service.client.post(
            f"{API}/devices/pair",
            json={"code": code["code"], "device_id": device_id, "device_type": "tablet"},
        )
        assert response.is_success, response.text
        return Player(self, profile_id, device_id, response.json()["device_token"])

    def player(self, profile_id: str, device_id: str = "living-room", **options: Any) -> Player:
        """A player that uses the guardian's token."""
        return Player(self, profile_id, device_id, self.token, **options)

    async def settings(self, profile_id: str, **changes: Any) -> Any:
        """Change a child's viewing time."""
        await self.stay_elevated()
        return await self.call(
            "PUT", f"/parental-controls/profiles/{profile_id}/viewing-time", json=changes
        )

    async def grant(
        self, profile_id: str, minutes: int | None, *, key: str | None = None, **fields: Any
    ) -> Any:
        """Give or take time, remotely."""
        await self.stay_elevated()
        return await self.call(
            "POST",
            f"/parental-controls/profiles/{profile_id}/viewing-time/grant",
            json={"minutes": minutes, **fields},
            headers={"Idempotency-Key": key} if key else {},
        )

    async def override(self, profile_id: str, on: date, **rules: Any) -> Any:
        """Set what holds on a date."""
        await self.stay_elevated()
        path = f"/parental-controls/profiles/{profile_id}/overrides/{on}"
        return await self.call("PUT", path, json=rules)

    async def lock(self, profile_id: str, until: datetime | None = None) -> Any:
        """Stop all play of a child."""
        await self.stay_elevated()
        body = {"until": until.isoformat()} if until else None
        path = f"/parental-controls/profiles/{profile_id}/lock"
        return await self.call("POST", path, json=body)

    async def unlock(self, profile_id: str) -> Any:
        """Allow play again."""
        await self.stay_elevated()
        return await self.call("POST", f"/parental-controls/profiles/{profile_id}/unlock")

    async def balance(self, profile_id: str) -> Any:
        """What a profile has used and may still watch."""
        return await self.call("GET", f"/viewing-time/balance/{profile_id}")
