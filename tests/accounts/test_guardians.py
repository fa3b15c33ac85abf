"""A second guardian: invited, let in by a code, seen, and removed."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.accounts.steps import fields_of, pair, pairing_code, post, problem, query, recorded
from tests.accounts.steps import sign_in as sign_in_as
from tests.harness.budgets import query_budget
from tests.harness.family import API, PASSWORD, PIN, Family, bearer
from tests.harness.service import Service, running_service
from watchkeeper.accounts.events import SignInEnded
from watchkeeper.accounts.rules import PAIRING_ALPHABET

INVITATIONS = "/households/invitations"
WRONG_CODE = (403, "accounts/wrong-invitation-code")
SECOND = "second@example.com"
THEIR_PASSWORD = "another long password"


@pytest.fixture
async def family(service: Service) -> Family:
    """An elevated household."""
    return await Family.register(service)


async def invite(family: Family, email: str = SECOND) -> Any:
    """An invitation with its code."""
    return await family.call("POST", INVITATIONS, json={"email": email})


async def accept(
    service: Service, code: str, password: str = THEIR_PASSWORD, **headers: str
) -> httpx.Response:
    """Somebody gives a code, whatever that answers."""
    body = {"code": code, "password": password}
    return await post(service, f"{INVITATIONS}/accept", body, **headers)


async def join(family: Family, email: str = SECOND) -> Family:
    """A second guardian of the family, with a sign-in that isn't elevated."""
    code = (await invite(family, email))["code"]
    answer = (await accept(family.service, code)).json()
    return Family(
        family.service,
        email,
        family.household_id,
        answer["access_token"],
        answer["refresh_token"],
        profiles=family.profiles,
    )


async def test_an_invited_person_becomes_a_guardian_with_a_sign_in(
    service: Service, family: Family
) -> None:
    child = await family.add_profile("Noa")
    made = await invite(family)
    groups = made["code"].split("-")
    assert [len(group) for group in groups] == [4, 4, 4]
    assert set("".join(groups)) <= set(PAIRING_ALPHABET)
    assert made["expires_at"] == "2026-03-17T15:00:00.000Z"

    response = await accept(service, made["code"].lower().replace("-", " "))
    assert response.status_code == 201
    answer = response.json()
    assert answer["user"]["email"] == SECOND
    assert answer["user"]["roles"] == ["guardian"]
    assert answer["user"]["household_id"] == family.household_id
    signed_in = await sign_in_as(service, SECOND, THEIR_PASSWORD)
    second = Family(service, SECOND, family.household_id, signed_in.json()["access_token"], "")
    assert [one["id"] for one in (await second.call("GET", "/profiles"))["profiles"]] == [child]
    # The household has one PIN, which opens the parents' pages for both.
    refused = await second.send("GET", "/parental-controls/weekly-report")
    assert problem(refused) == (403, "accounts/pin-required")
    await second.elevate()
    assert (await second.grant(child, 15))["granted_minutes"] == 15


async def test_a_browser_gets_its_refresh_token_as_a_cookie(
    service: Service, family: Family
) -> None:
    response = await accept(service, (await invite(family))["code"], X_Client="browser")
    assert "refresh_token" not in response.json()
    assert "HttpOnly" in response.headers["set-cookie"]
    service.client.cookies.clear()


