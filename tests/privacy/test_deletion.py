"""Deletion of a child and of a household: nothing is left in any column of any table."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy.exc import DBAPIError

from tests.accounts.steps import problem, query, recorded
from tests.accounts.steps import sign_in as sign_in_as
from tests.harness.family import API, PASSWORD, Family, bearer
from tests.harness.scan import columns_of, scan
from tests.harness.service import Service, running_service
from tests.harness.sums import assert_sums_agree
from tests.privacy.lived_in import LivedIn
from watchkeeper.accounts.events import DeviceRevoked, SignInEnded
from watchkeeper.viewing.repository import ProfileKey


async def delete_household(family: Family, password: str = PASSWORD) -> dict[str, object]:
    """Delete the caller's household."""
    answer: dict[str, object] = await family.call(
        "POST", "/households/deletion", json={"password": password}
    )
    return answer


async def test_after_a_child_and_after_a_household_nothing_is_left_anywhere(
    service: Service,
) -> None:
    others = await LivedIn.settle(service)
    home = await LivedIn.settle(service)
    url = service.database_url
    columns = await columns_of(url)
    assert "accounts.audit.after" in columns
    assert "catalogue.titles.name" in columns
    assert len(columns) > 130
    # The scan finds what is there: otherwise it would prove nothing.
    seen = {finding.needle for finding in await scan(url, home.noa.needles | home.needles)}
    assert seen == {needle.lower() for needle in home.noa.needles | home.needles}

    receipt = await home.family.call("DELETE", f"/profiles/{home.noa.id}")
    assert await scan(url, home.noa.needles) == []
    # What is the brother's and the family's is still there.
    kept = {finding.needle for finding in await scan(url, home.leo.needles | home.needles)}
    assert kept == {needle.lower() for needle in home.leo.needles | home.needles}
    await assert_sums_agree(service.database, home.leo.id)
    assert receipt["rows_by_table"]["viewing.sessions"] == 5
    assert receipt["rows_by_table"]["accounts.devices"] == 3
    assert receipt["rows_by_table"]["catalogue.titles"] == 1
    (line,) = (await home.family.call("GET", "/households/audit", params={"kind": "profile"}))[
        "entries"
    ][:1]
    assert line["action"] == "profile.deleted"
    assert line["subject"] == {"kind": "receipt", "id": receipt["id"], "name": None}
    assert (line["before"], line["after"]) == (None, None)

    await delete_household(home.family)
    everything = home.noa.needles | home.leo.needles | home.needles
    assert await scan(url, everything) == []
    # And the neighbours lost nothing.
    theirs = others.noa.needles | others.leo.needles | others.needles
    kept = {finding.needle for finding in await scan(url, theirs)}
    assert kept == {needle.lower() for needle in theirs}
    assert (await others.family.send("GET", "/profiles")).status_code == 200


async def test_a_receipt_says_what_went_and_nothing_about_whom(service: Service) -> None:
    home = await LivedIn.settle(service)
    before = await query(
        service,
        "SELECT count(*) AS n FROM viewing.slices WHERE household_id = CAST(:id AS uuid)",
        id=home.family.household_id,
    )
    receipt = await delete_household(home.family)
    assert receipt["kind"] == "household"
    rows = receipt["rows_by_table"]
    assert isinstance(rows, dict)
    assert rows["accounts.households"] == 1
    assert rows["accounts.users"] == 2
    assert rows["viewing.slices"] == before[0].n > 0
    assert rows["accounts.audit"] > 10
    assert 0 not in rows.values()
    stored = await query(service, "SELECT id, kind, rows_by_table FROM accounts.deletion_receipts")
    assert [(str(row.id), row.kind, row.rows_by_table) for row in stored] == [
        (receipt["id"], "household", rows)
    ]


async def test_everybody_is_out_at_once_in_every_process(service: Service) -> None:
    home = await LivedIn.settle(service)
    ended, revoked = recorded(service, SignInEnded), recorded(service, DeviceRevoked)
    async with running_service(service.database_url, clock=service.clock) as other:
        for player in (home.noa.tablet, home.family.player(home.leo.id, "sofa")):
            player.family.service = other
            player.session_id = None
            assert (await player.send()).status_code == 200, "the other process has it cached"
        await delete_household(home.second)
        # Not a moment later: nothing here waits for the announcement to arrive.
        for process in (other, service):
            for token in (home.noa.tablet.token, home.family.token, home.second.token):
                answers = [
                    await process.client.post(
                        f"{API}/viewing-time/heartbeat",
                        json={
                            "profile_id": home.noa.id,
                            "device_id": home.noa.tablet.device_id,
                            "device_type": "tv",
                            "title_ref": {"source": "a", "id": "b", "name": "c"},
                        },
                        headers=bearer(token),
                    ),
                    await process.client.get(
                        f"{API}/viewing-time/balance/{home.noa.id}", headers=bearer(token)
                    ),
                ]
                # A process that has heard of it knows no such profile, whoever asks.
                assert answers[0].status_code in (401, 404), answers[0].text
                assert answers[1].status_code == 401, answers[1].text
    assert {fact.reason for fact in ended} == {"household_deleted"}
    assert len(ended) >= 2
    assert home.noa.tablet.device_id in {fact.device_id for fact in revoked}
    assert (await sign_in_as(service, home.family.email)).status_code == 401
    assert await scan(service.database_url, home.noa.needles | home.needles) == []


