"""The audit list: every act of a guardian leaves a line that says who, what, when."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.accounts.steps import pair, pairing_code, post, problem, query
from tests.accounts.test_guardians import accept, invite, join
from tests.harness.budgets import query_budget
from tests.harness.family import PASSWORD, PIN, Family, bearer
from tests.harness.service import Service

AUDIT = "/households/audit"


@pytest.fixture
async def family(service: Service) -> Family:
    """An elevated household."""
    return await Family.register(service)


async def entries(family: Family, **wanted: Any) -> list[Any]:
    """The first page of the trail."""
    found: list[Any] = (await family.call("GET", AUDIT, params=wanted))["entries"]
    return found


async def test_each_act_leaves_a_line(service: Service, family: Family) -> None:
    child = await family.add_profile("Noa")
    await family.call("PATCH", f"/profiles/{child}", json={"avatar": "owl"})
    tablet = await family.pair(child, device_id="tablet")
    await family.settings(child, weekday_limit_minutes=60)
    grant = await family.grant(child, 15)
    await family.call(
        "DELETE", f"/parental-controls/profiles/{child}/viewing-time/grants/{grant['grant_id']}"
    )
    await tablet.beat(title_ref={"source": "home", "id": "clip", "name": "A clip"})
    title = (await family.call("GET", "/titles"))["titles"][0]["id"]
    await family.call("PUT", f"/parental-controls/titles/{title}", json={"counts": "never"})
    await service.client.post(
        f"/api/v1/parental-controls/profiles/{child}/viewing-time/grant",
        json={"minutes": 5, "pin": PIN},
        headers=bearer(tablet.token),
    )
    await family.call("POST", "/parental-controls/pin", json={"new_pin": PIN, "current_pin": PIN})
    body = {"password": PASSWORD, "new_pin": PIN}
    await family.call("POST", "/parental-controls/pin/reset", json=body)
    body = {"current_password": PASSWORD, "new_password": PASSWORD}
    await family.call("POST", "/auth/password", json=body)
    kept = await invite(family, "kept@example.com")
    await family.call("DELETE", f"/households/invitations/{kept['id']}")
    second = await join(family)
    me = await second.call("GET", "/auth/me")
    await family.call("DELETE", f"/households/guardians/{me['user']['id']}")
    device = (await family.call("GET", "/devices"))["devices"][0]
    await family.call("DELETE", f"/devices/{device['id']}")
    await family.call("DELETE", f"/profiles/{await family.add_profile('Leo')}")

    told = {(one["action"], one["actor"]["kind"], one["subject"]["kind"]) for one in
            await entries(family)}  # fmt: skip
    assert told == {
        ("household.created", "guardian", "household"),
        ("pin.set", "guardian", "household"),
        ("profile.created", "guardian", "profile"),
        ("profile.changed", "guardian", "profile"),
        ("device.paired", "guardian", "device"),
        ("viewing_time.changed", "guardian", "profile"),
        ("grant.given", "guardian", "profile"),
        ("grant.given", "device", "profile"),
        ("grant.cancelled", "guardian", "profile"),
        ("title.overridden", "guardian", "title"),
        ("pin.changed", "guardian", "household"),
        ("pin.reset", "guardian", "household"),
        ("password.changed", "guardian", "user"),
        ("invitation.created", "guardian", "invitation"),
        ("invitation.withdrawn", "guardian", "invitation"),
        ("guardian.joined", "guardian", "user"),
        ("guardian.removed", "guardian", "user"),
        ("device.removed", "guardian", "device"),
        ("profile.deleted", "guardian", "receipt"),
    }


async def test_a_line_says_who_did_what_to_whom(service: Service, family: Family) -> None:
    child = await family.add_profile("Noa")
    service.clock.advance(seconds=1)
    await family.settings(child, weekday_limit_minutes=60)
    newest = (await entries(family))[0]
    assert newest | {"id": "-"} == {
        "id": "-",
        "at": "2026-03-10T15:00:01.000Z",
        "actor": {"kind": "guardian", "name": family.email},
        "action": "viewing_time.changed",
        "subject": {"kind": "profile", "id": child, "name": "Noa"},
        "before": {"weekday_limit_minutes": 120},
        "after": {"weekday_limit_minutes": 60},
    }


async def test_pairing_names_the_guardian_who_made_the_code(
    service: Service, family: Family
) -> None:
    child = await family.add_profile("Noa")
    second = await join(family)
    await second.elevate()
    code = await pairing_code(second, child, name="Noa's tablet")
    assert (await pair(service, code)).status_code == 201
    (paired,) = await entries(family, kind="device")
    assert paired["actor"] == {"kind": "guardian", "name": "second@example.com"}
    assert paired["subject"]["name"] == "Noa's tablet"
    assert paired["after"]["profile_id"] == child


async def test_devices_staff_and_the_command_line_are_told_apart(
    service: Service, family: Family
) -> None:
    child = await family.add_profile("Noa")
    tablet = await family.pair(child, device_id="tablet")
    await service.client.post(
        f"/api/v1/parental-controls/profiles/{child}/viewing-time/grant",
        json={"minutes": 5, "pin": PIN},
        headers=bearer(tablet.token),
    )
    users = service.app.state.accounts.users
    agent = await users.create("agent@example.com", PASSWORD, ["agent"], service.clock.now())
    await query(
        service,
        "INSERT INTO accounts.audit (household_id, id, at, actor, action, subject) VALUES "
        "(:household, :id, :at, :actor, 'grant.given', 'profile:x')",
        household=UUID(family.household_id),
        id=uuid4(),
        at=service.clock.now(),
        actor=f"user:{agent}",
    )
    await users.reset_password(family.email, PASSWORD, service.clock.now())
    await family.sign_in()
    actors = {one["action"]: one["actor"] for one in await entries(family)}
    assert actors["password.reset"] == {"kind": "system", "name": None}
    granted = [one["actor"] for one in await entries(family, kind="grant")]
    assert {"kind": "support", "name": "agent@example.com"} in granted
    assert {"kind": "device", "name": "Tablet"} in granted


async def test_what_is_gone_has_no_name(service: Service, family: Family) -> None:
    second = await join(family)
    await second.elevate()
    await second.add_profile("Leo")
    me = await second.call("GET", "/auth/me")
    await family.call("DELETE", f"/households/guardians/{me['user']['id']}")
    (created,) = await entries(family, kind="profile")
    assert created["actor"] == {"kind": "guardian", "name": None}
    removed, _joined = await entries(family, kind="guardian")
    assert removed["action"] == "guardian.removed"
    assert removed["before"] == {"email": "second@example.com"}


async def test_lines_of_one_profile_or_one_kind(service: Service, family: Family) -> None:
    noa, leo = await family.add_profile("Noa"), await family.add_profile("Leo")
    await family.grant(noa, 15)
    await family.grant(leo, 15)
    await family.pair(noa)
    of_noa = await entries(family, profile_id=noa)
    assert {one["action"] for one in of_noa} == {"profile.created", "grant.given", "device.paired"}
    assert {one["subject"]["id"] for one in await entries(family, kind="grant")} == {noa, leo}
    assert len(await entries(family, kind="grant", profile_id=leo)) == 1
    assert await entries(family, kind="nothing") == []
    assert await entries(family, profile_id=str(uuid4())) == []


async def test_pages_hold_every_line_once_newest_first(service: Service, family: Family) -> None:
    child = await family.add_profile("Noa")
    # Many at the same instant: the id keeps them apart.
    for number in range(120):
        if number % 40 == 0:
            service.clock.advance(seconds=1)
        await family.grant(child, 1)
    seen: list[Any] = []
    cursor: str | None = None
    while True:
        wanted = {"cursor": cursor} if cursor else {}
        page = await family.call("GET", AUDIT, params=wanted)
        seen += page["entries"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    rows = await query(service, "SELECT id, at FROM accounts.audit ORDER BY at DESC, id DESC")
    assert [one["id"] for one in seen] == [str(row.id) for row in rows]
    assert len(seen) > 120


async def test_a_page_costs_the_same_for_two_lines_and_for_forty(
    service: Service, family: Family
) -> None:
    child = await family.add_profile("Noa")
    costs = []
    for wanted in (2, 40):
        while len(await entries(family, kind="grant")) < wanted:
            await family.grant(child, 1)
        with query_budget(at_most=2) as cost:
            assert len(await entries(family, kind="grant")) == wanted
        costs.append(cost.operations)
    assert costs[0] == costs[1]


async def test_a_page_is_read_by_its_index(service: Service, family: Family) -> None:
    await query(
        service,
        "INSERT INTO accounts.audit (household_id, id, at, actor, action, subject) "
        "SELECT CASE WHEN n % 2 = 0 THEN CAST(:household AS uuid) ELSE gen_random_uuid() END,"
        " gen_random_uuid(), CAST(:at AS timestamptz) + n * interval '1 s', 'cli', 'x.y', 'x:y' "
        "FROM generate_series(1, 20000) AS n",
        household=family.household_id,
        at=service.clock.now(),
    )
    await query(service, "ANALYZE accounts.audit")
    plan = await query(
        service,
        "EXPLAIN SELECT id FROM accounts.audit WHERE household_id = CAST(:household AS uuid) "
        "AND (at, id) < (CAST(:at AS timestamptz), CAST(:id AS uuid)) "
        "ORDER BY at DESC, id DESC LIMIT 50",
        household=family.household_id,
        at=datetime.fromisoformat("9999-01-01T00:00:00+00:00"),
        id=uuid4(),
    )
    assert "audit_by_time" in str(plan)
    assert len(await entries(family)) == 50


async def test_another_households_lines_are_nowhere(service: Service, family: Family) -> None:
    other = await Family.register(service)
    child = await other.add_profile("Mia")
    assert await entries(family, profile_id=child) == []
    page = await family.call("GET", AUDIT)
    theirs = await other.call("GET", AUDIT)
    assert not {one["id"] for one in page["entries"]} & {one["id"] for one in theirs["entries"]}


async def test_a_wrong_code_leaves_no_line(service: Service, family: Family) -> None:
    before = len(await entries(family))
    assert problem(await accept(service, "Z" * 12))[0] == 403
    assert (await post(service, "/auth/login", {"email": family.email, "password": "x"})).is_error
    assert len(await entries(family)) == before
