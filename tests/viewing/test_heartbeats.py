"""Heartbeats over HTTP on the real database: counting, one stream, refusals, budgets."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.harness.budgets import query_budget
from tests.harness.family import Family, Player, bearer
from tests.harness.service import Service, quick_settings, running_service
from tests.harness.sums import assert_sums_agree
from watchkeeper.core.config import HeartbeatSettings
from watchkeeper.viewing.jobs import close_silent_sessions

HEARTBEAT_FIELDS = {
    "session_id",
    "enforcement",
    "reason",
    "binding",
    "remaining_minutes",
    "remaining_seconds",
    "used_minutes",
    "is_educational",
    "blocks_at",
    "next_beat_ms",
    "next_reset_at",
    "server_time",
    "ack_seq",
    "grace_seconds",
}


@pytest.fixture(params=[True, False], ids=["batches", "one by one"])
async def service(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Service]:
    """Everything here holds whether heartbeats are gathered into batches or not."""
    settings = quick_settings(heartbeats=HeartbeatSettings(batching=request.param))
    async with running_service(database_url, settings=settings) as service:
        yield service


async def test_the_first_heartbeat_of_a_plain_player_is_free_and_later_ones_count(
    family: Family, child: str
) -> None:
    player = family.player(child)
    first = await player.beat()
    assert set(first) == HEARTBEAT_FIELDS
    assert first["used_minutes"] == 0
    assert first["remaining_minutes"] == 120
    assert first["enforcement"] == "allowed"
    assert first["binding"] == "limit"
    assert 27_000 <= first["next_beat_ms"] <= 33_000
    later = await player.play(30)
    assert later["used_minutes"] == 0.5
    assert later["remaining_seconds"] == 7170
    family.service.clock.advance(minutes=4)
    capped = await player.beat()
    assert capped["used_minutes"] == 2.0, "a plain player's stretch is charged at most 90 s"
    await assert_sums_agree(family.service.database, child)


async def test_counters_heal_lost_heartbeats_and_repeated_ones_are_free(
    family: Family, child: str
) -> None:
    player = family.player(child, counting=True)
    await player.beat()
    family.service.clock.advance(seconds=60)
    player.played_ms += 60_000
    player.seq += 1  # the one at 30 s was lost
    healed = await player.beat()
    assert healed["used_minutes"] == 1.0
    assert healed["ack_seq"] == 2
    family.service.clock.advance(seconds=5)
    again = await player.beat(seq=2, played_ms=60_000)
    assert again["used_minutes"] == 1.0
    assert again["ack_seq"] == 2
    claimed = await player.beat(seq=9, played_ms=3_600_000)
    assert claimed["used_minutes"] == pytest.approx(65 / 60, abs=0.001), "never above wall time"
    await assert_sums_agree(family.service.database, child)


async def test_the_child_is_warned_stopped_and_freed_by_a_grant(family: Family, child: str) -> None:
    await family.settings(child, weekday_limit_minutes=30)
    player = family.player(child, counting=True)
    assert (await player.play(14 * 60 + 30))["enforcement"] == "allowed"
    assert (await player.play(30))["enforcement"] == "warning_15"
    assert (await player.play(10 * 60))["enforcement"] == "warning_5"
    stopped = await player.play(5 * 60)
    assert (stopped["enforcement"], stopped["reason"]) == ("blocked", "limit")
    assert stopped["remaining_minutes"] == 0
    for _ in range(20):
        family.service.clock.advance(seconds=30)
        held = await player.beat(state="ended")
    assert held["enforcement"] == "blocked"
    assert held["used_minutes"] == 30
    granted = await family.grant(child, 15)
    assert granted["remaining_minutes"] == 15
    assert granted["granted_minutes"] == 15
    freed = await player.beat(state="playing")
    assert freed["enforcement"] == "warning_15"
    assert freed["used_minutes"] == 30, "blocked time is never charged"
    assert (await player.play(60))["used_minutes"] == 31
    await assert_sums_agree(family.service.database, child)


async def test_one_stream_per_child(family: Family, child: str) -> None:
    tv = family.player(child, "tv")
    await tv.play(60)
    tablet = await family.pair(child)
    await tablet.beat()
    lost = await tv.send()
    assert lost.status_code == 410
    assert lost.json()["type"] == "viewing/session-superseded"
    assert "device_name" in lost.json()
    assert (await assert_sums_agree(family.service.database, child)).open_sessions == 1


async def test_twenty_first_heartbeats_at_once_leave_one_session(
    family: Family, child: str
) -> None:
    players = [family.player(child, f"device-{number}") for number in range(20)]
    answers = await asyncio.gather(*(player.send() for player in players))
    assert {answer.status_code for answer in answers} == {200}
    assert (await assert_sums_agree(family.service.database, child)).open_sessions == 1
    after = [(await player.send()).status_code for player in players]
    assert sorted(after) == [200, *[410] * 19]


async def test_a_retried_start_returns_the_same_session(family: Family, child: str) -> None:
    player = family.player(child)
    first = await player.beat(start_key="attempt-1")
    player.session_id = None
    again = await player.beat(start_key="attempt-1")
    assert again["session_id"] == first["session_id"]
    player.session_id = None
    other = await player.beat(start_key="attempt-2")
    assert other["session_id"] != first["session_id"]


async def test_a_silent_session_is_closed_by_the_job_and_by_a_late_heartbeat(
    family: Family, child: str
) -> None:
    service = family.service
    by_job = family.player(child)
    await by_job.play(60)
    service.clock.advance(seconds=301)
    closed = await close_silent_sessions(service.floor, service.app.state.viewing.heartbeats)
    assert closed == 1
    assert (await by_job.send()).json()["type"] == "viewing/session-ended"
    by_heartbeat = family.player(child)
    await by_heartbeat.play(60)
    service.clock.advance(seconds=301)
    late = await by_heartbeat.send()
    assert (late.status_code, late.json()["type"]) == (410, "viewing/session-ended")
    sums = await assert_sums_agree(service.database, child)
    assert sums.open_sessions == 0


async def test_end_credits_the_tail_and_may_be_repeated(family: Family, child: str) -> None:
    player = family.player(child)
    await player.play(60)
    family.service.clock.advance(seconds=12)
    ended = await player.end()
    assert ended.status_code == 200
    assert ended.json()["session_id"] == player.session_id
    assert ended.json()["total_seconds"] == 72
    family.service.clock.advance(seconds=30)
    assert (await player.end()).json() == ended.json()
    assert (await player.send()).status_code == 410
    await assert_sums_agree(family.service.database, child)


async def test_adults_are_unlimited_on_many_devices(family: Family) -> None:
    adult = await family.add_profile("Carmen", is_child=False)
    one, two = family.player(adult, "one"), family.player(adult, "two")
    await one.beat()
    await two.beat()
    family.service.clock.advance(seconds=30)
    answers = [await one.beat(), await two.beat()]
    for answer in answers:
        assert answer["enforcement"] == "allowed"
        assert answer["remaining_minutes"] is None
    assert (await assert_sums_agree(family.service.database, adult)).open_sessions == 2


async def test_what_a_caller_may_not_reach_is_not_found(family: Family, child: str) -> None:
    stranger = await Family.register(family.service)
    assert (await stranger.player(child).send()).status_code == 404
    player = family.player(child)
    await player.beat()
    assert (await stranger.player(child).send(session_id=player.session_id)).status_code == 404
    unknown = await family.player(child).send(session_id=str(uuid4()))
    assert unknown.status_code == 404
    other_device = await family.player(child, "other").send(session_id=player.session_id)
    assert other_device.status_code == 409
    stranger_end = Player(stranger, child, "x", stranger.token, session_id=player.session_id)
    assert (await stranger_end.end()).status_code == 404
    assert (await player.beat())["enforcement"] == "allowed"


async def test_a_device_reaches_only_its_own_profile(family: Family, child: str) -> None:
    leo = await family.add_profile("Leo")
    device = await family.pair(child)
    await device.beat()
    assert (await device.send(profile_id=leo, session_id=None)).status_code == 404
    assert (await device.send(device_id="another")).status_code == 403
    for path in (f"/viewing-time/balance/{leo}", f"/viewing-time/playback-eligible/{leo}"):
        answer = await family.service.client.get(f"/api/v1{path}", headers=bearer(device.token))
        assert answer.status_code == 404


async def test_revoked_credentials_end_at_the_next_heartbeat(family: Family, child: str) -> None:
    device = await family.pair(child)
    await device.beat()
    listed = await family.call("GET", "/devices")
    (paired,) = [one for one in listed["devices"] if one["device_id"] == device.device_id]
    await family.call("DELETE", f"/devices/{paired['id']}")
    refused = await device.send()
    assert (refused.status_code, refused.json()["type"]) == (401, "accounts/device-revoked")
    guardian = family.player(child)
    await guardian.beat()
    await family.call("POST", "/auth/logout", json={"refresh_token": family.refresh_token})
    assert (await guardian.send()).status_code == 401


async def test_a_heartbeat_needs_at_most_three_operations(family: Family, child: str) -> None:
    family.service.app.state.viewing.configurations.entries.clear("test")
    player = family.player(child)
    with query_budget(at_most=3):
        await player.beat()
    family.service.clock.advance(seconds=30)
    with query_budget(at_most=2) as warm:
        await player.beat()
    assert warm.operations == 2
    tablet = family.player(child, "tablet")
    with query_budget(at_most=3):
        await tablet.beat()


async def test_the_configuration_is_read_at_most_once_a_minute(family: Family, child: str) -> None:
    cache = family.service.app.state.viewing.configurations.entries
    cache.clear("test")
    before = cache.misses
    player = family.player(child)
    await player.play(59, every=1)
    assert cache.misses - before == 1
    await player.play(3, every=1)
    assert cache.misses - before == 2


async def test_an_unknown_title_counts_and_is_remembered_for_its_household(
    family: Family, child: str
) -> None:
    player = family.player(child)
    answer = await player.play(30)
    assert answer["is_educational"] is False
    found = await family.call("GET", "/titles", params={"query": "A film"})
    assert [title["name"] for title in found["titles"]] == ["A film"]
    stranger = await Family.register(family.service)
    assert (await stranger.call("GET", "/titles", params={"query": "A film"}))["titles"] == []


async def test_a_player_that_floods_is_slowed_down(family: Family, child: str) -> None:
    player = family.player(child)
    await player.beat()
    answers = [(await player.send()).status_code for _ in range(201)]
    assert answers.count(429) >= 1
    assert answers[:150] == [200] * 150
    family.service.clock.advance(seconds=1)
    assert (await player.send()).status_code == 200


BAD = [
    ({"profile_id": "nonsense"}, "profile_id"),
    ({"device_id": ""}, "device_id"),
    ({"device_id": "x" * 101}, "device_id"),
    ({"device_id": "a\u0000b"}, "device_id"),
    ({"device_type": "fridge"}, "device_type"),
    ({"session_id": "1"}, "session_id"),
    ({"state": "dancing"}, "state"),
    ({"is_paused": "no"}, "is_paused"),
    ({"is_paused": None}, "is_paused"),
    ({"seq": 1}, ""),
    ({"seq": 1, "played_ms": 5}, ""),
    ({"seq": -1, "played_ms": 5, "paused_ms": 0}, "seq"),
    ({"seq": 1, "played_ms": 1e99, "paused_ms": 0}, "played_ms"),
    ({"seq": 1, "played_ms": 2**63, "paused_ms": 0}, "played_ms"),
    ({"seq": 1, "played_ms": 1.5, "paused_ms": 0}, "played_ms"),
    ({"seq": True, "played_ms": 1, "paused_ms": 0}, "seq"),
    ({"position_ms": -5}, "position_ms"),
    ({"client_time": "yesterday"}, "client_time"),
    ({"title_ref": {"source": "x", "id": "y"}}, "title_ref.name"),
    ({"title_ref": None}, ""),
    ({"title_ref": {"source": "x", "id": "y", "name": "n" * 301}}, "title_ref.name"),
    ({"start_key": ""}, "start_key"),
]


@pytest.mark.parametrize(("fields", "named"), BAD, ids=[str(bad[0])[:40] for bad in BAD])
async def test_bad_heartbeats_are_refused_with_the_field_named(
    family: Family, child: str, fields: dict[str, object], named: str
) -> None:
    answer = await family.player(child).send(**fields)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "core/invalid-request"
    assert any(error["field"].startswith(named) for error in answer.json()["errors"])
    assert (await assert_sums_agree(family.service.database, child)).open_sessions == 0


async def test_unknown_heartbeat_fields_are_ignored_and_none_exempts(
    family: Family, child: str
) -> None:
    player = family.player(child)
    answer = await player.play(
        60, is_educational=True, exempt=True, enforcement="allowed", credited_ms=0
    )
    assert answer["used_minutes"] == 1
    assert answer["is_educational"] is False


async def test_two_processes_share_one_truth(service: Service, family: Family, child: str) -> None:
    async with running_service(service.database_url, clock=service.clock) as other:
        player = family.player(child)
        await player.play(60)
        twin = Family(other, family.email, family.household_id, family.token, "")
        elsewhere = twin.player(child)
        elsewhere.session_id = player.session_id
        service.clock.advance(seconds=30)
        assert (await elsewhere.beat())["used_minutes"] == 1.5
        await family.settings(child, weekday_limit_minutes=15)
        cache = other.app.state.viewing.configurations.entries
        for _ in range(100):
            if not len(cache):
                break
            await asyncio.sleep(0.01)
        assert len(cache) == 0, "dropped by the announcement within a second"
        assert (await elsewhere.beat())["remaining_minutes"] == 13.5


async def test_a_clock_that_stepped_back_makes_no_second_day(family: Family, child: str) -> None:
    clock = family.service.clock
    player = family.player(child)
    await player.play(60)
    today = clock.now()
    clock.advance(hours=72)
    await family.sign_in()
    player.token, player.session_id = family.token, None
    await player.play(60)
    clock.set(today)
    player.session_id = None
    back = await player.play(60)
    assert back["used_minutes"] >= 1, "what today had used is still there"
    assert (await family.balance(child))["used_minutes"] == back["used_minutes"]
    await assert_sums_agree(family.service.database, child)


async def test_what_was_forgiven_is_shown(family: Family, child: str) -> None:
    await family.player(child, "tv").play(60)
    family.service.clock.advance(seconds=100)
    taken_over = await family.player(child, "tablet").beat()
    assert taken_over["used_minutes"] == 1.5, "a takeover charges 30 s of what nobody reported"
    (report,) = (await family.call("GET", "/parental-controls/weekly-report"))["profiles"]
    today = report["daily_totals"][-1]
    assert today["counted_minutes"] == 1.5
    assert today["forgiven_minutes"] == pytest.approx(70 / 60, abs=1e-4)