@pytest.mark.parametrize("call", ["heartbeat", "grant"])
async def test_a_process_that_hasnt_heard_yet_writes_nothing_about_a_deleted_child(
    service: Service, call: str
) -> None:
    family = await Family.register(service)
    child = await family.add_profile("Noa")
    player = family.player(child, "sofa")
    await player.beat()
    cache = service.app.state.viewing.heartbeats._configurations.entries
    key = ProfileKey(UUID(family.household_id), UUID(child))
    known = cache._entries[key]
    await family.call("DELETE", f"/profiles/{child}")
    cache._entries[key] = known
    if call == "heartbeat":
        player.session_id = None
        answer = await player.send()
    else:
        path = f"/parental-controls/profiles/{child}/viewing-time/grant"
        answer = await family.send("POST", path, json={"minutes": 5})
    assert problem(answer) == (404, "core/not-found")
    assert await scan(service.database_url, [child]) == []


@pytest.mark.parametrize("what", ["child", "household"])
async def test_heartbeats_and_changes_in_flight_leave_nothing(service: Service, what: str) -> None:
    home = await LivedIn.settle(service)
    family, child = home.family, home.noa
    title = {"source": "home", "id": "race", "name": f"race {child.id}"}
    child.needles.add(title["name"])
    players = [family.player(child.id, f"racer-{number}-{child.id}") for number in range(6)]
    async with running_service(service.database_url, clock=service.clock) as other:
        for player in players[::2]:
            player.family = Family(other, "", family.household_id, family.token, "")

        async def delete() -> int:
            if what == "child":
                return (await family.send("DELETE", f"/profiles/{child.id}")).status_code
            body = {"password": PASSWORD}
            return (await family.send("POST", "/households/deletion", json=body)).status_code

        async def busy() -> None:
            body = {"profile_id": child.id, "name": child.name}
            await family.send("POST", "/devices/pairing-codes", json=body)
            path = f"/parental-controls/profiles/{child.id}/viewing-time"
            await family.send("POST", f"{path}/grant", json={"minutes": 5, "reason": child.name})
            await family.send("PUT", path, json={"reset_hour": 5})
            await family.send("PATCH", f"/profiles/{child.id}", json={"name": child.name})

        answers = await asyncio.gather(
            *(player.send(title_ref=title) for player in players[:3]),
            busy(),
            delete(),
            *(player.send(title_ref=title) for player in players[3:]),
            busy(),
        )
    assert 200 in answers
    needles = child.needles if what == "child" else child.needles | home.needles
    assert await scan(service.database_url, needles) == []


async def test_a_wrong_password_deletes_nothing(service: Service) -> None:
    family = await Family.register(service)
    refused = await family.send("POST", "/households/deletion", json={"password": "not this one"})
    assert problem(refused) == (403, "accounts/wrong-password")
    assert (await family.send("GET", "/profiles")).status_code == 200


async def test_two_deletions_at_once_are_one(service: Service) -> None:
    home = await LivedIn.settle(service)
    path = f"/profiles/{home.noa.id}"
    answers = await asyncio.gather(
        home.family.send("DELETE", path),
        home.second.send("DELETE", path),
        home.family.send("DELETE", f"/profiles/{home.leo.id}"),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 404]
    assert len(await query(service, "SELECT 1 FROM accounts.deletion_receipts")) == 2


async def test_the_address_of_a_deleted_household_may_register_anew(service: Service) -> None:
    family = await Family.register(service)
    await delete_household(family)
    body = {"email": family.email, "password": PASSWORD, "household_name": "x", "timezone": "UTC"}
    again = await service.client.post(f"{API}/auth/register", json=body)
    assert again.status_code == 201
    assert again.json()["user"]["household_id"] != family.household_id


async def test_the_trail_of_what_exists_cannot_be_erased(service: Service) -> None:
    family = await Family.register(service)
    child = await family.add_profile("Noa")
    for profile in (None, UUID(child)):
        with pytest.raises(DBAPIError, match="is kept"):
            await query(
                service,
                "SELECT accounts.erase_audit(CAST(:household AS uuid),"
                " CAST(:profile AS uuid), '{}')",
                household=family.household_id,
                profile=profile,
            )


async def test_after_a_deletion_the_trail_can_only_grow_again(service: Service) -> None:
    home = await LivedIn.settle(service)
    await home.family.call("DELETE", f"/profiles/{home.noa.id}")
    privileges = "SELECT relacl::text AS acl FROM pg_class WHERE oid = 'accounts.audit'::regclass"
    after = (await query(service, privileges))[0].acl
    await delete_household(home.family)
    assert (await query(service, privileges))[0].acl == after
    for statement in ("DELETE FROM accounts.audit", "UPDATE accounts.audit SET actor = 'me'"):
        with pytest.raises(DBAPIError, match="permission denied"):
            await query(service, statement)
