"""Every route of the service with every kind of caller, in one table (03, sections 6 and 7).

A new route without a line in the table fails the test. Callers who are refused change nothing in
the household whose child, session, grant, device and profile they name.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from tests.api.people import API, NOBODIES, PASSWORD, PIN, People
from tests.harness.cluster import Cluster
from tests.harness.service import quick_settings, running_service
from watchkeeper.core.config import SecuritySettings

# "elevated" and "guardian" are the household's own, the second without the PIN; "device" is the
# child's tablet; "stranger" is the elevated guardian of another household. "nobody" stands for no
# token, garbage, an expired token, an ended sign-in and a revoked device.
CALLERS = (
    "elevated", "guardian", "device", "stranger", "agent", "supervisor", "admin", "nobody",
)  # fmt: skip
CODES = {
    "401": "401 core/unauthenticated",
    "403": "403 core/forbidden",
    "404": "404 core/not-found",
    "422": "422 core/invalid-request",
    "pin": "403 accounts/pin-required",
    "pw": "403 accounts/wrong-password",
}
CHILD = "/parental-controls/profiles/{child}"
TABLE = """
# call                                            el.  gua. dev. str. ag.  sup. adm. nobody
GET    /healthz                                   200  200  200  200  200  200  200  200
GET    /readyz                                    200  200  200  200  200  200  200  200
GET    /metrics                                   200  200  200  200  200  200  200  200
GET    /api/openapi.json                          200  200  200  200  200  200  200  200
POST   /api/v1/auth/register                      201  201  201  201  201  201  201  201
POST   /api/v1/auth/login                         200  200  200  200  200  200  200  200
POST   /api/v1/auth/refresh                       200  200  200  200  200  200  200  200
POST   /api/v1/auth/logout                        204  204  204  204  204  204  204  204
GET    /api/v1/auth/me                            200  200  403  200  200  200  200  401
POST   /api/v1/auth/password                      pw   pw   403  pw   pw   pw   pw   401
GET    /api/v1/profiles                           200  200  403  200  403  403  403  401
POST   /api/v1/profiles                           201  pin  403  201  403  403  403  401
PATCH  /api/v1/profiles/{child}                   200  pin  403  404  403  403  403  401
DELETE /api/v1/profiles/{spare_child}             204  pin  403  404  403  403  403  401
POST   /api/v1/devices/pairing-codes              201  pin  403  404  403  403  403  401
POST   /api/v1/devices/pair                       201  201  201  201  201  201  201  201
GET    /api/v1/devices                            200  200  403  200  403  403  403  401
DELETE /api/v1/devices/{spare_device}             204  pin  403  404  403  403  403  401
POST   {pin}                                      200  200  403  200  403  403  403  401
POST   {pin}/verify                               200  200  403  200  403  403  403  401
POST   {pin}/lock                                 200  200  403  200  403  403  403  401
POST   {pin}/reset                                200  200  403  200  403  403  403  401
GET    {pin}/status                               200  200  403  200  403  403  403  401
GET    /api/v1/titles                             200  200  403  200  200  200  200  401
PUT    /api/v1/titles/{title}                     403  403  403  403  403  403  200  401
POST   /api/v1/titles/batch                       403  403  403  403  403  403  200  401
POST   /api/v1/viewing-time/heartbeat             200  200  200  404  403  403  403  401
POST   /api/v1/viewing-time/session/{session}/end 200  200  200  404  403  403  403  401
GET    /api/v1/viewing-time/balance/{child}       200  200  200  404  403  403  403  401
GET    {eligible}/{child}                         200  200  200  404  403  403  403  401
GET    {profile}/viewing-time                     200  pin  403  404  403  403  403  401
PUT    {profile}/viewing-time                     200  pin  403  404  403  403  403  401
POST   {profile}/viewing-time/grant               200  pin  422  404  403  403  403  401
POST   {profile}/viewing-time/grant (PIN)         200  200  200  404  403  403  403  401
GET    {profile}/viewing-time/grants              200  pin  403  404  403  403  403  401
DELETE {profile}/viewing-time/grants/{grant}      200  pin  403  404  403  403  403  401
GET    {profile}/history                          200  pin  403  404  403  403  403  401
GET    /api/v1/parental-controls/weekly-report    200  pin  403  200  403  403  403  401
GET    {weekly_csv}                               200  pin  403  200  403  403  403  401
GET    /api/v1/admin/metrics                      403  403  403  403  403  403  200  401
"""
SHORT = {
    "{pin}": "/api/v1/parental-controls/pin",
    "{profile}": "/api/v1/parental-controls/profiles/{child}",
    "{eligible}": "/api/v1/viewing-time/playback-eligible",
    "{weekly_csv}": "/api/v1/parental-controls/weekly-report.csv",
}
BODIES: dict[str, dict[str, Any]] = {
    "POST /auth/register": {
        "email": "new{number}@example.com",
        "password": PASSWORD,
        "household_name": "New",
        "timezone": "Europe/Madrid",
    },
    "POST /auth/login": {"email": "{email}", "password": PASSWORD},
    "POST /auth/refresh": {"refresh_token": "{refresh_token}"},
    "POST /auth/logout": {"refresh_token": "{refresh_token}"},
    # With the right one, the sign-ins of all the others would end.
    "POST /auth/password": {"current_password": "not this one", "new_password": PASSWORD},
    "POST /profiles": {"name": "Mia {number}"},
    "PATCH /profiles/{child}": {"name": "Noa {number}"},
    "POST /devices/pairing-codes": {"profile_id": "{child}"},
    "POST /devices/pair": {
        "code": "{code}",
        "device_id": "new-{number}",
        "device_type": "tablet",
    },
    "POST /parental-controls/pin": {"new_pin": PIN, "current_pin": PIN},
    "POST /parental-controls/pin/verify": {"pin": PIN},
    "POST /parental-controls/pin/reset": {"password": PASSWORD, "new_pin": PIN},
    "PUT /titles/{title}": {"name": "Film {number}", "is_educational": True},
    "POST /titles/batch": {
        "titles": [{"source": "test", "external_id": "{number}", "name": "Film"}]
    },
    "POST /viewing-time/heartbeat": {
        "profile_id": "{child}",
        "device_id": "{device_id}",
        "device_type": "tablet",
        "title_ref": {"source": "test", "id": "{number}", "name": "Film"},
    },
    f"PUT {CHILD}/viewing-time": {"weekday_limit_minutes": 60},
    f"POST {CHILD}/viewing-time/grant": {"minutes": 5},
    f"POST {CHILD}/viewing-time/grant (PIN)": {"minutes": 5, "pin": PIN},
}


@dataclass(frozen=True)
class Call:
    """One line of the table."""

    name: str
    method: str
    path: str
    expected: dict[str, str]

    @classmethod
    def of(cls, line: str) -> "Call":
        call, *codes = re.split(r"\s+(?=\S+(?:\s+\S+){7}$)", line, maxsplit=1)
        for short, long in SHORT.items():
            call = call.replace(short, long)
        method, path = call.split(maxsplit=1)
        expected = dict(zip(CALLERS, codes[0].split(), strict=True))
        return cls(
            name=f"{method} {path.removeprefix(API)}",
            method=method,
            path=path.removesuffix(" (PIN)"),
            expected={caller: CODES.get(code, code) for caller, code in expected.items()},
        )

    def outcome_for(self, caller: str) -> str:
        """What this caller gets; the revoked device is told what happened to it."""
        expected = self.expected["nobody" if caller in NOBODIES else caller]
        if caller == "revoked device" and expected == CODES["401"]:
            return "401 accounts/device-revoked"
        return expected


CALLS = [Call.of(line) for line in TABLE.strip().splitlines()[1:]]


@pytest.fixture(scope="module")
async def people(cluster: Cluster) -> AsyncIterator[People]:
    """One gathering for all calls of this file."""
    settings = quick_settings(
        security=SecuritySettings(
            registrations_per_hour=100_000,
            sign_ins_per_minute=100_000,
            sign_ins_per_minute_per_address=100_000,
            access_token_seconds=86_400,
        )
    )
    async with cluster.database() as url, running_service(url, settings=settings) as service:
        yield await People.gather(service)


async def _filled(people: People, value: Any, caller: str) -> Any:
    """`value` with every placeholder replaced by something new of the household's."""
    if isinstance(value, dict):
        return {name: await _filled(people, one, caller) for name, one in value.items()}
    if isinstance(value, list):
        return [await _filled(people, one, caller) for one in value]
    if not isinstance(value, str):
        return value
    own = {"revoked device": "lost"}.get(caller, "tablet")
    known = {"email": people.family.email, "device_id": own, "title": str(uuid4())}
    for thing in re.findall(r"{(\w+)}", value):
        value = value.replace(f"{{{thing}}}", known.get(thing) or await people.make(thing))
    return value