async def test_a_code_is_for_one_person_and_seven_days(service: Service, family: Family) -> None:
    code = (await invite(family))["code"]
    answers = await asyncio.gather(*(accept(service, code) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201] + [403] * 3

    late = (await invite(family, "late@example.com"))["code"]
    service.clock.advance(hours=24 * 7)
    assert problem(await accept(service, late)) == WRONG_CODE
    await family.sign_in()
    assert (await family.call("GET", "/households/guardians"))["invitations"] == []


async def test_a_withdrawn_or_replaced_code_is_worthless(service: Service, family: Family) -> None:
    first, again = await invite(family), await invite(family, SECOND.upper())
    assert problem(await accept(service, first["code"])) == WRONG_CODE
    listed = (await family.call("GET", "/households/guardians"))["invitations"]
    assert [(one["id"], one["invited_by"]) for one in listed] == [(again["id"], family.email)]
    assert (await family.send("DELETE", f"{INVITATIONS}/{again['id']}")).status_code == 204
    assert problem(await accept(service, again["code"])) == WRONG_CODE
    gone = await family.send("DELETE", f"{INVITATIONS}/{again['id']}")
    assert problem(gone) == (404, "core/not-found")


async def test_five_wrong_codes_from_one_address_in_ten_minutes(
    service: Service, family: Family
) -> None:
    code = (await invite(family))["code"]
    async with running_service(service.database_url, clock=service.clock) as second:
        answers = await asyncio.gather(
            *(accept((service, second)[number % 2], "Z" * 12) for number in range(12))
        )
    assert sorted(answer.status_code for answer in answers) == [403] * 5 + [429] * 7
    refused = await accept(service, code)
    assert problem(refused) == (429, "core/too-many-requests")
    assert refused.headers["retry-after"] == "600"
    service.clock.advance(minutes=10)
    assert (await accept(service, code)).status_code == 201


async def test_an_address_that_is_in_use_is_refused_and_the_code_stays(
    service: Service, family: Family
) -> None:
    other = await Family.register(service)
    code = (await invite(family, other.email))["code"]
    assert problem(await accept(service, code)) == (409, "accounts/email-taken")
    assert len((await family.call("GET", "/households/guardians"))["invitations"]) == 1
    own = await family.send("POST", INVITATIONS, json={"email": family.email.upper()})
    assert problem(own) == (409, "accounts/email-taken")


async def test_a_code_is_kept_as_a_keyed_hash(service: Service, family: Family) -> None:
    code = (await invite(family))["code"].replace("-", "")
    rows = await query(service, "SELECT to_jsonb(i)::text AS all FROM accounts.invitations i")
    assert code not in rows[0].all
    assert code.encode().hex() not in rows[0].all


async def test_both_guardians_see_each_other(service: Service, family: Family) -> None:
    service.clock.advance(seconds=1)
    second = await join(family)
    mine = (await family.call("GET", "/households/guardians"))["guardians"]
    assert [(one["email"], one["is_you"]) for one in mine] == [
        (family.email, True), (SECOND, False)
    ]  # fmt: skip
    theirs = (await second.call("GET", "/households/guardians"))["guardians"]
    assert [one["is_you"] for one in theirs] == [False, True]


async def test_a_removed_guardian_is_out_at_once_with_codes_and_invitations(
    service: Service, family: Family
) -> None:
    child = await family.add_profile("Noa")
    second = await join(family)
    await second.elevate()
    code = await pairing_code(second, child)
    invited = (await second.call("POST", INVITATIONS, json={"email": "third@example.com"}))["code"]
    ended = recorded(service, SignInEnded)
    guardians = (await family.call("GET", "/households/guardians"))["guardians"]
    second_id = next(one["id"] for one in guardians if one["email"] == SECOND)

    removed = await family.send("DELETE", f"/households/guardians/{second_id}")
    assert removed.status_code == 204
    assert [fact.reason for fact in ended] == ["guardian_removed"]
    assert problem(await second.send("GET", "/profiles")) == (401, "core/unauthenticated")
    assert problem(await second.player(child).send()) == (401, "core/unauthenticated")
    assert (await sign_in_as(service, SECOND, THEIR_PASSWORD)).status_code == 401
    body = {"refresh_token": second.refresh_token}
    assert (await post(service, "/auth/refresh", body)).status_code == 401
    assert problem(await pair(service, code)) == (403, "accounts/wrong-pairing-code")
    assert problem(await accept(service, invited)) == WRONG_CODE
    again = await family.send("DELETE", f"/households/guardians/{second_id}")
    assert problem(again) == (404, "core/not-found")


async def test_nobody_removes_themselves_and_of_two_one_stays(
    service: Service, family: Family
) -> None:
    second = await join(family)
    await second.elevate()
    ids = {
        one["email"]: one["id"]
        for one in (await family.call("GET", "/households/guardians"))["guardians"]
    }
    own = await family.send("DELETE", f"/households/guardians/{ids[family.email]}")
    assert problem(own) == (409, "accounts/own-account")
    answers = await asyncio.gather(
        family.send("DELETE", f"/households/guardians/{ids[SECOND]}"),
        second.send("DELETE", f"/households/guardians/{ids[family.email]}"),
    )
    assert sorted(answer.status_code for answer in answers) == [204, 401]
    left = await query(
        service,
        "SELECT 1 FROM accounts.users WHERE household_id = CAST(:id AS uuid)",
        id=family.household_id,
    )
    assert len(left) == 1


async def test_a_household_has_at_most_ten_guardians_with_those_invited(
    service: Service, family: Family
) -> None:
    answers = await asyncio.gather(
        *(
            family.send("POST", INVITATIONS, json={"email": f"g{number}@example.com"})
            for number in range(12)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 9 + [409] * 3
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert problem(refused) == (409, "accounts/too-many-guardians")
    await query(
        service, "UPDATE accounts.invitations SET expires_at = :now", now=service.clock.now()
    )
    assert (await invite(family))["email"] == SECOND


async def test_a_household_invites_at_most_twenty_times_an_hour(family: Family) -> None:
    answers = [await family.send("POST", INVITATIONS, json={"email": SECOND}) for _ in range(21)]
    assert [answer.status_code for answer in answers] == [201] * 20 + [429]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"code": "ABCD"}, "code"),
        ({"code": "ABCD-EFGH-JKM0"}, "code"),
        ({"code": None}, "code"),
        ({"password": "short"}, "password"),
        ({"email": "me@example.com"}, "email"),
    ],
)
async def test_bad_fields_are_named_and_cost_no_try(
    service: Service, body: dict[str, object], field: str
) -> None:
    good = {"code": "ABCD-EFGH-JKMN", "password": PASSWORD}
    assert fields_of(await post(service, f"{INVITATIONS}/accept", good | body)) == {field}
    assert await query(service, "SELECT 1 FROM accounts.rate_limits") == []


async def test_the_list_costs_the_same_for_two_and_for_ten(
    service: Service, family: Family
) -> None:
    costs = []
    for wanted in (2, 10):
        number = len((await family.call("GET", "/households/guardians"))["guardians"])
        while number < wanted:
            await join(family, f"g{number}@example.com")
            number += 1
        with query_budget(at_most=3) as cost:
            listed = await family.call("GET", "/households/guardians")
        assert len(listed["guardians"]) == wanted
        costs.append(cost.operations)
    assert costs[0] == costs[1]


async def test_a_code_that_lapsed_is_forgotten(service: Service, family: Family) -> None:
    from watchkeeper.accounts.jobs import forget_expired_rows

    await invite(family)
    service.clock.advance(hours=24 * 7, seconds=1)
    assert (await forget_expired_rows(service.floor))["invitations"] == 1


async def test_with_the_pin_of_the_first_guardian_the_second_reaches_what_they_share(
    service: Service, family: Family
) -> None:
    second = await join(family)
    response = await service.client.post(
        f"{API}/parental-controls/pin/verify", json={"pin": PIN}, headers=bearer(second.token)
    )
    assert response.status_code == 200
