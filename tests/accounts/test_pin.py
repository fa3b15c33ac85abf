"""Setting, changing, resetting and using the household's PIN."""

import asyncio

import bcrypt

from tests.accounts.steps import fields_of, post, problem, query, sign_in
from tests.harness.family import PASSWORD, PIN, Family
from tests.harness.service import Service

SET = "/parental-controls/pin"
NOTHING = {"has_pin": False, "locked_until": None, "elevated_until": None}


async def test_the_first_pin_needs_nothing_more_right_after_the_sign_in(service: Service) -> None:
    family = await Family.register(service, with_pin=False)
    assert await family.call("GET", f"{SET}/status") == NOTHING
    service.clock.advance(minutes=9, seconds=59)
    answer = await family.call("POST", SET, json={"new_pin": PIN})
    assert answer == NOTHING | {"has_pin": True}
    assert await family.call("GET", f"{SET}/status") == answer


async def test_the_first_pin_needs_the_password_after_ten_minutes(service: Service) -> None:
    family = await Family.register(service, with_pin=False)
    service.clock.advance(minutes=10)
    refused = await family.send("POST", SET, json={"new_pin": PIN})
    assert problem(refused) == (403, "accounts/password-required")
    wrong = await family.send("POST", SET, json={"new_pin": PIN, "password": "not it"})
    assert problem(wrong) == (403, "accounts/wrong-password")
    await family.call("POST", SET, json={"new_pin": PIN, "password": PASSWORD})
    await family.elevate()


async def test_of_two_first_pins_at_once_one_is_set(service: Service) -> None:
    family = await Family.register(service, with_pin=False)
    answers = await asyncio.gather(
        *(family.send("POST", SET, json={"new_pin": pin}) for pin in ("1111", "2222"))
    )
    statuses = sorted(answer.status_code for answer in answers)
    # Whoever comes late is told that there is a PIN: at the end, or by being asked for it.
    assert statuses in ([200, 409], [200, 422])
    set_pin = ("1111", "2222")[0 if answers[0].status_code == 200 else 1]
    for pin in ("1111", "2222"):
        checked = await family.send("POST", "/parental-controls/pin/verify", json={"pin": pin})
        assert checked.is_success is (pin == set_pin)


async def test_another_pin_needs_the_present_one(service: Service) -> None:
    family = await Family.register(service)
    missing = await family.send("POST", SET, json={"new_pin": "8888", "password": PASSWORD})
    assert fields_of(missing) == {"current_pin"}
    wrong = await family.send("POST", SET, json={"new_pin": "8888", "current_pin": "0000"})
    assert problem(wrong) == (403, "accounts/wrong-pin")
    assert wrong.json()["remaining_attempts"] == 4
    await family.call("POST", SET, json={"new_pin": "8888", "current_pin": PIN})
    old = await family.send("POST", f"{SET}/verify", json={"pin": PIN})
    assert problem(old) == (403, "accounts/wrong-pin")
    await family.call("POST", f"{SET}/verify", json={"pin": "8888"})


async def test_a_change_ends_the_elevation_of_the_other_sign_ins(service: Service) -> None:
    family = await Family.register(service)
    own = family.token
    await family.sign_in()
    await family.call("POST", SET, json={"new_pin": "8888", "current_pin": PIN})
    assert (await family.call("GET", f"{SET}/status"))["elevated_until"]
    family.token = own
    assert (await family.call("GET", f"{SET}/status"))["elevated_until"] is None


async def test_the_right_pin_elevates_this_sign_in_for_fifteen_minutes(service: Service) -> None:
    family = await Family.register(service)
    other = (await sign_in(service, family.email)).json()["access_token"]
    answer = await family.call("POST", f"{SET}/verify", json={"pin": PIN})
    assert answer == {
        "verified": True,
        "remaining_attempts": 5,
        "elevated_until": "2026-03-10T15:15:00.000Z",
    }
    child = await family.add_profile("Noa")
    path = f"/profiles/{child}"
    own, family.token = family.token, other
    refused = await family.send("PATCH", path, json={"name": "Leo"})
    assert problem(refused) == (403, "accounts/pin-required")
    assert refused.json()["has_pin"] is True

    family.token = own
    service.clock.advance(minutes=14, seconds=59)
    assert (await family.send("PATCH", path, json={"name": "Leo"})).status_code == 200
    family.token = (
        await post(service, "/auth/refresh", {"refresh_token": family.refresh_token})
    ).json()["access_token"]
    assert (await family.send("PATCH", path, json={"name": "Mia"})).status_code == 200
    service.clock.advance(seconds=1)
    refused = await family.send("PATCH", path, json={"name": "Noa"})
    assert problem(refused) == (403, "accounts/pin-required")


