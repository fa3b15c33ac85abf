"""Grants over HTTP: the ledger, its keys, the PIN, and what is refused."""

import asyncio

import pytest

from tests.harness.family import PIN, Family, bearer
from tests.harness.sums import assert_sums_agree

API = "/api/v1"


def path(profile_id: str, tail: str = "grant") -> str:
    return f"/parental-controls/profiles/{profile_id}/viewing-time/{tail}"


async def test_a_grant_adds_up_and_a_key_counts_once(family: Family, child: str) -> None:
    assert (await family.grant(child, 15))["remaining_minutes"] == 135
    assert (await family.grant(child, 30, key="once"))["remaining_minutes"] == 165
    first = await family.grant(child, 30, key="once")
    assert first["remaining_minutes"] == 165
    taken = await family.grant(child, -60)
    assert taken["remaining_minutes"] == 105
    other = await family.send(
        "POST", path(child), json={"minutes": 5}, headers={"Idempotency-Key": "once"}
    )
    assert (other.status_code, other.json()["type"]) == (409, "viewing/idempotency-key-reused")
    listed = await family.call("GET", path(child, "grants"))
    assert [entry["minutes"] for entry in listed["grants"]] == [-60, 30, 15]


async def test_the_same_key_sent_at_once_counts_once(family: Family, child: str) -> None:
    answers = await asyncio.gather(*(family.grant(child, 10, key="race") for _ in range(8)))
    assert len({answer["grant_id"] for answer in answers}) == 1
    assert (await family.balance(child))["remaining_minutes"] == 130


async def test_a_grant_after_an_overrun_leaves_its_minutes(family: Family, child: str) -> None:
    player = family.player(child, counting=True)
    await player.play(60 * 60)
    await family.settings(child, weekday_limit_minutes=15)
    assert (await family.balance(child))["enforcement"] == "blocked"
    assert (await family.grant(child, 10))["remaining_minutes"] == 10
    assert (await family.grant(child, 10))["remaining_minutes"] == 20
    assert (await family.balance(child))["used_minutes"] == 60, "grants never change usage"
    await assert_sums_agree(family.service.database, child)


async def test_unlimited_today_holds_until_the_reset(family: Family, child: str) -> None:
    granted = await family.grant(child, None)
    assert granted["remaining_minutes"] is None
    assert granted["granted_minutes"] is None
    balance = await family.balance(child)
    assert balance["is_unlimited_override"] is True
    assert granted["holds_until"] == balance["next_reset_at"]
    family.service.clock.advance(hours=24)
    await family.sign_in()
    tomorrow = await family.balance(child)
    assert tomorrow["is_unlimited_override"] is False
    assert tomorrow["remaining_minutes"] == 120


async def test_a_grant_is_cancelled_by_a_compensating_entry(family: Family, child: str) -> None:
    granted = await family.grant(child, 30)
    gone = await family.call("DELETE", path(child, f"grants/{granted['grant_id']}"))
    assert gone["remaining_minutes"] == 120
    assert gone["granted_minutes"] == -30
    again = await family.send("DELETE", path(child, f"grants/{granted['grant_id']}"))
    assert (again.status_code, again.json()["type"]) == (409, "viewing/grant-over")
    entries = (await family.call("GET", path(child, "grants")))["grants"]
    assert [(entry["minutes"], entry["is_cancelled"]) for entry in entries] == [
        (-30, False),
        (30, True),
    ]
    of_today = await family.grant(child, 45)
    family.service.clock.advance(hours=24)
    await family.sign_in()
    late = await family.send("DELETE", path(child, f"grants/{of_today['grant_id']}"))
    assert late.status_code == 409


async def test_the_pin_grants_on_the_childs_device(family: Family, child: str) -> None:
    device = await family.pair(child)

    async def grant(**body: object) -> tuple[int, dict[str, object]]:
        response = await family.service.client.post(
            API + path(child), json=body, headers=bearer(device.token)
        )
        return response.status_code, response.json()

    assert (await grant(minutes=15))[0] == 422
    status, refused = await grant(minutes=15, pin="0000")
    assert (status, refused["type"]) == (403, "accounts/wrong-pin")
    assert refused["remaining_attempts"] == 4
    assert (await grant(minutes=-15, pin=PIN))[0] == 403
    status, granted = await grant(minutes=15, pin=PIN)
    assert (status, granted["remaining_minutes"]) == (200, 135)
    entries = (await family.call("GET", path(child, "grants")))["grants"]
    assert [entry["channel"] for entry in entries] == ["pin"]


async def test_elevation_is_needed_without_a_pin_in_the_body(family: Family, child: str) -> None:
    await family.call("POST", "/parental-controls/pin/lock")
    refused = await family.send("POST", path(child), json={"minutes": 15})
    assert (refused.status_code, refused.json()["type"]) == (403, "accounts/pin-required")
    assert refused.json()["has_pin"] is True
    by_pin = await family.send("POST", path(child), json={"minutes": 15, "pin": PIN})
    assert by_pin.status_code == 200


async def test_adults_get_no_grants(family: Family) -> None:
    adult = await family.add_profile("Carmen", is_child=False)
    refused = await family.send("POST", path(adult), json={"minutes": 15})
    assert (refused.status_code, refused.json()["type"]) == (409, "viewing/adult-profile")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"minutes": 0},
        {"minutes": 241},
        {"minutes": -241},
        {"minutes": 1.5},
        {"minutes": "15"},
        {"minutes": True},
        {"minutes": 15, "pin": "12345"},
        {"minutes": 15, "pin": "١٢٣٤"},
        {"minutes": 15, "bonus": 1},
        {"minutes": 15, "reason": "x" * 201},
        {"minutes": 15, "reason": "a\u0000b"},
    ],
    ids=str,
)
async def test_bad_grants_are_refused(family: Family, child: str, body: dict[str, object]) -> None:
    answer = await family.send("POST", path(child), json=body)
    assert answer.status_code == 422, answer.text
    assert (await family.balance(child))["remaining_minutes"] == 120


async def test_another_households_child_is_not_found(family: Family, child: str) -> None:
    stranger = await Family.register(family.service)
    for method, tail in (("POST", "grant"), ("GET", "grants")):
        answer = await stranger.send(method, path(child, tail), json={"minutes": 15})
        assert answer.status_code == 404
