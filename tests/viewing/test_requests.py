"""A child asks for more time; a guardian answers. The day ends at 06:00 in Madrid."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.accounts.steps import query
from tests.harness.family import API, Family, Player, bearer
from tests.harness.sums import assert_sums_agree

PATH = "/viewing-time/requests"


async def ask(device: Player, minutes: int = 30, *, key: str | None = None, **body: Any) -> Any:
    headers = bearer(device.token) | ({"Idempotency-Key": key} if key else {})
    response: httpx.Response = await device.family.service.client.post(
        f"{API}{PATH}",
        json={"profile_id": device.profile_id, "minutes": minutes, **body},
        headers=headers,
    )
    return response


async def answer(family: Family, request_id: str, decision: str, **body: Any) -> httpx.Response:
    await family.stay_elevated()
    return await family.send(
        "POST", f"{PATH}/{request_id}/answer", json={"decision": decision, **body}
    )


async def listed(device: Player) -> list[dict[str, Any]]:
    response = await device.family.service.client.get(f"{API}{PATH}", headers=bearer(device.token))
    requests: list[dict[str, Any]] = response.json()["requests"]
    return requests


async def test_asked_and_approved_with_own_minutes(family: Family, child: str) -> None:
    device = await family.pair(child)
    await family.grant(child, -120)
    assert (await device.beat())["enforcement"] == "blocked"
    asked = await ask(device, 60, message="The film isn't over")
    assert asked.status_code == 201
    request = asked.json()
    assert (request["status"], request["minutes"]) == ("open", 60)
    assert request["expires_at"] == (await family.balance(child))["next_reset_at"]
    seen = (await family.call("GET", PATH))["requests"]
    assert [one["message"] for one in seen] == ["The film isn't over"]
    approved = await answer(family, request["id"], "approve", minutes=20, message="Only this one")
    assert approved.status_code == 200, approved.text
    assert (approved.json()["status"], approved.json()["granted_minutes"]) == ("approved", 20)
    assert (await device.beat())["remaining_minutes"] == 20
    (told,) = await listed(device)
    assert (told["status"], told["answer"]) == ("approved", "Only this one")
    grants = await family.call("GET", f"/parental-controls/profiles/{child}/viewing-time/grants")
    assert grants["grants"][0]["id"] == told["grant_id"]
    await assert_sums_agree(family.service.database, child)


async def test_approved_as_asked_and_with_the_hours(family: Family, child: str) -> None:
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    closed = {day: [{"from": "07:00", "to": "15:00"}] for day in days}
    await family.settings(child, windows=closed)
    device = await family.pair(child)
    request = (await ask(device, 25)).json()
    approved = await answer(family, request["id"], "approve", extends_window=True)
    assert approved.json()["granted_minutes"] == 25
    assert (await device.beat())["remaining_minutes"] == 25


async def test_denied_with_a_word(family: Family, child: str) -> None:
    device = await family.pair(child)
    request = (await ask(device)).json()
    denied = await answer(family, request["id"], "deny", message="Dinner is ready")
    assert (denied.json()["status"], denied.json()["answer"]) == ("denied", "Dinner is ready")
    assert (await device.beat())["remaining_minutes"] == 120
    assert (await ask(device)).status_code == 201, "another may be asked now"


async def test_one_is_open_at_a_time(family: Family, child: str) -> None:
    device = await family.pair(child)
    answers = await asyncio.gather(*(ask(device, 10 + number) for number in range(6)))
    statuses = sorted(response.status_code for response in answers)
    assert statuses == [201, 409, 409, 409, 409, 409]
    (request,) = (await family.call("GET", PATH))["requests"]
    refused = next(response for response in answers if response.status_code == 409).json()
    assert (refused["type"], refused["request_id"]) == ("viewing/request-open", request["id"])
    leo = await family.pair(await family.add_profile("Leo"))
    assert (await ask(leo)).status_code == 201, "a brother's is another"


async def test_the_same_key_asks_once(family: Family, child: str) -> None:
    device = await family.pair(child)
    first = await ask(device, key="once")
    assert (await ask(device, key="once")).json()["id"] == first.json()["id"]
    await answer(family, first.json()["id"], "deny")
    again = await ask(device, key="once")
    assert (again.json()["id"], again.json()["status"]) == (first.json()["id"], "denied")
    other = await ask(device, 45, key="once")
    assert other.json()["type"] == "viewing/idempotency-key-reused"


async def test_an_answer_may_be_sent_again_and_not_changed(family: Family, child: str) -> None:
    device = await family.pair(child)
    request_id = (await ask(device, 30)).json()["id"]
    answers = await asyncio.gather(*(answer(family, request_id, "approve") for _ in range(4)))
    assert {response.json()["granted_minutes"] for response in answers} == {30}
    assert (await family.balance(child))["remaining_minutes"] == 150, "granted once"
    for decision, body in (("deny", {}), ("approve", {"minutes": 60})):
        refused = await answer(family, request_id, decision, **body)
        assert (refused.status_code, refused.json()["type"]) == (409, "viewing/request-over")


async def test_it_expires_with_the_day(family: Family, child: str) -> None:
    device = await family.pair(child)
    request = (await ask(device)).json()
    family.service.clock.advance(hours=24)
    await family.sign_in()
    late = await answer(family, request["id"], "approve")
    assert late.json()["type"] == "viewing/request-over"
    assert [one["status"] for one in await listed(device)] == ["expired"]
    assert (await ask(device)).status_code == 201
    assert [one["status"] for one in await listed(device)] == ["open", "expired"]


async def test_twenty_a_day_are_enough(family: Family, child: str) -> None:
    device = await family.pair(child)
    for _ in range(20):
        request = (await ask(device, 5)).json()
        await answer(family, request["id"], "deny")
    refused = await ask(device, 5)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 3_600
    family.service.clock.advance(hours=24)
    await family.sign_in()
    assert (await ask(device, 5)).status_code == 201


async def test_pages_hold_each_request_once(family: Family, child: str) -> None:
    devices = [await family.pair(await family.add_profile(f"Child {n}")) for n in range(3)]
    ids = []
    for number in range(54):
        request = (await ask(devices[number % 3], 5)).json()
        ids.append(request["id"])
        family.service.clock.advance(seconds=1)
        await answer(family, request["id"], "deny")
    first = await family.call("GET", PATH)
    assert len(first["requests"]) == 50
    rest = await family.call("GET", PATH, params={"cursor": first["next_cursor"]})
    assert rest["next_cursor"] is None
    shown = [one["id"] for one in first["requests"] + rest["requests"]]
    assert shown == ids[::-1]
    other = await family.send(
        "GET", PATH, params={"cursor": first["next_cursor"], "profile_id": child}
    )
    assert other.status_code == 422


async def test_who_may_ask_answer_and_look(family: Family, child: str) -> None:
    leo = await family.add_profile("Leo")
    noas, leos = await family.pair(child), await family.pair(leo)
    request = (await ask(noas)).json()
    assert await listed(leos) == []
    client = family.service.client
    foreign = await client.get(
        f"{API}{PATH}", params={"profile_id": child}, headers=bearer(leos.token)
    )
    assert foreign.status_code == 404
    for_another = await client.post(
        f"{API}{PATH}",
        json={"profile_id": child, "minutes": 5},
        headers=bearer(leos.token),
    )
    assert for_another.status_code == 404
    by_device = await client.post(
        f"{API}{PATH}/{request['id']}/answer",
        json={"decision": "approve"},
        headers=bearer(noas.token),
    )
    assert by_device.status_code == 403
    stranger = await Family.register(family.service)
    assert (await answer(stranger, request["id"], "approve")).status_code == 404
    assert (await stranger.call("GET", PATH))["requests"] == []
    await family.call("POST", "/parental-controls/pin/lock")
    locked = await family.send("POST", f"{PATH}/{request['id']}/answer", json={"decision": "deny"})
    assert locked.json()["type"] == "accounts/pin-required"


async def test_adults_ask_nobody(family: Family) -> None:
    adult = await family.add_profile("Carmen", is_child=False)
    refused = await family.send("POST", PATH, json={"profile_id": adult, "minutes": 5})
    assert refused.json()["type"] == "viewing/adult-profile"


async def test_the_trail_has_the_question_and_the_answer_without_words(
    family: Family, child: str
) -> None:
    device = await family.pair(child)
    request = (await ask(device, 30, message="Pretty please")).json()
    await answer(family, request["id"], "approve", minutes=10)
    rows = await query(
        family.service,
        "SELECT action, after::text FROM accounts.audit WHERE subject = :subject "
        "AND action LIKE 'request.%' ORDER BY at, id",
        subject=f"profile:{child}",
    )
    assert {row[0] for row in rows} == {"request.asked", "request.answered"}
    assert all("Pretty" not in row[1] and request["id"] in row[1] for row in rows)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"minutes": 0}, "minutes"),
        ({"minutes": 241}, "minutes"),
        ({"minutes": None}, "minutes"),
        ({"minutes": 30, "message": ""}, "message"),
        ({"minutes": 30, "message": "x" * 201}, "message"),
        ({"minutes": 30, "until": "later"}, "until"),
    ],
)
async def test_bad_questions_are_refused(
    family: Family, child: str, body: dict[str, Any], field: str
) -> None:
    response = await family.send("POST", PATH, json={"profile_id": child, **body})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


@pytest.mark.parametrize(
    "body",
    [
        {"decision": "maybe"},
        {"decision": "deny", "minutes": 5},
        {"decision": "deny", "extends_window": True},
        {"decision": "approve", "minutes": 0},
        {"decision": "approve", "message": 5},
        {},
    ],
    ids=str,
)
async def test_bad_answers_are_refused(family: Family, child: str, body: dict[str, Any]) -> None:
    request = await family.call("POST", PATH, json={"profile_id": child, "minutes": 5})
    path = f"{PATH}/{request['id']}/answer"
    assert (await family.send("POST", path, json=body)).status_code == 422
    (seen,) = (await family.call("GET", PATH))["requests"]
    assert seen["status"] == "open"
