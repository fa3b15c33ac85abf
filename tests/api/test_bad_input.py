"""Bad input of every kind to every call that takes a body: a 4xx that names the field.

Nothing changes in the household that the calls are about.
"""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.bodies import BODIES, CHILD
from tests.api.people import People
from tests.api.test_callers import CALLS, Call
from tests.harness.family import API

JSON = {"Content-Type": "application/json"}
WRITES = [call for call in CALLS if call.name in BODIES and not call.path.endswith("(PIN)")]
WITH_OBJECT = [
    call
    for call in CALLS
    if "{" in call.path and not call.name.endswith("(PIN)") and call.path.startswith(API)
]
# Wrong for every field there is, whatever its kind.
WRONG: list[Any] = [[], {}, 10**30, -(10**30), 1.5, 1e308, "x" * 20_000, "\ud800", "null\0byte"]
NULL_MEANS_SOMETHING = {
    "weekday_limit_minutes",
    "limit_minutes",
    "minutes",
    "pin",
    "current_pin",
    "title_ref",
}
# Calls that add what their path names.
ADDING = {"PUT /titles/{title}", f"PUT {CHILD}/overrides/{{date}}"}
# A password is hashed, not stored, so any text of bounded length may be one.
COMPARED = {"password", "current_password", "new_password"}


def _headers(people: People, call: Call) -> dict[str, str]:
    """The token of whoever may make the call."""
    return people.headers("admin" if call.path.startswith(f"{API}/titles") else "elevated")


async def _refused(
    people: People, call: Call, path: str, headers: dict[str, str] | None = None, **options: Any
) -> httpx.Response:
    """Send the call, which must be refused with a problem document that is ours."""
    response = await people.service.client.request(
        call.method, path, headers=_headers(people, call) | (headers or {}), **options
    )
    assert 400 <= response.status_code < 500, (options, response.status_code, response.text)
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == response.status_code
    assert document["detail"]
    assert len(response.content) < 4_000, "what was sent isn't sent back"
    return response


def _fields(response: httpx.Response) -> set[str]:
    """The fields that are named, as their first parts."""
    return {fault["field"].split(".")[0] for fault in response.json().get("errors", [])}


def _as_json(body: Any) -> bytes:
    return json.dumps(body).encode()


@pytest.mark.parametrize("call", WRITES, ids=lambda call: call.name)
async def test_bodies_that_cannot_be_read(people: People, call: Call) -> None:
    await people.take_their_places()
    path = await people.filled(call.path)
    good = _as_json(await people.filled(BODIES[call.name]))
    before = await people.state(people.family.household_id)
    sent: list[tuple[bytes, dict[str, str], set[int]]] = [
        (good + b" " * 1_048_576, JSON, {413}),
        (good, {"Content-Type": "text/plain"}, {415}),
        (good, {"Content-Type": "application/x-www-form-urlencoded"}, {415}),
        (good, {"Content-Type": "multipart/form-data; boundary=x"}, {415}),
        (good[:-1], JSON, {400}),
        (b"\xff" + good, JSON, {400}),
        (b"[" * 500_000, JSON, {400}),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, JSON, {400, 422}),
        (b"[" + good + b"]", JSON, {422}),
        (b'"text"', JSON, {422}),
        (b"17", JSON, {422}),
    ]
    for content, headers, statuses in sent:
        response = await _refused(people, call, path, headers, content=content)
        assert response.status_code in statuses, (content[:50], response.text)
    assert await people.state(people.family.household_id) == before