async def test_locking_ends_the_elevation(service: Service) -> None:
    family = await Family.register(service)
    answer = await family.call("POST", f"{SET}/lock")
    assert answer == NOTHING | {"has_pin": True}
    refused = await family.send("POST", "/profiles", json={"name": "Noa"})
    assert problem(refused) == (403, "accounts/pin-required")


async def test_the_password_resets_a_forgotten_pin_and_opens_the_lock(service: Service) -> None:
    family = await Family.register(service)
    for _ in range(6):
        await family.send("POST", f"{SET}/verify", json={"pin": "0000"})
    assert (await family.call("GET", f"{SET}/status"))["locked_until"]
    wrong = await family.send(
        "POST", f"{SET}/reset", json={"password": "not it", "new_pin": "8888"}
    )
    assert problem(wrong) == (403, "accounts/wrong-password")
    await family.call("POST", f"{SET}/reset", json={"password": PASSWORD, "new_pin": "8888"})
    assert (await family.call("GET", f"{SET}/status"))["locked_until"] is None
    await family.call("POST", f"{SET}/verify", json={"pin": "8888"})


async def test_a_reset_also_sets_a_first_pin(service: Service) -> None:
    family = await Family.register(service, with_pin=False)
    await family.call("POST", f"{SET}/reset", json={"password": PASSWORD, "new_pin": PIN})
    await family.elevate()


async def test_guessing_passwords_at_the_reset_is_limited_like_sign_ins(service: Service) -> None:
    family = await Family.register(service)
    body = {"password": "not it", "new_pin": "8888"}
    answers = [await family.send("POST", f"{SET}/reset", json=body) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [403] * 10 + [429]
    assert (await sign_in(service, family.email)).status_code == 429


async def test_without_a_pin_there_is_nothing_to_verify(service: Service) -> None:
    family = await Family.register(service, with_pin=False)
    response = await family.send("POST", f"{SET}/verify", json={"pin": PIN})
    assert problem(response) == (409, "accounts/pin-not-set")


async def test_malformed_pins_are_refused_by_name_and_cost_no_attempt(service: Service) -> None:
    family = await Family.register(service)
    for pin in ("123", "12345", "abcd", "١٢٣٤", " 1234", "", 1234, None, ["1"]):
        assert fields_of(await family.send("POST", f"{SET}/verify", json={"pin": pin})) == {"pin"}
        body = {"new_pin": pin, "current_pin": PIN}
        assert fields_of(await family.send("POST", SET, json=body)) == {"new_pin"}
    assert await query(service, "SELECT subject FROM accounts.pin_attempts") == []


async def test_an_imported_pin_is_accepted_and_gets_the_pepper(service: Service) -> None:
    family = await Family.register(service)
    imported = bcrypt.hashpw(PIN.encode(), bcrypt.gensalt(4)).decode()
    await query(service, "UPDATE accounts.pins SET pin_hash = :hash", hash=imported)
    await family.elevate()
    stored = (await query(service, "SELECT pin_hash FROM accounts.pins"))[0].pin_hash
    assert stored.startswith("$argon2id$")
    await family.elevate()
    assert (await query(service, "SELECT pin_hash FROM accounts.pins"))[0].pin_hash == stored


async def test_both_guardians_share_the_pin(service: Service) -> None:
    family = await Family.register(service)
    first = family.token
    await query(
        service,
        "INSERT INTO accounts.users SELECT gen_random_uuid(), 'second@example.com', password_hash,"
        " roles, household_id, false, created_at, password_changed_at FROM accounts.users",
    )
    family.email = "second@example.com"
    await family.sign_in()
    assert family.token != first


async def test_setting_and_changing_are_in_the_audit_trail_without_the_pin(
    service: Service,
) -> None:
    family = await Family.register(service)
    await family.call(
        "POST",
        SET,
        json={"new_pin": "8888", "current_pin": PIN},
        headers={"X-Request-Id": "request-4711"},
    )
    rows = await query(
        service,
        "SELECT action, request_id, to_jsonb(a)::text AS all "
        "FROM accounts.audit AS a ORDER BY at, id",
    )
    assert [row.action for row in rows] == ["household.created", "pin.set", "pin.changed"]
    assert rows[-1].request_id == "request-4711"
    assert "8888" not in rows[-1].all
