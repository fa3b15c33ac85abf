"""Rotating refresh tokens, the browser's cookie, and tokens that aren't what they claim."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import pytest

from tests.accounts.steps import fields_of, post, problem, recorded, sign_in
from tests.harness.family import API, PASSWORD, Family, bearer
from tests.harness.service import SECRETS, Service, quick_settings, running_service
from watchkeeper.accounts.events import SignInEnded
from watchkeeper.accounts.types import EndReason
from watchkeeper.core.auth import DevicePrincipal, TokenSigner
from watchkeeper.core.config import SecuritySettings

BROWSER = {"X_Client": "browser"}


async def _refresh(service: Service, token: str) -> httpx.Response:
    return await post(service, "/auth/refresh", {"refresh_token": token})


async def test_a_refresh_gives_new_tokens_of_the_same_sign_in(service: Service) -> None:
    family = await Family.register(service)
    service.clock.advance(minutes=10)
    answer = (await _refresh(service, family.refresh_token)).json()
    assert answer["refresh_token"] != family.refresh_token
    assert answer["user"]["email"] == family.email
    # The elevation belongs to the sign-in, and so outlives its access tokens.
    family.token = answer["access_token"]
    assert (await family.call("GET", "/parental-controls/pin/status"))["elevated_until"]
    assert (await _refresh(service, answer["refresh_token"])).status_code == 200


async def test_a_used_token_ends_the_whole_sign_in(service: Service) -> None:
    family = await Family.register(service, with_pin=False)
    ended = recorded(service, SignInEnded)
    fresh = (await _refresh(service, family.refresh_token)).json()
    assert problem(await _refresh(service, family.refresh_token)) == (401, "core/unauthenticated")
    assert [fact.reason for fact in ended] == [EndReason.TOKEN_REUSED]
    assert (await _refresh(service, fresh["refresh_token"])).status_code == 401
    family.token = fresh["access_token"]
    assert (await family.send("GET", "/auth/me")).status_code == 401
    assert (await sign_in(service, family.email)).status_code == 200


async def test_two_uses_at_one_instant_are_one_use_and_one_reuse(service: Service) -> None:
    family = await Family.register(service, with_pin=False)
    answers = await asyncio.gather(*(_refresh(service, family.refresh_token) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    fresh = next(answer.json() for answer in answers if answer.status_code == 200)
    assert (await _refresh(service, fresh["refresh_token"])).status_code == 401


async def test_an_unused_refresh_token_lapses_after_thirty_days(service: Service) -> None:
    family = await Family.register(service, with_pin=False)
    service.clock.advance(hours=24 * 30 - 1)
    fresh = (await _refresh(service, family.refresh_token)).json()["refresh_token"]
    service.clock.advance(hours=24 * 30)
    assert (await _refresh(service, fresh)).status_code == 401


async def test_an_access_token_lapses_by_the_services_clock(database_url: str) -> None:
    settings = quick_settings(security=SecuritySettings())
    async with running_service(database_url, settings=settings) as service:
        family = await Family.register(service, with_pin=False)
        service.clock.advance(seconds=899)
        assert (await family.send("GET", "/auth/me")).status_code == 200
        service.clock.advance(seconds=1)
        assert problem(await family.send("GET", "/auth/me")) == (401, "core/unauthenticated")


async def test_a_browser_gets_a_cookie_instead(service: Service) -> None:
    family = await Family.register(service, with_pin=False)
    body = {"email": family.email, "password": PASSWORD}
    response = await post(service, "/auth/login", body, **BROWSER)
    assert "refresh_token" not in response.json()
    parts = {part.strip().lower() for part in response.headers["set-cookie"].split(";")}
    assert {"httponly", "samesite=strict", "path=/api/v1/auth", "max-age=2592000"} <= parts
    assert "secure" not in parts

    first = service.client.cookies["watchkeeper_refresh"]
    response = await post(service, "/auth/refresh", **BROWSER)
    assert response.status_code == 200
    assert "refresh_token" not in response.json()
    assert service.client.cookies["watchkeeper_refresh"] != first

    token = response.json()["access_token"]
    response = await post(service, "/auth/logout", **BROWSER)
    assert response.status_code == 204
    assert "watchkeeper_refresh" not in service.client.cookies
    me = await service.client.get(f"{API}/auth/me", headers=bearer(token))
    assert me.status_code == 401


async def test_the_cookie_is_marked_secure_when_asked(database_url: str) -> None:
    settings = quick_settings(security=SecuritySettings(secure_cookies=True))
    async with running_service(database_url, settings=settings) as service:
        family = await Family.register(service, with_pin=False)
        body = {"email": family.email, "password": PASSWORD}
        response = await post(service, "/auth/login", body, **BROWSER)
        assert "; secure" in response.headers["set-cookie"].lower()


FOREIGN: list[dict[str, str]] = [
    {},
    {"X_Client": "curl"},
    {"X_Client": "browser", "Origin": "https://evil.example"},
    {"X_Client": "browser", "Origin": "null"},
    {"X_Client": "browser", "Origin": "http://watchkeeper.test.evil.example"},
]


@pytest.mark.parametrize("path", ["/auth/refresh", "/auth/logout"])
async def test_another_site_cant_use_the_cookie(service: Service, path: str) -> None:
    family = await Family.register(service, with_pin=False)
    body = {"email": family.email, "password": PASSWORD}
    await post(service, "/auth/login", body, **BROWSER)
    for headers in FOREIGN:
        assert problem(await post(service, path, **headers)) == (403, "accounts/foreign-origin")
    own = BROWSER | {"Origin": "http://watchkeeper.test"}
    assert (await post(service, "/auth/refresh", **own)).status_code == 200


async def test_a_refresh_needs_a_token(service: Service) -> None:
    assert problem(await post(service, "/auth/refresh")) == (401, "core/unauthenticated")
    assert problem(await post(service, "/auth/refresh", **BROWSER)) == (401, "core/unauthenticated")
    assert fields_of(await post(service, "/auth/refresh", {})) == {"refresh_token"}
    assert (await _refresh(service, "wkr_invented")).status_code == 401


async def _forged(service: Service) -> dict[str, str]:
    """Tokens that look right and aren't; the first one is genuine."""
    family = await Family.register(service, with_pin=False)
    kid, key = SECRETS.signing_key
    claims: dict[str, Any] = jwt.decode(family.token, options={"verify_signature": False})

    def signed(**changes: Any) -> str:
        altered = {name: value for name, value in (claims | changes).items() if value != "gone"}
        return jwt.encode(altered, key, algorithm="HS256", headers={"kid": kid})

    header, payload, signature = family.token.split(".")
    return {
        "genuine": signed(),
        "no algorithm": jwt.encode(claims, None, algorithm="none", headers={"kid": kid}),
        "another key": jwt.encode(claims, b"x" * 32, algorithm="HS256", headers={"kid": kid}),
        "an unknown key id": jwt.encode(claims, key, algorithm="HS256", headers={"kid": "old"}),
        "no key id": jwt.encode(claims, key, algorithm="HS256"),
        "another algorithm": jwt.encode(claims, key * 2, algorithm="HS512", headers={"kid": kid}),
        "another audience": signed(aud="another-api"),
        "another issuer": signed(iss="somebody"),
        "no audience": signed(aud="gone"),
        "another kind": signed(typ="refresh"),
        "no kind": signed(typ="gone"),
        "no expiry": signed(exp="gone"),
        "expired": signed(exp=claims["iat"]),
        "another user": signed(sub=str(uuid4())),
        "another sign-in": signed(sid=str(uuid4())),
        "an unknown role": signed(roles=["owner"]),
        "a refresh token": family.refresh_token,
        "no signature": f"{header}.{payload}.",
        "a cut signature": f"{header}.{payload}.{signature[:-4]}",
        "words": "let me in",
        "nothing": "",
    }