@pytest.mark.parametrize("call", WRITES, ids=lambda call: call.name)
async def test_values_that_are_wrong_are_refused_by_name(people: People, call: Call) -> None:
    await people.take_their_places()
    path = await people.filled(call.path)
    good = await people.filled(BODIES[call.name])
    before = await people.state(people.family.household_id)
    for name in good:
        wrong = WRONG if name in NULL_MEANS_SOMETHING else [*WRONG, None]
        for value in wrong:
            if name in COMPARED and value == "null\0byte":
                continue
            content = _as_json(good | {name: value})
            response = await _refused(people, call, path, JSON, content=content)
            assert response.status_code == 422, (name, repr(value)[:40], response.text)
            assert name in _fields(response), (name, repr(value)[:40], response.text)
    assert await people.state(people.family.household_id) == before


@pytest.mark.parametrize("call", WRITES, ids=lambda call: call.name)
async def test_unknown_fields_are_named_except_on_heartbeats(people: People, call: Call) -> None:
    await people.take_their_places()
    path = await people.filled(call.path)
    good = await people.filled(BODIES[call.name])
    if call.path.endswith("/heartbeat"):
        # What newer players say is no fault, and nothing that a player says exempts a title.
        exempt = {"is_educational": True, "counts": "never", "educational_minutes": 60}
        good["title_ref"] |= exempt
        response = await people.service.client.post(
            path, json=good | exempt, headers=people.headers("elevated")
        )
        assert response.status_code == 200
        assert response.json()["is_educational"] is False
        return
    before = await people.state(people.family.household_id)
    response = await _refused(people, call, path, json=good | {"shoe_size": 43})
    assert response.status_code == 422
    assert _fields(response) == {"shoe_size"}
    assert await people.state(people.family.household_id) == before


@pytest.mark.parametrize("call", WITH_OBJECT, ids=lambda call: call.name)
async def test_ids_that_are_none_are_refused_and_unknown_ones_not_found(
    people: People, call: Call
) -> None:
    await people.take_their_places()
    body = await people.filled(BODIES.get(call.name))
    before = await people.state(people.family.household_id)
    start, _, rest = call.path.rpartition("{")
    start, rest = await people.filled(start), rest.partition("}")[2]
    for text in (
        "not-a-uuid",
        "1",
        "' OR 1=1",
        "a" * 500,
        "%2e%2e",
        "%F0%9F%A6%8A",
        str(uuid4())[:-1],
    ):
        response = await _refused(people, call, f"{start}{text}{rest}", json=body)
        assert response.status_code == 422, (text, response.text)
        assert len(_fields(response)) == 1
    response = await _refused(people, call, f"{start}%00{rest}", json=body)
    assert response.status_code == 400
    if call.name not in ADDING:
        unknown = "2026-12-31" if call.path.endswith("{overridden}") else uuid4()
        response = await _refused(people, call, f"{start}{unknown}{rest}", json=body)
        assert response.status_code == 404, response.text
    assert await people.state(people.family.household_id) == before


def _call(method: str, path: str) -> Call:
    return Call(f"{method} {path}", method, f"{API}{path}", {})


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (f"{CHILD}/history?from_date=2026-03-10&to_date=2026-03-09", "to_date"),
        (f"{CHILD}/history?from_date=2025-01-01&to_date=2026-03-09", "to_date"),
        (f"{CHILD}/history?from_date=2026-02-30", "from_date"),
        (f"{CHILD}/history?from_date=99999-01-01", "from_date"),
        (f"{CHILD}/history?from_date=0000-01-01", "from_date"),
        (f"{CHILD}/history?to_date=1741600000", "to_date"),
        (f"{CHILD}/history?until=2026-03-09", "until"),
        (f"{CHILD}/history?cursor=garbage", "cursor"),
        (f"{CHILD}/viewing-time/grants?cursor=garbage", "cursor"),
        (f"{CHILD}/viewing-time/grants?cursor={'x' * 301}", "cursor"),
        ("/parental-controls/weekly-report?week=2026-W54", "week"),
        ("/parental-controls/weekly-report?week=last", "week"),
        ("/parental-controls/weekly-report.csv?weeks=2", "weeks"),
        ("/households/export?format=xml", "format"),
        ("/households/export?secrets=yes", "secrets"),
        ("/profiles/{child}/export?format=", "format"),
        ("/households/audit?cursor=garbage", "cursor"),
        ("/households/audit?profile_id=Noa", "profile_id"),
        ("/households/audit?kind=grant.given", "kind"),
        ("/households/audit?since=2026-03-09", "since"),
        ("/titles?limit=1000000000000000000000", "limit"),
        ("/titles?limit=-1", "limit"),
        ("/titles?cursor=garbage", "cursor"),
    ],
)
async def test_questions_that_make_no_sense(people: People, path: str, field: str) -> None:
    await people.take_their_places()
    call = _call("GET", path)
    response = await _refused(people, call, await people.filled(call.path))
    assert response.status_code == 422
    named = " ".join(fault["field"] for fault in response.json()["errors"])
    assert field in named or "from_date" in named, response.text


