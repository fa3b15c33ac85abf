"""Profiles of a household."""

import asyncio
from uuid import uuid4

import pytest

from tests.accounts.steps import fields_of, problem, query, recorded
from tests.harness.budgets import query_budget
from tests.harness.family import API, Family, bearer
from tests.harness.service import Service
from watchkeeper.accounts.events import DeviceRevoked, ProfileCreated, ProfileDeleted


async def test_profiles_are_added_listed_changed_and_deleted(service: Service) -> None:
    family = await Family.register(service)
    created = recorded(service, ProfileCreated)
    response = await family.send(
        "POST", "/profiles", json={"name": " Noa ", "is_child": True, "avatar": "fox"}
    )
    assert response.status_code == 201
    noa = response.json()
    assert noa == {
        "id": noa["id"],
        "name": "Noa",
        "is_child": True,
        "avatar": "fox",
        "created_at": "2026-03-10T15:00:00.000Z",
    }
    assert [str(fact.profile.id) for fact in created] == [noa["id"]]
    service.clock.advance(seconds=1)
    leo = await family.call("POST", "/profiles", json={"name": "Leo"})
    assert leo["is_child"] is True
    assert (await family.call("GET", "/profiles"))["profiles"] == [noa, leo]

    path = f"/profiles/{noa['id']}"
    changed = await family.call("PATCH", path, json={"name": "Noa María", "avatar": None})
    assert changed == noa | {"name": "Noa María", "avatar": None}
    assert await family.call("PATCH", path, json={}) == changed

    deleted = recorded(service, ProfileDeleted)
    receipt = await family.call("DELETE", path)
    assert receipt["kind"] == "profile"
    assert receipt["rows_by_table"]["accounts.profiles"] == 1
    assert [str(fact.profile.id) for fact in deleted] == [noa["id"]]
    assert (await family.call("GET", "/profiles"))["profiles"] == [leo]
    assert problem(await family.send("DELETE", path)) == (404, "core/not-found")
    assert problem(await family.send("PATCH", path, json={})) == (404, "core/not-found")


async def test_before_there_is_a_pin_profiles_may_be_added_and_nothing_else(
    service: Service,
) -> None:
    family = await Family.register(service, with_pin=False)
    child = await family.add_profile("Noa")
    for method, path in (("PATCH", f"/profiles/{child}"), ("DELETE", f"/profiles/{child}")):
        refused = await family.send(method, path, json={} if method == "PATCH" else None)
        assert problem(refused) == (403, "accounts/pin-required")
        assert refused.json()["has_pin"] is False
    await family.call("POST", "/parental-controls/pin", json={"new_pin": "1234"})
    refused = await family.send("POST", "/profiles", json={"name": "Leo"})
    assert problem(refused) == (403, "accounts/pin-required")
    assert refused.json()["has_pin"] is True
    assert (await family.send("GET", "/profiles")).status_code == 200


BAD_FIELDS: list[tuple[dict[str, object], str]] = [
    ({}, "name"),
    ({"name": ""}, "name"),
    ({"name": "   "}, "name"),
    ({"name": "x" * 61}, "name"),
    ({"name": "a\x00b"}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"name": None}, "name"),
    ({"name": 7}, "name"),
    ({"name": "Noa", "is_child": "yes"}, "is_child"),
    ({"name": "Noa", "is_child": None}, "is_child"),
    ({"name": "Noa", "avatar": "x" * 101}, "avatar"),
    ({"name": "Noa", "age": 7}, "age"),
]


async def test_bad_fields_are_named_and_change_nothing(service: Service) -> None:
    family = await Family.register(service)
    path = f"/profiles/{await family.add_profile('Leo')}"
    before = await family.call("GET", "/profiles")
    for body, field in BAD_FIELDS:
        assert fields_of(await family.send("POST", "/profiles", json=body)) == {field}
        if body:
            assert fields_of(await family.send("PATCH", path, json=body)) == {field}
    assert await family.call("GET", "/profiles") == before


async def test_malformed_ids_are_named(service: Service) -> None:
    family = await Family.register(service)
    assert fields_of(await family.send("PATCH", "/profiles/seven", json={})) == {"id"}
    assert fields_of(await family.send("DELETE", "/profiles/7")) == {"id"}
    assert fields_of(await family.send("DELETE", "/devices/seven")) == {"id"}


async def test_another_households_profiles_dont_exist(service: Service) -> None:
    one, other = await Family.register(service), await Family.register(service)
    child = await one.add_profile("Noa")
    for method, body in (("PATCH", {"name": "Mia"}), ("DELETE", None)):
        for profile_id in (child, str(uuid4())):
            response = await other.send(method, f"/profiles/{profile_id}", json=body)
            assert problem(response) == (404, "core/not-found")
    assert (await other.call("GET", "/profiles"))["profiles"] == []
    assert [each["name"] for each in (await one.call("GET", "/profiles"))["profiles"]] == ["Noa"]


async def test_a_household_has_at_most_twenty_profiles_also_at_once(service: Service) -> None:
    family = await Family.register(service)
    answers = await asyncio.gather(
        *(family.send("POST", "/profiles", json={"name": f"P{number}"}) for number in range(24))
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 20 + [409] * 4
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert problem(refused) == (409, "accounts/too-many-profiles")
    assert len((await family.call("GET", "/profiles"))["profiles"]) == 20


@pytest.mark.parametrize("end", ["delete", "grow up"])
async def test_a_childs_devices_go_with_the_child(service: Service, end: str) -> None:
    family = await Family.register(service)
    child = await family.add_profile("Noa")
    tablet = await family.pair(child)
    await family.call("POST", "/devices/pairing-codes", json={"profile_id": child})
    revoked = recorded(service, DeviceRevoked)
    path = f"/profiles/{child}"
    if end == "delete":
        await family.call("DELETE", path)
    else:
        await family.call("PATCH", path, json={"is_child": False})
    assert [fact.device_id for fact in revoked] == [tablet.device_id]
    balance = await service.client.get(
        f"{API}/viewing-time/balance/{child}", headers=bearer(tablet.token)
    )
    assert problem(balance) == (401, "accounts/device-revoked")
    open_codes = await query(service, "SELECT 1 FROM accounts.pairing_codes WHERE used_at IS NULL")
    assert open_codes == []


async def test_a_list_costs_the_same_for_two_profiles_and_for_twenty(service: Service) -> None:
    family = await Family.register(service)
    costs = []
    for wanted in (2, 20):
        while len(family.profiles) < wanted:
            await family.add_profile(f"P{len(family.profiles)}")
        with query_budget(at_most=2) as cost:
            assert len((await family.call("GET", "/profiles"))["profiles"]) == wanted
        costs.append(cost.operations)
    assert costs[0] == costs[1]


async def test_names_of_people_stay_out_of_the_audit_trail(service: Service) -> None:
    family = await Family.register(service)
    child = await family.add_profile("Zaphod")
    await family.call("PATCH", f"/profiles/{child}", json={"name": "Beeblebrox"})
    rows = await query(
        service,
        "SELECT action, to_jsonb(a)::text AS all FROM accounts.audit a "
        "WHERE subject = :subject ORDER BY id",
        subject=f"profile:{child}",
    )
    assert {row.action for row in rows} == {"profile.created", "profile.changed"}
    for row in rows:
        assert "Zaphod" not in row.all
        assert "Beeblebrox" not in row.all
