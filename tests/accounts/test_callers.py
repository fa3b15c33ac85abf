"""Every route of accounts with every kind of caller."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from tests.accounts.steps import problem, query, sign_in, staff_token, tell
from tests.harness.family import API, PASSWORD, PIN, Family, bearer
from tests.harness.service import Service
from watchkeeper.accounts.router import routers
from watchkeeper.core.auth import Role

CALLERS = (
    "elevated",
    "not elevated",
    "device",
    "revoked device",
    "other household",
    "agent",
    "admin",
    "nobody",
)
SIGNED_OUT = "401 core/unauthenticated"
REVOKED = "401 accounts/device-revoked"
FORBIDDEN = "403 core/forbidden"
PIN_REQUIRED = "403 accounts/pin-required"
NOT_FOUND = "404 core/not-found"


@dataclass(frozen=True)
class Call:
    """A route, a body that it takes, and what each kind of caller gets."""

    method: str
    path: str
    body: Any
    elevated: str
    not_elevated: str
    other: str
    staff: str = FORBIDDEN
    device: str = FORBIDDEN


GUARDIAN = [
    Call("GET", "/profiles", None, "200", "200", "200"),
    Call("POST", "/profiles", {"name": "Mia"}, "201", PIN_REQUIRED, "201"),
    Call("PATCH", "/profiles/{child}", {"name": "Mia"}, "200", PIN_REQUIRED, NOT_FOUND),
    Call("DELETE", "/profiles/{child}", None, "200", PIN_REQUIRED, NOT_FOUND),
    Call("POST", "/devices/pairing-codes", {"profile_id": "{child}"}, "201", PIN_REQUIRED,
         NOT_FOUND),
    Call("GET", "/devices", None, "200", "200", "200"),
    Call("DELETE", "/devices/{device}", None, "204", PIN_REQUIRED, NOT_FOUND),
    Call("GET", "/households/guardians", None, "200", "200", "200"),
    Call("DELETE", "/households/guardians/{guardian}", None, "204", PIN_REQUIRED, NOT_FOUND),
    Call("POST", "/households/invitations", {"email": "new@example.com"}, "201", PIN_REQUIRED,
         "201"),
    Call("DELETE", "/households/invitations/{invitation}", None, "204", PIN_REQUIRED, NOT_FOUND),
    Call("GET", "/households/audit", None, "200", PIN_REQUIRED, "200"),
    Call("POST", "/households/deletion", {"password": PASSWORD}, "200", PIN_REQUIRED, "200"),
    Call("POST", "/parental-controls/pin", {"new_pin": PIN, "current_pin": PIN}, "200", "200",
         "200"),
    Call("POST", "/parental-controls/pin/verify", {"pin": PIN}, "200", "200", "200"),
    Call("POST", "/parental-controls/pin/lock", None, "200", "200", "200"),
    Call("POST", "/parental-controls/pin/reset", {"password": PASSWORD, "new_pin": PIN}, "200",
         "200", "200"),
    Call("GET", "/parental-controls/pin/status", None, "200", "200", "200"),
    Call("GET", "/notifications", None, "200", "200", "200"),
    Call("GET", "/notifications/{notification_id}", None, "200", PIN_REQUIRED, NOT_FOUND),
    Call("POST", "/notifications/{notification_id}/read", None, "200", "200", NOT_FOUND),
    Call("POST", "/notifications/read-all", None, "200", "200", "200"),
    Call("GET", "/auth/me", None, "200", "200", "200", staff="200"),
    Call("POST", "/auth/password", {"current_password": PASSWORD, "new_password": PASSWORD},
         SIGNED_OUT, "204", "204", staff="204"),  # the call before it ended this sign-in
]  # fmt: skip
OPEN = {
    "/auth/register", "/auth/login", "/auth/refresh", "/auth/logout", "/devices/pair",
    "/households/invitations/accept",
}  # fmt: skip


async def _tokens(service: Service, family: Family) -> tuple[dict[str, str], dict[str, str]]:
    child = await family.add_profile("Noa")
    tablet = await family.pair(child, device_id="tablet")
    lost = await family.pair(child, device_id="lost")
    devices = {
        device["device_id"]: device["id"]
        for device in (await family.call("GET", "/devices"))["devices"]
    }
    await family.call("DELETE", f"/devices/{devices['lost']}")
    tokens = {
        "elevated": family.token,
        "not elevated": (await sign_in(service, family.email)).json()["access_token"],
        "device": tablet.token,
        "revoked device": lost.token,
        "other household": (await Family.register(service)).token,
        "agent": await staff_token(service, Role.AGENT),
        "admin": await staff_token(service, Role.ADMIN),
    }
    told = await tell(service, family)
    invited = await family.call("POST", "/households/invitations", json={"email": "2@example.com"})
    spare = await family.call("POST", "/households/invitations", json={"email": "3@example.com"})
    body = {"code": spare["code"], "password": PASSWORD}
    joined = await family.call("POST", "/households/invitations/accept", json=body)
    return tokens, {
        "child": child,
        "device": devices["tablet"],
        "notification_id": told,
        "invitation": invited["id"],
        "guardian": joined["user"]["id"],
    }


@pytest.mark.parametrize("call", GUARDIAN, ids=lambda call: f"{call.method} {call.path}")
async def test_each_caller_gets_what_the_contract_says(service: Service, call: Call) -> None:
    family = await Family.register(service)
    tokens, ids = await _tokens(service, family)
    expected = {
        "nobody": SIGNED_OUT,
        "revoked device": REVOKED,
        "device": call.device,
        "agent": call.staff,
        "admin": call.staff,
        "other household": call.other,
        "not elevated": call.not_elevated,
        "elevated": call.elevated,
    }
    body = call.body
    if body is not None:
        body = {name: str(value).format(**ids) for name, value in body.items()}
    got = {}
    for caller in expected:
        response = await service.client.request(
            call.method,
            f"{API}{call.path.format(**ids)}",
            json=body,
            headers=bearer(tokens[caller]) if caller in tokens else {},
        )
        refusal = "" if response.is_success else f" {problem(response)[1]}"
        got[caller] = f"{response.status_code}{refusal}"
    assert got == expected


def test_every_route_is_in_the_table() -> None:
    routes = {
        (method, re.sub(r"{\w+}", "{id}", route.path))  # type: ignore[attr-defined]
        for router in routers
        for route in router.routes
        for method in route.methods  # type: ignore[attr-defined]
    }
    table = {(call.method, re.sub(r"{\w+}", "{id}", call.path)) for call in GUARDIAN}
    assert routes == table | {("POST", path) for path in OPEN}


async def test_a_childs_token_reaches_no_other_profile(service: Service) -> None:
    family = await Family.register(service)
    noa, leo = await family.add_profile("Noa"), await family.add_profile("Leo")
    tablet = await family.pair(noa)
    tablet.profile_id = leo
    assert problem(await tablet.send()) == (404, "core/not-found")
    for profile_id in (leo, str(uuid4())):
        path = f"{API}/viewing-time/balance/{profile_id}"
        response = await service.client.get(path, headers=bearer(tablet.token))
        assert problem(response) == (404, "core/not-found")


async def test_an_ended_sign_in_is_refused_by_heartbeats_too(service: Service) -> None:
    family = await Family.register(service)
    player = family.player(await family.add_profile("Noa"))
    await player.beat()
    await query(service, "UPDATE accounts.sign_ins SET ended_at = created_at")
    assert problem(await player.send()) == (401, "core/unauthenticated")