def _outcome(response: httpx.Response) -> str:
    if response.is_success:
        return str(response.status_code)
    assert response.headers["content-type"] == "application/problem+json", response.text
    return f"{response.status_code} {response.json()['type']}"


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
async def test_each_caller_gets_what_the_table_says(people: People, call: Call) -> None:
    await people.take_their_places()
    path = await _filled(people, call.path, "elevated")
    # Who is let through comes last, so that the others reach for something that is still there.
    callers = [*NOBODIES, *reversed(CALLERS[:-1])]
    got = {}
    for caller in callers:
        body = await _filled(people, BODIES.get(call.name), caller)
        before = await people.state(people.family.household_id)
        response = await people.service.client.request(
            call.method, path, json=body, headers=people.headers(caller)
        )
        got[caller] = _outcome(response)
        if not response.is_success:
            after = await people.state(people.family.household_id)
            assert after == before, f"{caller} was refused and changed something"
    assert got == {caller: call.outcome_for(caller) for caller in callers}


async def test_every_route_is_in_the_table(people: People) -> None:
    routes = {
        (method, re.sub(r"{\w+}", "{}", route.path or ""))
        for route in iter_route_contexts(people.service.app.routes)
        for method in (route.methods or ()) - {"HEAD"}
    }
    assert routes == {(call.method, re.sub(r"{\w+}", "{}", call.path)) for call in CALLS}
    assert len(routes) > 35


