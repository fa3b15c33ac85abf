"""The stream of events: what is told, and to whom (viewing time, section 6)."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from tests.harness.family import Family, Player
from tests.harness.service import Service, running_service
from tests.harness.streams import Reader, reading
from watchkeeper.core.database import UnitOfWork
from watchkeeper.viewing.announcements import (
    Announcement,
    Kind,
    announce_request_answered,
    announce_request_asked,
)
from watchkeeper.viewing.repository import ProfileKey


@pytest.fixture
async def sibling(family: Family) -> str:
    return await family.add_profile("Leo")


@pytest.fixture
async def tablet(family: Family, child: str) -> Player:
    return await family.pair(child, device_id="tablet")


async def nothing_came_before_a_marker(stream: Reader, family: Family, profile_id: str) -> None:
    """News that the reader does hear comes next, so it heard nothing of what was before."""
    await family.grant(profile_id, 1)
    change = await stream.expects("balance_changed")
    assert change["profile_id"] == profile_id


async def test_a_snapshot_comes_first_and_then_what_changes(
    service: Service, family: Family, child: str
) -> None:
    async with reading(service, family.token) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        assert stream.headers["x-accel-buffering"] == "no"
        snapshot = await stream.expects("snapshot")
        assert snapshot["profiles"] == [await family.balance(child)]
        assert snapshot["server_time"] == "2026-03-10T15:00:00.000Z"

        grant = await family.grant(child, 30)
        change = await stream.expects("balance_changed")
        assert change["profile_id"] == child
        assert change["balance"] == await family.balance(child)
        assert change["balance"]["remaining_minutes"] == 150

        await family.call(
            "DELETE",
            f"/parental-controls/profiles/{child}/viewing-time/grants/{grant['grant_id']}",
        )
        change = await stream.expects("balance_changed")
        assert change["balance"]["remaining_minutes"] == 120


async def test_a_guardian_sees_everybody_and_a_device_its_own_child(
    service: Service, family: Family, child: str, sibling: str, tablet: Player
) -> None:
    grown_up = await family.add_profile("Ana", is_child=False)
    async with (
        reading(service, family.token) as guardian,
        reading(service, tablet.token) as device,
    ):
        seen = {one["profile_id"] for one in (await guardian.expects("snapshot"))["profiles"]}
        assert seen == {child, sibling, grown_up}
        (own,) = (await device.expects("snapshot"))["profiles"]
        assert own["profile_id"] == child

        await family.grant(sibling, 10)
        assert (await guardian.expects("balance_changed"))["profile_id"] == sibling
        await nothing_came_before_a_marker(device, family, child)


async def test_another_household_hears_nothing(
    service: Service, family: Family, child: str
) -> None:
    strangers = await Family.register(service)
    theirs = await strangers.add_profile("Theirs")
    async with reading(service, strangers.token) as stream:
        (known,) = (await stream.expects("snapshot"))["profiles"]
        assert known["profile_id"] == theirs
        await family.grant(child, 10)
        await family.settings(child, weekday_limit_minutes=30)
        await family.player(child, "tv").beat()
        await family.player(child, "phone").beat()
        await family.add_profile("Mia")
        await nothing_came_before_a_marker(stream, strangers, theirs)


async def test_settings_reach_whom_they_are_about(
    service: Service, family: Family, child: str, sibling: str, tablet: Player
) -> None:
    async with (
        reading(service, family.token) as guardian,
        reading(service, tablet.token) as device,
    ):
        await guardian.expects("snapshot")
        await device.expects("snapshot")
        await family.settings(child, weekday_limit_minutes=45)
        for stream in (guardian, device):
            change = await stream.expects("policy_changed")
            assert change["profile_id"] == child
            assert change["balance"]["limit_minutes"] == 45

        await family.settings(sibling, weekday_limit_minutes=60)
        assert (await guardian.expects("policy_changed"))["profile_id"] == sibling

        # Zone and reset hour are the household's, through whichever child they are changed.
        await family.settings(sibling, reset_hour=4)
        changed = {(await guardian.expects("policy_changed"))["profile_id"] for _ in range(2)}
        assert changed == {child, sibling}
        assert (await device.expects("policy_changed"))["profile_id"] == child


async def test_a_word_on_a_title_is_for_every_child(
    service: Service, family: Family, child: str, sibling: str, tablet: Player
) -> None:
    await tablet.beat()
    (title,) = (await family.call("GET", "/titles"))["titles"]
    async with (
        reading(service, family.token) as guardian,
        reading(service, tablet.token) as device,
    ):
        await guardian.expects("snapshot")
        await device.expects("snapshot")
        await family.call(
            "PUT", f"/parental-controls/titles/{title['id']}", json={"counts": "never"}
        )
        changed = {(await guardian.expects("policy_changed"))["profile_id"] for _ in range(2)}
        assert changed == {child, sibling}
        assert (await device.expects("policy_changed"))["profile_id"] == child
        # The same word once more changes nothing.
        await family.call(
            "PUT", f"/parental-controls/titles/{title['id']}", json={"counts": "never"}
        )
        await nothing_came_before_a_marker(device, family, child)


async def test_the_device_that_lost_and_the_guardian_hear_of_a_takeover(
    service: Service, family: Family, child: str, sibling: str, tablet: Player
) -> None:
    phone = await family.pair(child, device_id="phone")
    brothers = await family.pair(sibling, device_id="console")
    lost = (await tablet.play(60))["session_id"]
    async with (
        reading(service, family.token) as guardian,
        reading(service, tablet.token) as loser,
        reading(service, phone.token) as winner,
        reading(service, brothers.token) as other,
    ):
        for stream in (guardian, loser, winner, other):
            await stream.expects("snapshot")
        await phone.beat()
        for stream in (guardian, loser):
            told = await stream.expects("session_superseded")
            assert told == {"profile_id": child, "session_id": lost, "device_name": "Tablet"}
        await nothing_came_before_a_marker(winner, family, child)
        await nothing_came_before_a_marker(other, family, sibling)
    assert (await tablet.send()).json()["type"] == "viewing/session-superseded"


async def test_ordinary_heartbeats_announce_nothing(
    service: Service, family: Family, child: str
) -> None:
    player = family.player(child)
    async with reading(service, family.token) as stream:
        await stream.expects("snapshot")
        await player.play(120)
        await player.end()
        await nothing_came_before_a_marker(stream, family, child)


async def test_requests_are_asked_of_guardians_and_answered_to_the_child_too(
    service: Service, family: Family, child: str, sibling: str, tablet: Player
) -> None:
    brothers = await family.pair(sibling, device_id="console")
    key, request = ProfileKey(UUID(family.household_id), UUID(child)), uuid4()

    async def ask(unit: UnitOfWork) -> None:
        announce_request_asked(unit, key, request)

    async def answer(unit: UnitOfWork) -> None:
        announce_request_answered(unit, key, request)

    async with (
        reading(service, family.token) as guardian,
        reading(service, tablet.token) as device,
        reading(service, brothers.token) as other,
    ):
        for stream in (guardian, device, other):
            await stream.expects("snapshot")
        await service.database.run(ask)
        await service.database.run(answer)
        expected = {"profile_id": child, "request_id": str(request)}
        assert await guardian.expects("request_asked") == expected
        assert await guardian.expects("request_answered") == expected
        assert await device.expects("request_answered") == expected
        await nothing_came_before_a_marker(other, family, sibling)


async def test_what_is_rolled_back_is_not_told(
    service: Service, family: Family, child: str
) -> None:
    async with reading(service, family.token) as stream:
        await stream.expects("snapshot")
        await family.grant(child, 5, key="once")
        await stream.expects("balance_changed")
        # A repeated key changes nothing, and one for another amount is refused.
        await family.grant(child, 5, key="once")
        refused = await family.send(
            "POST",
            f"/parental-controls/profiles/{child}/viewing-time/grant",
            json={"minutes": 6},
            headers={"Idempotency-Key": "once"},
        )
        assert refused.status_code == 409
        await family.settings(child, weekday_limit_minutes=60)
        await stream.expects("policy_changed")


async def test_changes_to_the_people_of_a_household_are_a_new_snapshot(
    service: Service, family: Family, child: str, tablet: Player
) -> None:
    async with (
        reading(service, family.token) as guardian,
        reading(service, tablet.token) as device,
    ):
        await guardian.expects("snapshot")
        await device.expects("snapshot")
        sibling = await family.add_profile("Leo")
        seen = {one["profile_id"] for one in (await guardian.expects("snapshot"))["profiles"]}
        assert seen == {child, sibling}
        (own,) = (await device.expects("snapshot"))["profiles"]
        assert own["profile_id"] == child

        await family.call("DELETE", f"/profiles/{child}")
        (left,) = (await guardian.expects("snapshot"))["profiles"]
        assert left["profile_id"] == sibling
        assert await device.ends() == []


async def test_a_change_in_one_process_is_told_by_another(
    service: Service, family: Family, child: str, tablet: Player
) -> None:
    async with (
        running_service(service.database_url, clock=service.clock) as elsewhere,
        reading(elsewhere, tablet.token) as device,
    ):
        (balance,) = (await device.expects("snapshot"))["profiles"]
        # What the other process has cached is dropped before it reads what it tells.
        assert balance["limit_minutes"] == 120
        await family.settings(child, weekday_limit_minutes=30)
        change = await device.expects("policy_changed")
        assert change["balance"]["limit_minutes"] == 30
        await family.grant(child, 15)
        change = await device.expects("balance_changed")
        assert change["balance"]["remaining_minutes"] == 45

        there = replace(family, service=elsewhere)
        session = (await replace(tablet, family=there).beat())["session_id"]
        await family.player(child, "tv").beat()
        assert (await device.expects("session_superseded"))["session_id"] == session


async def test_a_burst_of_changes_of_one_profile_is_one_event(
    service: Service, family: Family, child: str
) -> None:
    events = service.app.state.events
    changed = Announcement(Kind.BALANCE_CHANGED, UUID(family.household_id), UUID(child))
    async with reading(service, family.token) as stream:
        await stream.expects("snapshot")
        for _ in range(50):
            events._hear(changed.write())
        await stream.expects("balance_changed")
        await family.settings(child, weekday_limit_minutes=30)
        await stream.expects("policy_changed")


async def test_what_a_newer_version_announces_is_passed_over(
    service: Service, family: Family, child: str
) -> None:
    async with reading(service, family.token) as stream:
        await stream.expects("snapshot")
        for payload in ("", "[]", '{"kind":"new"}', '{"kind":"balance_changed"}', "{}"):
            service.app.state.events._hear(payload)
        service.app.state.events._hear_revocation("something else")
        await nothing_came_before_a_marker(stream, family, child)
