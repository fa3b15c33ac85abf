"""The life of a stream of events: who may open one, what ends it, and what it costs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
import structlog
from sqlalchemy import text

from tests.accounts.steps import sign_in
from tests.core.proxy import proxy_before
from tests.harness.budgets import query_budget
from tests.harness.cluster import Cluster
from tests.harness.family import Family, Player
from tests.harness.service import Service, quick_settings, running_service
from tests.harness.streams import Reader, reading
from watchkeeper.core.auth import UserPrincipal
from watchkeeper.core.config import DatabaseSettings, EventSettings
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.problems import Unavailable
from watchkeeper.viewing.streams import STREAMS_PER_CREDENTIAL, WAITING_EVENTS


@pytest.fixture
async def tablet(family: Family, child: str) -> Player:
    return await family.pair(child, device_id="tablet")


def sample(service: Service, name: str, **labels: str) -> float:
    value = service.floor.metrics.registry.get_sample_value(name, labels)
    return 0.0 if value is None else value


async def gone(service: Service) -> None:
    """Wait until this process has let go of every stream."""
    async with asyncio.timeout(10):
        while len(service.app.state.events.streams):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


# Credentials.


async def test_removing_a_device_ends_its_stream_and_no_other(
    service: Service, family: Family, child: str, tablet: Player
) -> None:
    async with (
        reading(service, family.token) as guardian,
        reading(service, tablet.token) as device,
    ):
        await guardian.expects("snapshot")
        await device.expects("snapshot")
        (listed,) = (await family.call("GET", "/devices"))["devices"]
        await family.call("DELETE", f"/devices/{listed['id']}")
        assert await device.ends() == []
        await family.grant(child, 5)
        await guardian.expects("balance_changed")
    async with reading(service, tablet.token) as again:
        assert again.status == 401
        assert b"accounts/device-revoked" in again.body


async def test_pairing_a_device_anew_ends_the_stream_of_the_old_pairing(
    service: Service, family: Family, child: str, tablet: Player
) -> None:
    async with reading(service, tablet.token) as device:
        await device.expects("snapshot")
        again = await family.pair(child, device_id="tablet")
        assert await device.ends() == []
    async with reading(service, again.token) as device:
        await device.expects("snapshot")


async def test_the_end_of_a_sign_in_reaches_its_streams_in_every_process(
    service: Service, family: Family, child: str
) -> None:
    other = (await sign_in(service, family.email)).json()
    async with (
        running_service(service.database_url, clock=service.clock) as elsewhere,
        reading(elsewhere, other["access_token"]) as theirs,
        reading(elsewhere, family.token) as ours,
    ):
        await theirs.expects("snapshot")
        await ours.expects("snapshot")
        await family.call("POST", "/auth/logout", json={"refresh_token": other["refresh_token"]})
        assert await theirs.ends() == []
        await family.grant(child, 5)
        await ours.expects("balance_changed")


async def test_a_stream_ends_when_its_token_lapses(service: Service, family: Family) -> None:
    floor = service.floor
    principal = floor.signer.read(family.token, floor.clock.now())
    assert isinstance(principal, UserPrincipal)
    token = floor.signer.sign_user(principal, floor.clock.now(), timedelta(seconds=1))
    async with reading(service, token) as stream:
        await stream.expects("snapshot")
        assert await stream.ends() == []
    await gone(service)
    assert sample(service, "watchkeeper_streams_ended_total", ending="expired") == 1


# Gaps.


async def lose_the_listening_connection(service: Service) -> None:
    async def work(unit: UnitOfWork) -> None:
        await unit.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                "current_database() AND application_name = 'watchkeeper-listener'"
            )
        )

    await service.database.run(work)


async def test_after_a_gap_every_stream_gets_a_new_snapshot(
    service: Service, family: Family, tablet: Player
) -> None:
    async with (
        reading(service, family.token) as guardian,
        reading(service, tablet.token) as device,
    ):
        await guardian.expects("snapshot")
        await device.expects("snapshot")
        await lose_the_listening_connection(service)
        await guardian.expects("snapshot")
        await device.expects("snapshot")


async def test_a_revocation_that_a_gap_swallowed_is_found_out(
    service: Service, family: Family, tablet: Player
) -> None:
    async with reading(service, tablet.token) as device:
        await device.expects("snapshot")

        async def revoke_unheard(unit: UnitOfWork) -> None:
            await unit.execute(text("UPDATE accounts.devices SET pairing_id = gen_random_uuid()"))

        await service.database.run(revoke_unheard)
        service.app.state.events._renew_all("test")
        assert await device.ends() == []


async def test_a_change_that_couldnt_be_read_is_told_when_the_database_is_back(
    database_url: str, cluster: Cluster
) -> None:
    settings = quick_settings(
        database=DatabaseSettings(prewarm_connections=1, restart_wait_seconds=0)
    )
    async with (
        proxy_before(database_url) as proxy,
        running_service(proxy.url, settings=settings) as service,
    ):
        family = await Family.register(service)
        child = await family.add_profile("Noa")
        async with reading(service, family.token) as stream:
            await stream.expects("snapshot")
            await proxy.go_away()
            with structlog.testing.capture_logs() as logs:
                async with reading(service, family.token) as refused:
                    assert refused.status == 503
                    assert int(refused.headers["retry-after"]) > 0
            assert "events.postponed" in [line["event"] for line in logs]
            await proxy.listen()
            (balance,) = (await stream.expects("snapshot"))["profiles"]
            assert balance["profile_id"] == child


# Readers.


async def test_a_reader_that_stops_is_dropped_and_others_go_on(
    service: Service, family: Family, child: str, tablet: Player
) -> None:
    async with (
        reading(service, family.token) as healthy,
        reading(service, tablet.token) as stuck,
    ):
        await healthy.expects("snapshot")
        await stuck.expects("snapshot")
        stuck.stop_reading()
        for number in range(WAITING_EVENTS + 2):
            limit = 15 * (1 + number % 32)
            await family.settings(child, weekday_limit_minutes=limit)
            change = await healthy.expects("policy_changed")
            assert change["balance"]["limit_minutes"] == limit
        assert await stuck.ends() == []
        assert stuck.was_aborted
        assert sample(service, "watchkeeper_streams_ended_total", ending="too_slow") == 1
        assert sample(service, "watchkeeper_streams_open") == 1


async def test_a_silent_stream_is_kept_alive_by_comments(
    database_url: str, cluster: Cluster
) -> None:
    settings = quick_settings(events=EventSettings(keep_alive_seconds=0.02))
    async with running_service(database_url, settings=settings) as service:
        family = await Family.register(service)
        async with reading(service, family.token) as stream:
            await stream.expects("snapshot")
            async with asyncio.timeout(10):
                while stream.comments < 3:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)


async def test_a_reader_that_hangs_up_is_forgotten(service: Service, family: Family) -> None:
    with structlog.testing.capture_logs() as logs:
        async with reading(service, family.token) as stream:
            await stream.expects("snapshot")
            assert sample(service, "watchkeeper_streams_open") == 1
            opened = [line for line in logs if line["event"] == "stream.opened"]
            assert [line["reader"] for line in opened] == ["guardian"]
        await gone(service)
    (closed,) = [line for line in logs if line["event"] == "stream.closed"]
    assert (closed["ending"], closed["sent"]) == ("left", 1)
    assert family.household_id not in str(logs)
    assert sample(service, "watchkeeper_streams_open") == 0
    assert sample(service, "watchkeeper_events_sent_total", event="snapshot") == 1
    assert not [line for line in logs if line["event"] == "request" and "events" in line["path"]]
    counted = {
        "method": "GET",
        "route": "/viewing-time/events",
        "status": "200",
    }
    assert sample(service, "watchkeeper_http_requests_total", **counted) == 1


async def test_head_ends_at_once(service: Service, family: Family) -> None:
    async with reading(service, family.token, method="HEAD") as stream:
        assert stream.status == 200
        assert await stream.ends() == []


# Bounds.


@pytest.fixture
async def small(database_url: str) -> AsyncIterator[Service]:
    """A service that keeps twenty streams and one connection."""
    settings = quick_settings(
        database=DatabaseSettings(prewarm_connections=1, pool_size=1, max_overflow=0),
        events=EventSettings(most_streams=20),
    )
    async with running_service(database_url, settings=settings) as service:
        yield service


async def test_one_credential_has_only_so_many_streams(service: Service, family: Family) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(STREAMS_PER_CREDENTIAL):
            await stack.enter_async_context(reading(service, family.token))
        async with reading(service, family.token) as refused:
            assert refused.status == 429
            assert int(refused.headers["retry-after"]) > 0
        other = (await sign_in(service, family.email)).json()["access_token"]
        async with reading(service, other) as stream:
            await stream.expects("snapshot")
    await gone(service)
    async with reading(service, family.token) as stream:
        await stream.expects("snapshot")


async def test_idle_streams_hold_no_connection_and_a_process_only_so_many(small: Service) -> None:
    families = [await Family.register(small) for _ in range(2)]
    child = await families[0].add_profile("Noa")
    async with AsyncExitStack() as stack:
        streams: list[Reader] = []
        for number in range(20):
            opening = reading(small, families[number % 2].token)
            streams.append(await stack.enter_async_context(opening))
        for stream in streams:
            await stream.expects("snapshot")
        third = await Family.register(small)
        async with reading(small, third.token) as refused:
            assert refused.status == 503
            assert int(refused.headers["retry-after"]) > 0
        assert sample(small, "watchkeeper_database_pool_in_use") == 0
        answer = await families[0].player(child).play(60)
        assert answer["used_minutes"] == 1
        await families[0].settings(child, weekday_limit_minutes=30)
        for stream in streams[::2]:
            await stream.expects("policy_changed")


async def test_a_service_that_stops_ends_every_stream_and_takes_no_more(
    service: Service, family: Family, tablet: Player
) -> None:
    async with (
        reading(service, family.token) as guardian,
        reading(service, tablet.token) as device,
    ):
        await guardian.expects("snapshot")
        await device.expects("snapshot")
        service.app.state.events.stop()
        assert await guardian.ends() == []
        assert await device.ends() == []
        assert not guardian.was_aborted
        async with reading(service, family.token) as refused:
            assert refused.status == 503


async def test_a_stream_that_is_being_opened_while_the_service_stops_is_refused(
    service: Service, family: Family
) -> None:
    events = service.app.state.events
    caller = service.floor.signer.read(family.token, service.clock.now())
    opening = asyncio.create_task(events.open(caller, None))
    await asyncio.sleep(0)
    assert len(events.streams) == 1
    events.stop()
    with pytest.raises(Unavailable):
        await opening
    assert len(events.streams) == 0


async def test_a_takeover_is_announced_without_a_statement_of_its_own(
    service: Service, family: Family, child: str
) -> None:
    player, other = family.player(child, "tv"), family.player(child, "phone")
    await player.beat()
    service.app.state.viewing.configurations.entries.clear("test")
    async with reading(service, family.token) as stream:
        await stream.expects("snapshot")
        service.app.state.viewing.configurations.entries.clear("test")
        with query_budget(at_most=3):
            await other.beat()
        await stream.expects("session_superseded")


async def test_many_streams_that_open_at_once_share_their_statements(
    service: Service, family: Family, child: str
) -> None:
    operations = "watchkeeper_database_operations_total"
    before = sample(service, operations)
    async with AsyncExitStack() as stack:
        opening = [stack.enter_async_context(reading(service, family.token)) for _ in range(8)]
        streams = await asyncio.gather(*opening)
        for stream in streams:
            await stream.expects("snapshot")
    # Reach, configuration and days, and once more for those who came after the round began;
    # besides, each reader of ours asked for a sign of its own.
    assert sample(service, operations) - before - len(streams) <= 6
