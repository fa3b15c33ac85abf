"""Every route of the service with every kind of caller, in one table (03, sections 6 and 7).

A new route without a line in the table fails the test. Callers who are refused change nothing in
the household whose child, session, grant, device and profile they name.
"""

import re
from dataclasses import dataclass

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from tests.api.bodies import BODIES
from tests.api.people import NOBODIES, People
from tests.harness.family import API, PIN

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
DELETE /api/v1/profiles/{spare_child}             200  pin  403  404  403  403  403  401
POST   /api/v1/devices/pairing-codes              201  pin  403  404  403  403  403  401
POST   /api/v1/devices/pair                       201  201  201  201  201  201  201  201
GET    /api/v1/devices                            200  200  403  200  403  403  403  401
DELETE /api/v1/devices/{spare_device}             204  pin  403  404  403  403  403  401
GET    /api/v1/households/guardians               200  200  403  200  403  403  403  401
DELETE {guardians}/{spare_guardian}               204  pin  403  404  403  403  403  401
POST   /api/v1/households/invitations             201  pin  403  201  403  403  403  401
POST   {accept}                                   201  201  201  201  201  201  201  201
DELETE {invitations}/{invitation}                 204  pin  403  404  403  403  403  401
GET    /api/v1/households/export                  200  pin  403  200  403  403  403  401
GET    /api/v1/profiles/{child}/export            200  pin  403  404  403  403  403  401
POST   /api/v1/households/deletion                pw   pin  403  pw   403  403  403  401
GET    /api/v1/households/audit                   200  pin  403  200  403  403  403  401
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
GET    /api/v1/viewing-time/events                200  200  200  200  403  403  403  401
GET    {eligible}/{child}                         200  200  200  404  403  403  403  401
POST   /api/v1/viewing-time/requests              201  201  201  404  403  403  403  401
GET    /api/v1/viewing-time/requests              200  200  200  200  403  403  403  401
POST   {requests}/{request}/answer                200  pin  403  404  403  403  403  401
GET    {profile}/viewing-time                     200  pin  403  404  403  403  403  401
PUT    {profile}/viewing-time                     200  pin  403  404  403  403  403  401
PUT    {profile}/overrides/{date}                 200  pin  403  404  403  403  403  401
DELETE {profile}/overrides/{overridden}           200  pin  403  404  403  403  403  401
POST   {profile}/lock                             200  pin  403  404  403  403  403  401
POST   {profile}/unlock                           200  pin  403  404  403  403  403  401
POST   {profile}/viewing-time/grant               200  pin  422  404  403  403  403  401
POST   {profile}/viewing-time/grant (PIN)         200  200  200  404  403  403  403  401
GET    {profile}/viewing-time/grants              200  pin  403  404  403  403  403  401
DELETE {profile}/viewing-time/grants/{grant}      200  pin  403  404  403  403  403  401
PUT    {override}/{own_title}                     200  pin  403  404  403  403  403  401
GET    {profile}/history                          200  pin  403  404  403  403  403  401
GET    {profile}/history.csv                      200  pin  403  404  403  403  403  401
GET    /api/v1/notifications                      200  200  403  200  403  403  403  401
GET    /api/v1/notifications/{notification}       200  pin  403  404  403  403  403  401
POST   /api/v1/notifications/{notification}/read  200  200  403  404  403  403  403  401
POST   /api/v1/notifications/read-all             200  200  403  200  403  403  403  401
GET    /api/v1/parental-controls/weekly-report    200  pin  403  200  403  403  403  401
GET    {weekly_csv}                               200  pin  403  200  403  403  403  401
GET    /api/v1/admin/metrics                      403  403  403  403  403  403  200  401
"""
SHORT = {
    "{pin}": "/api/v1/parental-controls/pin",
    "{profile}": "/api/v1/parental-controls/profiles/{child}",
    "{guardians}": "/api/v1/households/guardians",
    "{accept}": "/api/v1/households/invitations/accept",
    "{invitations}": "/api/v1/households/invitations",
    "{eligible}": "/api/v1/viewing-time/playback-eligible",
    "{requests}": "/api/v1/viewing-time/requests",
    "{override}": "/api/v1/parental-controls/titles",
    "{weekly_csv}": "/api/v1/parental-controls/weekly-report.csv",
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


def _outcome(response: httpx.Response) -> str:
    if response.is_success:
        return str(response.status_code)
    assert response.headers["content-type"] == "application/problem+json", response.text
    return f"{response.status_code} {response.json()['type']}"


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
async def test_each_caller_gets_what_the_table_says(people: People, call: Call) -> None:
    await people.take_their_places()
    path = await people.filled(call.path)
    # Who is let through comes last, so that the others reach for something that is still there.
    callers = [*NOBODIES, *reversed(CALLERS[:-1])]
    got = {}
    for caller in callers:
        body = await people.filled(BODIES.get(call.name), caller)
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
        for method in set(route.methods or ()) - {"HEAD"}
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
