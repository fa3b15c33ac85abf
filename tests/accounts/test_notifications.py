"""Notifications over HTTP: listed for everybody who holds the phone, read with the PIN."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.accounts.steps import post, query, tell
from tests.harness.budgets import query_budget
from tests.harness.family import Family
from tests.harness.service import Service
from watchkeeper.accounts.jobs import NOTIFICATIONS_KEPT, forget_expired_rows
from watchkeeper.accounts.public import create_user
from watchkeeper.core.auth import Role


@pytest.fixture
async def family(service: Service) -> Family:
    return await Family.register(service)


async def listed(family: Family, **wanted: Any) -> Any:
    return await family.call("GET", "/notifications", params=wanted)


async def test_there_is_none_at_first(family: Family) -> None:
    assert await listed(family) == {"notifications": [], "unread_count": 0, "next_cursor": None}


async def test_the_list_shows_no_content(service: Service, family: Family) -> None:
    period = (date(2026, 3, 9), date(2026, 3, 15))
    id_ = await tell(service, family, title="Weekly report, 9 to 15 March 2026", period=period)
    assert await listed(family) == {
        "notifications": [
            {
                "id": id_,
                "kind": "weekly_report",
                "title": "Weekly report, 9 to 15 March 2026",
                "period_start": "2026-03-09",
                "period_end": "2026-03-15",
                "created_at": "2026-03-10T15:00:00.000Z",
                "is_read": False,
            }
        ],
        "unread_count": 1,
        "next_cursor": None,
    }


async def test_the_content_needs_the_pin(service: Service, family: Family) -> None:
    id_ = await tell(service, family, content={"profiles": [{"profile_name": "Noa"}]})
    answer = await family.call("GET", f"/notifications/{id_}")
    assert answer["content"] == {"profiles": [{"profile_name": "Noa"}]}
    assert answer["is_read"] is False, "looking at it doesn't mark it"
    await family.call("POST", "/parental-controls/pin/lock")
    refused = await family.send("GET", f"/notifications/{id_}")
    assert (refused.status_code, refused.json()["type"]) == (403, "accounts/pin-required")
    assert "Noa" not in refused.text + (await family.send("GET", "/notifications")).text


async def test_marks_are_kept_for_each_guardian(service: Service, family: Family) -> None:
    first, second = await tell(service, family), await tell(service, family, subject="two")
    for _ in range(2):
        marked = await family.call("POST", f"/notifications/{first}/read")
        assert (marked["id"], marked["is_read"]) == (first, True)
    page = await listed(family)
    assert {one["id"]: one["is_read"] for one in page["notifications"]} == {
        first: True, second: False,
    }  # fmt: skip
    assert page["unread_count"] == 1
    other = await _second_guardian(service, family)
    assert (await listed(other))["unread_count"] == 2
    assert await family.call("POST", "/notifications/read-all") == {"unread_count": 0}
    assert await family.call("POST", "/notifications/read-all") == {"unread_count": 0}
    assert all(one["is_read"] for one in (await listed(family))["notifications"])
    assert (await listed(other))["unread_count"] == 2


async def _second_guardian(service: Service, family: Family) -> Family:
    """Somebody with an own sign-in to the same household."""
    email = f"second-{uuid4().hex[:6]}@example.com"
    (known,) = await query(
        service, "SELECT * FROM accounts.users WHERE email = :email", email=family.email
    )
    now = service.clock.now()
    await service.database.run(
        lambda unit: create_user(
            unit,
            email=email,
            password_hash=known.password_hash,
            roles=[Role.GUARDIAN],
            household_id=known.household_id,
            is_demo=False,
            now=now,
        )
    )
    other = Family(service, email, family.household_id, "", "")
    signed_in = await post(
        service, "/auth/login", {"email": email, "password": "correct horse battery"}
    )
    other.token = signed_in.json()["access_token"]
    return other


async def test_pages_are_complete_and_dont_move(service: Service, family: Family) -> None:
    ids = []
    for number in range(7):
        ids.append(await tell(service, family, subject=f"{number}"))
        # Some share an instant.
        service.clock.advance(seconds=number % 2)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await listed(family, limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [one["id"] for one in page["notifications"]]
        cursor = page["next_cursor"]
        # What comes meanwhile belongs to the first page and moves nothing.
        await tell(service, family, subject=f"later-{len(seen)}")
        if cursor is None:
            break
    assert sorted(seen) == sorted(ids)
    instants = [one["created_at"] for one in (await listed(family))["notifications"]]
    assert instants == sorted(instants, reverse=True)


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "x" * 3000}, "cursor"),
        ({"page": 2}, "page"),
    ],
)
async def test_what_is_no_page_is_refused_by_name(
    family: Family, wanted: dict[str, Any], field: str
) -> None:
    response = await family.send("GET", "/notifications", params=wanted)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


async def test_a_cursor_of_another_list_is_refused(family: Family) -> None:
    await family.add_profile("Noa")
    player = family.player(family.profiles["Noa"])
    for number in range(2):
        await player.beat(title_ref={"source": "test", "id": f"{number}", "name": "Film"})
    titles = await family.call("GET", "/titles", params={"limit": 1})
    response = await family.send("GET", "/notifications", params={"cursor": titles["next_cursor"]})
    assert response.status_code == 422


async def test_another_households_are_unknown(service: Service, family: Family) -> None:
    id_ = await tell(service, family)
    stranger = await Family.register(service)
    assert (await listed(stranger))["notifications"] == []
    assert (await stranger.send("GET", f"/notifications/{id_}")).status_code == 404
    assert (await stranger.send("POST", f"/notifications/{id_}/read")).status_code == 404
    await stranger.call("POST", "/notifications/read-all")
    assert (await listed(family))["unread_count"] == 1


async def test_the_cost_is_flat(service: Service, family: Family) -> None:
    spent = []
    for count in (2, 40):
        for number in range(count):
            await tell(service, family, subject=f"{count}-{number}")
        with query_budget(at_most=3) as budget:
            await listed(family)
        spent.append(budget.operations)
    assert spent[0] == spent[1]


async def test_old_ones_are_forgotten(service: Service, family: Family) -> None:
    await tell(service, family)
    service.clock.set(service.clock.now() + NOTIFICATIONS_KEPT)
    assert (await forget_expired_rows(service.floor))["notifications"] == 0
    await tell(service, family, subject="new")
    service.clock.advance(seconds=1)
    assert (await forget_expired_rows(service.floor))["notifications"] == 1


async def test_they_go_with_the_household(service: Service, family: Family) -> None:
    id_ = await tell(service, family)
    await family.call("POST", f"/notifications/{id_}/read")
    await query(
        service,
        "DELETE FROM accounts.households WHERE household_id = :household RETURNING 1",
        household=family.household_id,
    )
    left = await query(
        service,
        "SELECT count(*) AS rows FROM accounts.notifications "
        "UNION ALL SELECT count(*) FROM accounts.notification_reads",
    )
    assert [row.rows for row in left] == [0, 0]
    assert timedelta(days=366) < NOTIFICATIONS_KEPT
