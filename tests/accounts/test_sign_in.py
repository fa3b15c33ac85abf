"""Registration, sign-in, sign-out, password, and who is signed in."""

from typing import Any

import bcrypt

from tests.accounts.steps import fields_of, post, problem, query, recorded, sign_in, staff_token
from tests.harness.family import API, PASSWORD, Family, bearer
from tests.harness.service import Service
from watchkeeper.accounts.events import SignInEnded
from watchkeeper.accounts.types import EndReason
from watchkeeper.core.auth import Role

REGISTRATION = {
    "email": "ada@example.com",
    "password": "a long password",
    "household_name": "Rivera",
    "timezone": "Europe/Madrid",
}


async def test_registering_signs_the_first_guardian_in(service: Service) -> None:
    response = await post(service, "/auth/register", REGISTRATION)
    assert response.status_code == 201
    answer = response.json()
    assert answer["token_type"] == "bearer"
    assert answer["expires_in"] == service.app.state.settings.security.access_token_seconds
    assert answer["refresh_token"]
    assert set(answer["user"]) == {"id", "email", "roles", "household_id", "household_name"}
    assert answer["user"]["email"] == "ada@example.com"
    assert answer["user"]["roles"] == ["guardian"]
    assert answer["user"]["household_name"] == "Rivera"

    me = await service.client.get(f"{API}/auth/me", headers=bearer(answer["access_token"]))
    assert me.status_code == 200
    assert me.json()["user"] == answer["user"]
    assert me.json()["roles"] == ["guardian"]
    assert "household.manage" in me.json()["permissions"]
    assert me.json()["household"] == {
        "id": answer["user"]["household_id"],
        "name": "Rivera",
        "timezone": "Europe/Madrid",
        "reset_hour": 6,
        "weekend_days": [6, 7],
    }


async def test_an_address_registers_once_in_whatever_case(service: Service) -> None:
    assert (await post(service, "/auth/register", REGISTRATION)).status_code == 201
    again = await post(service, "/auth/register", REGISTRATION | {"email": "ADA@example.com"})
    assert problem(again) == (409, "accounts/email-taken")
    assert len(await query(service, "SELECT 1 FROM accounts.households")) == 1
    assert (await sign_in(service, "aDa@Example.com", "a long password")).status_code == 200


async def test_registration_names_every_bad_field(service: Service) -> None:
    wrong = {
        "email": "not an address",
        "password": "short",
        "household_name": " ",
        "timezone": "Mars/Olympus",
        "role": "admin",
    }
    response = await post(service, "/auth/register", wrong)
    assert fields_of(response) == {"email", "password", "household_name", "timezone", "role"}
    long = REGISTRATION | {"password": "x" * 257, "household_name": "x" * 81}
    assert fields_of(await post(service, "/auth/register", long)) == {"password", "household_name"}
    assert await query(service, "SELECT 1 FROM accounts.users") == []


async def test_blanks_around_a_password_belong_to_it(service: Service) -> None:
    padded = REGISTRATION | {"password": "  padded password  "}
    assert (await post(service, "/auth/register", padded)).status_code == 201
    assert (await sign_in(service, "ada@example.com", "padded password")).status_code == 401
    assert (await sign_in(service, "ada@example.com", "  padded password  ")).status_code == 200


async def test_wrong_passwords_and_unknown_addresses_get_the_same_answer(service: Service) -> None:
    await post(service, "/auth/register", REGISTRATION)
    wrong = await sign_in(service, "ada@example.com", "a wrong password")
    unknown = await sign_in(service, "nobody@example.com", "a wrong password")
    assert problem(wrong) == problem(unknown) == (401, "accounts/wrong-credentials")
    assert wrong.json() == unknown.json()


async def test_unknown_addresses_cost_a_hash_too(service: Service) -> None:
    hasher = service.app.state.accounts.hasher
    check, checked = hasher.check_password, []

    def counted(password: str, stored: str) -> Any:
        checked.append(stored)
        return check(password, stored)

    hasher.check_password = counted
    await sign_in(service, "nobody@example.com", "a wrong password")
    assert len(checked) == 1


async def test_a_disabled_account_cant_sign_in_and_its_tokens_end(service: Service) -> None:
    family = await Family.register(service, with_pin=False)
    await query(service, "UPDATE accounts.users SET disabled_at = created_at")
    assert problem(await sign_in(service, family.email)) == (401, "accounts/wrong-credentials")
    assert problem(await family.send("GET", "/auth/me")) == (401, "core/unauthenticated")
    body = {"refresh_token": family.refresh_token}
    assert (await post(service, "/auth/refresh", body)).status_code == 401