async def test_a_cursor_of_another_list_is_refused_everywhere(people: People) -> None:
    """They are signed with the same key, so each list has to know its own."""
    await people.take_their_places()
    for number in range(2):
        await people.filled("{own_title}")
        await people.family.grant(people.child, 1, key=f"cursor-{number}")
    lists = {
        "titles": "/titles?limit=1",
        "history": f"/parental-controls/profiles/{people.child}/history"
        "?from_date=2025-03-01&to_date=2026-03-10",
    }
    grants = f"/parental-controls/profiles/{people.child}/viewing-time/grants"
    cursors = {
        name: (await people.family.call("GET", path))["next_cursor"] for name, path in lists.items()
    }
    assert all(cursors.values()), cursors
    audit = "/households/audit"
    others = [("titles", grants), ("history", grants), ("history", "/titles"), ("titles", audit)]
    for name, path in others:
        response = await people.family.send("GET", path, params={"cursor": cursors[name]})
        assert response.status_code == 422, (name, path, response.text)
        assert _fields(response) == {"cursor"}


@pytest.mark.parametrize("key", ["", "x" * 101])
async def test_an_idempotency_key_has_bounds(people: People, key: str) -> None:
    await people.take_their_places()
    before = await people.state(people.family.household_id)
    response = await people.family.send(
        "POST",
        f"/parental-controls/profiles/{people.child}/viewing-time/grant",
        json={"minutes": 5},
        headers={"Idempotency-Key": key},
    )
    assert response.status_code == 422
    assert "idempotency-key" in str(_fields(response)).lower()
    assert await people.state(people.family.household_id) == before


@pytest.mark.parametrize(
    "counters",
    [
        {"seq": 1},
        {"seq": 1, "played_ms": 5},
        {"seq": -1, "played_ms": 0, "paused_ms": 0},
        {"seq": 1, "played_ms": 2**53, "paused_ms": 0},
        {"seq": 1, "played_ms": 1.5, "paused_ms": 0},
        {"seq": "1", "played_ms": 0, "paused_ms": 0},
        {"seq": True, "played_ms": 0, "paused_ms": 0},
        {"position_ms": -1},
        {"client_time": "yesterday"},
        {"client_time": "2026-03-10T15:00:00"},
        {"is_paused": "no"},
        {"state": "dancing"},
        {"device_type": "fridge"},
        {"device_id": ""},
        {"device_id": "x" * 101},
        {"start_key": ""},
        {"session_id": "mine"},
        {"title_id": "film"},
        {"title_ref": {"source": "x", "id": "y"}},
        {"title_ref": None},
    ],
    ids=str,
)
async def test_heartbeats_that_make_no_sense_charge_nothing(
    people: People, counters: dict[str, Any]
) -> None:
    await people.take_their_places()
    call = next(call for call in CALLS if call.path.endswith("/heartbeat"))
    body = await people.filled(BODIES[call.name])
    before = await people.state(people.family.household_id)
    response = await _refused(people, call, call.path, json=body | counters)
    assert response.status_code == 422
    assert await people.state(people.family.household_id) == before