async def test_what_another_household_owns_is_found_nowhere_in_a_request(people: People) -> None:
    """Ids of others inside bodies and below one's own objects are as unknown as in an address."""
    await people.take_their_places()
    theirs = await people.strangers.add_profile(f"Theirs {await people.make('number')}")
    session, grant = await people.make("session"), await people.make("grant")
    before = await people.state(people.family.household_id)
    player = people.strangers.player(theirs)
    answers = [
        await player.send(session_id=session),
        await people.strangers.send(
            "DELETE", f"/parental-controls/profiles/{theirs}/viewing-time/grants/{grant}"
        ),
        await people.strangers.send("POST", f"/viewing-time/session/{session}/end", json={}),
    ]
    assert [_outcome(answer) for answer in answers] == ["404 core/not-found"] * 3
    assert await people.state(people.family.household_id) == before


async def test_a_grant_of_a_sibling_is_not_found(people: People) -> None:
    await people.take_their_places()
    sibling, grant = await people.make("spare_child"), await people.make("grant")
    response = await people.family.send(
        "DELETE", f"/parental-controls/profiles/{sibling}/viewing-time/grants/{grant}"
    )
    assert _outcome(response) == "404 core/not-found"


async def test_a_device_ends_no_session_of_a_sibling(people: People) -> None:
    await people.take_their_places()
    player = people.family.player(await people.make("spare_child"), "sofa")
    session_id = (await player.beat())["session_id"]
    response = await people.service.client.post(
        f"{API}/viewing-time/session/{session_id}/end", headers=people.headers("device")
    )
    assert _outcome(response) == "404 core/not-found"
    assert (await player.beat())["session_id"] == session_id


async def test_a_device_may_not_take_time_away_even_with_the_pin(people: People) -> None:
    await people.take_their_places()
    response = await people.service.client.post(
        f"{API}/parental-controls/profiles/{people.child}/viewing-time/grant",
        json={"minutes": -5, "pin": PIN},
        headers=people.headers("device"),
    )
    assert _outcome(response) == "403 core/forbidden"


async def test_a_private_title_keeps_its_name_from_other_households(people: People) -> None:
    await people.take_their_places()
    secret = {"source": "home", "id": "birthday", "name": "Noa's birthday"}
    await people.family.player(people.child).beat(title_ref=secret)
    titles = (await people.family.call("GET", "/titles", params={"query": "birthday"}))["titles"]
    (title,) = titles
    theirs = await people.strangers.add_profile(f"Curious {await people.make('number')}")
    await people.strangers.player(theirs).play(60, title_ref=None, title_id=title["id"])
    history = await people.strangers.call("GET", f"/parental-controls/profiles/{theirs}/history")
    assert [one["title"] for day in history["days"] for one in day["sessions"]] == ["Unknown title"]
