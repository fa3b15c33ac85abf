"""Pairing codes, paired devices, what their tokens reach, and how they end."""

import asyncio
from uuid import UUID, uuid4

import pytest

from tests.accounts.steps import fields_of, pair, pairing_code, post, problem, query, recorded
from tests.harness.budgets import query_budget
from tests.harness.family import API, Family, bearer
from tests.harness.service import Service, running_service
from watchkeeper.accounts.events import DevicePaired, DeviceRevoked
from watchkeeper.accounts.rules import PAIRING_ALPHABET

WRONG_CODE = (403, "accounts/wrong-pairing-code")


@pytest.fixture
async def family(service: Service) -> Family:
    """An elevated household with the child Noa."""
    family = await Family.register(service)
    await family.add_profile("Noa")
    return family


async def test_a_code_pairs_one_device_with_one_child(service: Service, family: Family) -> None:
    child = family.profiles["Noa"]
    paired = recorded(service, DevicePaired)
    made = await family.send(
        "POST", "/devices/pairing-codes", json={"profile_id": child, "name": "Noa's tablet"}
    )
    assert made.status_code == 201
    code = made.json()["code"]
    assert len(code) == 6
    assert set(code) <= set(PAIRING_ALPHABET)
    assert made.json()["expires_at"] == "2026-03-10T15:10:00.000Z"

    response = await pair(service, f" {code[:3].lower()}-{code[3:]} ", "tablet-1")
    assert response.status_code == 201
    answer = response.json()
    assert answer["profile_id"] == child
    assert answer["profile_name"] == "Noa"
    assert [fact.device_id for fact in paired] == ["tablet-1"]
    principal = service.floor.signer.read(answer["device_token"], service.clock.now())
    assert principal.household_id == UUID(family.household_id)
    listed = (await family.call("GET", "/devices"))["devices"]
    assert listed == [answer["device"]]
    assert listed[0] | {"id": "-"} == {
        "id": "-",
        "device_id": "tablet-1",
        "device_type": "tablet",
        "name": "Noa's tablet",
        "profile_id": child,
        "is_paired": True,
        "paired_at": "2026-03-10T15:00:00.000Z",
        "last_seen_at": "2026-03-10T15:00:00.000Z",
    }
    assert problem(await pair(service, code, "tablet-2")) == WRONG_CODE


async def test_a_code_lapses_after_ten_minutes(service: Service, family: Family) -> None:
    code = await pairing_code(family, family.profiles["Noa"])
    service.clock.advance(minutes=10)
    assert problem(await pair(service, code)) == WRONG_CODE