async def test_an_imported_bcrypt_hash_is_accepted_and_upgraded(service: Service) -> None:
    long_password = "correct horse battery staple " * 4
    family = await Family.register(service, with_pin=False)
    imported = bcrypt.hashpw(long_password.encode()[:72], bcrypt.gensalt(4)).decode()
    await query(service, "UPDATE accounts.users SET password_hash = :hash", hash=imported)

    assert (await sign_in(service, family.email, "something else")).status_code == 401
    stored = "SELECT password_hash FROM accounts.users"
    assert (await query(service, stored))[0].password_hash == imported
    assert (await sign_in(service, family.email, long_password)).status_code == 200
    assert (await query(service, stored))[0].password_hash.startswith("$argon2id$")
    assert (await sign_in(service, family.email, long_password)).status_code == 200


async def test_signing_out_ends_the_sign_in_at_once(service: Service) -> None:
    family = await Family.register(service, with_pin=False)
    ended = recorded(service, SignInEnded)
    body = {"refresh_token": family.refresh_token}
    assert (await post(service, "/auth/logout", body)).status_code == 204
    assert [fact.reason for fact in ended] == [EndReason.SIGNED_OUT]
    assert problem(await family.send("GET", "/auth/me")) == (401, "core/unauthenticated")
    assert problem(await post(service, "/auth/refresh", body)) == (401, "core/unauthenticated")
    assert (await post(service, "/auth/logout", body)).status_code == 204
    assert len(ended) == 1


async def test_another_password_ends_the_other_sign_ins(service: Service) -> None:
    family = await Family.register(service, with_pin=False)
    other = (await sign_in(service, family.email)).json()
    change = {"current_password": PASSWORD, "new_password": "an even longer password"}
    wrong = await family.send("POST", "/auth/password", json=change | {"current_password": "no"})
    assert problem(wrong) == (403, "accounts/wrong-password")
    assert (await family.send("POST", "/auth/password", json=change)).status_code == 204
    assert (await family.send("GET", "/auth/me")).status_code == 200
    response = await service.client.get(f"{API}/auth/me", headers=bearer(other["access_token"]))
    assert response.status_code == 401
    body = {"refresh_token": other["refresh_token"]}
    assert (await post(service, "/auth/refresh", body)).status_code == 401
    assert (await sign_in(service, family.email)).status_code == 401
    assert (await sign_in(service, family.email, "an even longer password")).status_code == 200


async def test_an_operator_resets_a_password(service: Service) -> None:
    family = await Family.register(service, with_pin=False)
    users = service.app.state.accounts.users
    await users.reset_password(family.email, "a given password", service.clock.now())
    assert (await family.send("GET", "/auth/me")).status_code == 401
    assert (await sign_in(service, family.email, "a given password")).status_code == 200


async def test_staff_have_no_household(service: Service) -> None:
    token = await staff_token(service, Role.AGENT)
    me = (await service.client.get(f"{API}/auth/me", headers=bearer(token))).json()
    assert me["user"]["household_id"] is None
    assert me["household"] is None
    assert me["permissions"] == ["support.work"]


async def test_roles_hold_from_the_next_request_on(service: Service) -> None:
    family = await Family.register(service, with_pin=False)
    await query(service, "UPDATE accounts.users SET roles = '{agent}'")
    assert (await family.call("GET", "/auth/me"))["roles"] == ["agent"]
    assert problem(await family.send("GET", "/profiles")) == (403, "core/forbidden")


async def test_a_password_isnt_kept_in_the_clear(service: Service) -> None:
    family = await Family.register(service)
    rows = await query(
        service,
        "SELECT to_jsonb(u)::text || to_jsonb(s)::text || to_jsonb(t)::text AS all "
        "FROM accounts.users u, accounts.sign_ins s, accounts.refresh_tokens t",
    )
    for row in rows:
        assert PASSWORD not in row.all
        assert family.refresh_token not in row.all


async def test_bodies_that_are_no_text_are_refused(service: Service) -> None:
    """Half of a surrogate pair is valid JSON and no text; as a name it must not break answers."""
    json = {"Content-Type": "application/json"}
    for body in (
        b'{"email": "a@example.com", "password": "\\ud800 a password"}',
        b'{"email": "\\ud800@example.com", "password": "a password"}',
        b'{"email": "a@example.com", "password": "a password", "\\ud800": 1}',
        b"[]",
        b"null",
    ):
        response = await service.client.post(f"{API}/auth/login", content=body, headers=json)
        assert problem(response) == (422, "core/invalid-request"), body
    broken = await service.client.post(f"{API}/auth/login", content=b'{"email', headers=json)
    assert problem(broken) == (400, "core/malformed-request")