async def test_forged_tokens_are_refused(service: Service) -> None:
    tokens = await _forged(service)
    path = f"{API}/auth/me"
    assert (await service.client.get(path, headers=bearer(tokens.pop("genuine")))).is_success
    for name, token in tokens.items():
        response = await service.client.get(path, headers=bearer(token))
        assert problem(response) == (401, "core/unauthenticated"), name
        assert response.headers["www-authenticate"] == "Bearer"
    for scheme in ("Basic dXNlcjpwYXNz", "bearer", "Token abc"):
        response = await service.client.get(path, headers={"Authorization": scheme})
        assert response.status_code == 401, scheme


async def test_roles_and_household_in_a_token_arent_believed(service: Service) -> None:
    one = await Family.register(service, with_pin=False)
    other = await Family.register(service, with_pin=False)
    principal = service.floor.signer.read(one.token, service.clock.now())
    kid, key = SECRETS.signing_key
    claims = jwt.decode(one.token, options={"verify_signature": False})
    claims |= {"hh": other.household_id, "roles": ["admin", "guardian"]}
    forged = jwt.encode(claims, key, algorithm="HS256", headers={"kid": kid})
    me = (await service.client.get(f"{API}/auth/me", headers=bearer(forged))).json()
    assert me["roles"] == ["guardian"]
    assert UUID(me["household"]["id"]) == principal.household_id


async def test_a_device_token_that_no_pairing_stands_behind_is_revoked(service: Service) -> None:
    family = await Family.register(service)
    child = await family.add_profile("Noa")
    principal = DevicePrincipal(UUID(family.household_id), UUID(child), "tablet-1", uuid4())
    token = TokenSigner(SECRETS).sign_device(principal, service.clock.now())
    service.clock.advance(seconds=timedelta(days=400).total_seconds())
    response = await service.client.get(
        f"{API}/viewing-time/balance/{child}", headers=bearer(token)
    )
    assert problem(response) == (401, "accounts/device-revoked")