async def test_of_many_devices_with_one_code_one_is_paired(
    service: Service, family: Family
) -> None:
    code = await pairing_code(family, family.profiles["Noa"])
    answers = await asyncio.gather(
        *(pair(service, code, f"tablet-{number}") for number in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [403] * 4


async def test_five_wrong_codes_from_one_address_in_ten_minutes(
    service: Service, family: Family
) -> None:
    code = await pairing_code(family, family.profiles["Noa"])
    for _ in range(4):
        assert problem(await pair(service, "ZZZZZZ")) == WRONG_CODE
    # A right code isn't one of the tries.
    assert (await pair(service, code)).status_code == 201
    code = await pairing_code(family, family.profiles["Noa"])
    assert problem(await pair(service, "ZZZZZZ")) == WRONG_CODE
    refused = await pair(service, code)
    assert problem(refused) == (429, "core/too-many-requests")
    assert refused.headers["retry-after"] == "600"
    service.clock.advance(minutes=10)
    await family.sign_in()
    assert (await pair(service, await pairing_code(family, family.profiles["Noa"]))).is_success


async def test_of_thirty_wrong_codes_at_one_instant_five_are_looked_up(service: Service) -> None:
    async with running_service(service.database_url, clock=service.clock) as second:
        answers = await asyncio.gather(
            *(pair((service, second)[number % 2], "ZZZZZZ") for number in range(30))
        )
    assert sorted(answer.status_code for answer in answers) == [403] * 5 + [429] * 25


async def test_a_code_whose_pairing_fails_five_times_is_used_up(
    service: Service, family: Family
) -> None:
    """Fifty devices are paired, so a right code is refused, and loses a try each time."""
    child = family.profiles["Noa"]
    await query(
        service,
        "INSERT INTO accounts.devices (household_id, device_id, id, device_type, name, profile_id,"
        " pairing_id, paired_at, first_seen_at, last_seen_at) "
        "SELECT household_id, 'd' || n, gen_random_uuid(), 'tv', 'TV', id, gen_random_uuid(),"
        " created_at, created_at, created_at FROM accounts.profiles, generate_series(1, 50) AS n",
    )
    code = await pairing_code(family, child)
    for _ in range(5):
        assert problem(await pair(service, code)) == (409, "accounts/too-many-devices")
    assert problem(await pair(service, code)) == WRONG_CODE
    # A device that is paired already may be paired anew.
    assert (await pair(service, await pairing_code(family, child), "d7")).status_code == 201


async def test_codes_are_for_children_of_this_household(service: Service, family: Family) -> None:
    adult = await family.add_profile("Ada", is_child=False)
    other = await Family.register(service)
    path = "/devices/pairing-codes"
    refused = await family.send("POST", path, json={"profile_id": adult})
    assert problem(refused) == (409, "accounts/not-a-child")
    for caller, profile_id in ((other, family.profiles["Noa"]), (family, str(uuid4()))):
        response = await caller.send("POST", path, json={"profile_id": profile_id})
        assert problem(response) == (404, "core/not-found")
    assert await query(service, "SELECT 1 FROM accounts.pairing_codes") == []


async def test_a_household_makes_at_most_twenty_codes_in_ten_minutes(
    service: Service, family: Family
) -> None:
    body = {"profile_id": family.profiles["Noa"]}
    answers = [await family.send("POST", "/devices/pairing-codes", json=body) for _ in range(21)]
    assert [answer.status_code for answer in answers] == [201] * 20 + [429]


async def test_a_code_is_kept_as_a_keyed_hash(service: Service, family: Family) -> None:
    code = await pairing_code(family, family.profiles["Noa"])
    row = (await query(service, "SELECT to_jsonb(c)::text AS all FROM accounts.pairing_codes c"))[0]
    assert code not in row.all


async def test_before_there_is_a_pin_codes_may_be_made(service: Service) -> None:
    family = await Family.register(service, with_pin=False)
    child = await family.add_profile("Noa")
    tablet = await family.pair(child)
    device = (await family.call("GET", "/devices"))["devices"][0]
    refused = await family.send("DELETE", f"/devices/{device['id']}")
    assert problem(refused) == (403, "accounts/pin-required")
    assert (await tablet.send()).status_code == 200
    await family.call("POST", "/parental-controls/pin", json={"new_pin": "1234"})
    refused = await family.send("POST", "/devices/pairing-codes", json={"profile_id": child})
    assert problem(refused) == (403, "accounts/pin-required")


async def test_a_removed_device_is_refused_at_once(service: Service, family: Family) -> None:
    child = family.profiles["Noa"]
    tablet = await family.pair(child, device_id="tablet-1")
    await tablet.beat()
    revoked = recorded(service, DeviceRevoked)
    device = (await family.call("GET", "/devices"))["devices"][0]
    assert (await family.send("DELETE", f"/devices/{device['id']}")).status_code == 204
    assert [fact.device_id for fact in revoked] == ["tablet-1"]
    assert problem(await tablet.send()) == (401, "accounts/device-revoked")
    balance = await service.client.get(
        f"{API}/viewing-time/balance/{child}", headers=bearer(tablet.token)
    )
    assert problem(balance) == (401, "accounts/device-revoked")
    assert (await family.call("GET", "/devices"))["devices"] == []
    again = await family.send("DELETE", f"/devices/{device['id']}")
    assert problem(again) == (404, "core/not-found")


async def test_pairing_anew_ends_the_old_token(service: Service, family: Family) -> None:
    noa, leo = family.profiles["Noa"], await family.add_profile("Leo")
    before = await family.pair(noa, device_id="tablet-1")
    revoked = recorded(service, DeviceRevoked)
    after = await family.pair(leo, device_id="tablet-1")
    assert len(revoked) == 1
    assert problem(await before.send()) == (401, "accounts/device-revoked")
    assert (await after.send()).status_code == 200
    devices = (await family.call("GET", "/devices"))["devices"]
    assert [device["profile_id"] for device in devices] == [leo]


async def test_two_households_may_have_devices_of_one_name(service: Service) -> None:
    one, other = await Family.register(service), await Family.register(service)
    mine = await one.pair(await one.add_profile("Noa"), device_id="tv")
    theirs = await other.pair(await other.add_profile("Leo"), device_id="tv")
    assert (await mine.send()).status_code == 200
    assert (await theirs.send()).status_code == 200
    device = (await one.call("GET", "/devices"))["devices"][0]
    response = await other.send("DELETE", f"/devices/{device['id']}")
    assert problem(response) == (404, "core/not-found")
    assert (await mine.send()).status_code == 200


BAD_FIELDS: list[tuple[dict[str, object], str]] = [
    ({"code": "ABC"}, "code"),
    ({"code": "ABCDE0"}, "code"),
    ({"code": None}, "code"),
    ({"code": "A" * 100}, "code"),
    ({"device_id": ""}, "device_id"),
    ({"device_id": "x" * 101}, "device_id"),
    ({"device_id": "a\x00"}, "device_id"),
    ({"device_type": "fridge"}, "device_type"),
    ({"household_id": str(uuid4())}, "household_id"),
]


async def test_bad_fields_of_a_pairing_are_named_and_cost_no_try(service: Service) -> None:
    for changes, field in BAD_FIELDS:
        body = {"code": "ABCDEF", "device_id": "tablet-1", "device_type": "tablet"} | changes
        assert fields_of(await post(service, "/devices/pair", body)) == {field}
    assert await query(service, "SELECT 1 FROM accounts.rate_limits") == []


async def test_a_list_costs_the_same_for_two_devices_and_for_forty(
    service: Service, family: Family
) -> None:
    costs = []
    for count in (2, 40):
        await _register(service, family, [f"d{number}" for number in range(count)])
        with query_budget(at_most=2) as cost:
            assert len((await family.call("GET", "/devices"))["devices"]) == count
        costs.append(cost.operations)
    assert costs[0] == costs[1]


async def _register(service: Service, family: Family, names: list[str]) -> None:
    await query(
        service,
        "SELECT accounts.pub_register_devices(CAST(:households AS uuid[]), CAST(:names AS text[]),"
        " CAST(:types AS text[]), :now)",
        households=[UUID(family.household_id)] * len(names),
        names=names,
        types=["tv"] * len(names),
        now=service.clock.now(),
    )


async def test_devices_register_themselves_and_are_noted_hourly(
    service: Service, family: Family
) -> None:
    await _register(service, family, ["tv", "tv"])
    seen = "SELECT device_id, name, last_seen_at FROM accounts.pub_devices"
    first = (await query(service, seen))[0]
    assert (first.device_id, first.name, first.last_seen_at) == ("tv", "TV", service.clock.now())
    service.clock.advance(minutes=59)
    await _register(service, family, ["tv"])
    assert (await query(service, seen))[0] == first
    service.clock.advance(minutes=1)
    await _register(service, family, ["tv"])
    assert (await query(service, seen))[0].last_seen_at == service.clock.now()


async def test_invented_device_names_cant_fill_the_database(
    service: Service, family: Family
) -> None:
    paired = await family.pair(family.profiles["Noa"], device_id="paired")
    for batch in range(3):
        service.clock.advance(seconds=1)
        await _register(service, family, [f"{batch}-{number}" for number in range(150)])
    rows = await query(service, "SELECT device_id FROM accounts.devices")
    names = {row.device_id for row in rows}
    assert len(names) == 201
    assert paired.device_id in names
    assert {f"2-{number}" for number in range(150)} <= names


async def test_registering_for_a_household_that_is_gone_is_no_fault(
    service: Service, family: Family
) -> None:
    family.household_id = str(uuid4())
    await _register(service, family, ["tv"])
    assert await query(service, "SELECT 1 FROM accounts.devices") == []


async def test_a_removed_device_comes_back_when_a_guardian_plays_on_it(
    service: Service, family: Family
) -> None:
    await _register(service, family, ["tv"])
    device = (await family.call("GET", "/devices"))["devices"][0]
    await family.call("DELETE", f"/devices/{device['id']}")
    assert (await family.call("GET", "/devices"))["devices"] == []
    await _register(service, family, ["tv"])
    assert [each["id"] for each in (await family.call("GET", "/devices"))["devices"]] == [
        device["id"]
    ]
