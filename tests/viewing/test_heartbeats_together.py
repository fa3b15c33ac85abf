"""Many heartbeats at once over HTTP, on the real database, with batches and without."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from tests.core.work import turns_until
from tests.harness.cluster import Cluster
from tests.harness.family import Family, Player
from tests.harness.service import Service, quick_settings, running_service
from tests.harness.sums import assert_sums_agree, read_sums
from tests.viewing.test_heartbeat_batches import call
from watchkeeper.core.config import HeartbeatSettings
from watchkeeper.core.database import UnitOfWork
from watchkeeper.viewing.repository import lock_viewers

FAMILIES, CHILDREN = 5, 10
# The first is repeated; each names what was played until then.
SEQS = ((1, 0.25), (1, 0.25), (2, 0.5), (3, 1.0))


def sample(service: Service, name: str) -> float:
    value = service.floor.metrics.registry.get_sample_value(f"watchkeeper_{name}")
    assert value is not None, name
    return value


async def children_of(service: Service) -> list[Player]:
    """Fifty children with a counting player each; a family's share one screen's title."""
    players = []
    for _ in range(FAMILIES):
        family = await Family.register(service)
        for number in range(CHILDREN):
            child = await family.add_profile(f"Child {number}")
            players.append(family.player(child, f"screen-{number // 2}", counting=True))
    return players


def beats_of(players: list[Player]) -> list[tuple[int, dict[str, Any]]]:
    """Two hundred heartbeats, four of each child; every child has played another time."""
    return [
        (number, {"seq": seq, "played_ms": round(share * (5_000 + 480 * number)), "paused_ms": 0})
        for seq, share in SEQS
        for number in range(len(players))
    ]


@dataclass(frozen=True, slots=True)
class Charged:
    """What came of it: in total for each child, and what the last heartbeat was told."""

    counted_ms: list[int]
    used_minutes: list[float]
    acks: list[list[int]]


async def charge(cluster: Cluster, *, batching: bool) -> Charged:
    """All heartbeats at once with batches, or one after the other without."""
    settings = quick_settings(heartbeats=HeartbeatSettings(batching=batching))
    async with (
        cluster.database() as url,
        running_service(url, settings=settings) as service,
    ):
        players = await children_of(service)
        acks: list[list[int]] = [[] for _ in players]
        used: list[float] = [0.0 for _ in players]

        async def send(number: int, fields: dict[str, Any]) -> None:
            answer = await players[number].beat(**fields)
            acks[number].append(answer["ack_seq"])
            used[number] = answer["used_minutes"]

        async def send_all(beats: list[tuple[int, dict[str, Any]]]) -> None:
            if batching:
                await asyncio.gather(*(send(*beat) for beat in beats))
            else:
                for beat in beats:
                    await send(*beat)

        await send_all([(number, {}) for number in range(len(players))])
        service.clock.advance(seconds=30)
        await send_all(beats_of(players))
        assert sample(service, "heartbeat_seconds_count") == 250
        if batching:
            assert sample(service, "heartbeat_batch_size_sum") == 250
            assert sample(service, "heartbeat_batch_size_count") < 125
            assert sample(service, "heartbeats_queued") == 0
            assert sample(service, "heartbeat_batches_one_by_one_total") == 0
        sums = [await assert_sums_agree(service.database, one.profile_id) for one in players]
        assert {one.open_sessions for one in sums} == {1}
        return Charged([one.days_counted for one in sums], used, acks)


async def test_two_hundred_at_once_are_charged_as_one_by_one(cluster: Cluster) -> None:
    together = await charge(cluster, batching=True)
    alone = await charge(cluster, batching=False)
    assert together == alone
    assert together.acks == [[0, 1, 1, 2, 3]] * (FAMILIES * CHILDREN), "each child's in order"
    assert together.counted_ms == [5_000 + 480 * number for number in range(FAMILIES * CHILDREN)]


async def spoil_session(service: Service, profile_id: str) -> None:
    """Make the row of a child's session unreadable for us."""

    async def work(unit: UnitOfWork) -> None:
        await unit.execute(
            text("UPDATE viewing.sessions SET state = 'dancing' WHERE profile_id = :profile_id"),
            {"profile_id": UUID(profile_id)},
        )

    await service.database.run(work)


async def test_a_bad_row_fails_alone(family: Family) -> None:
    service = family.service
    players = [
        family.player(await family.add_profile(f"Child {number}"), f"screen-{number}")
        for number in range(8)
    ]
    for player in players:
        await player.beat()
    bad = players[5]
    await spoil_session(service, bad.profile_id)
    service.clock.advance(seconds=30)
    answers = await asyncio.gather(*(player.send() for player in players))
    assert [answer.status_code for answer in answers] == [200] * 5 + [503] + [200] * 2
    refused = answers[5]
    assert refused.json()["type"] == "viewing/undecided"
    assert refused.headers["Retry-After"]
    assert sample(service, "heartbeat_batches_one_by_one_total") == 1, "they shared a batch"
    for player, answer in zip(players, answers, strict=True):
        if player is not bad:
            assert answer.json()["used_minutes"] == 0.5
            await assert_sums_agree(service.database, player.profile_id)
    assert (await read_sums(service.database, bad.profile_id)).days_counted == 0


async def hold_profile(family: Family, child: str, held: asyncio.Event, end: asyncio.Event) -> None:
    """Keep a profile's row locked until `end`."""

    async def work(unit: UnitOfWork) -> None:
        await lock_viewers(unit, UUID(family.household_id), [UUID(child)])
        held.set()
        await end.wait()

    await family.service.database.run(work)


async def test_a_full_queue_says_when_to_come_back(database_url: str) -> None:
    settings = quick_settings(heartbeats=HeartbeatSettings(batches_in_flight=1, queue=2))
    async with running_service(database_url, settings=settings) as service:
        family = await Family.register(service)
        children = [await family.add_profile(name) for name in ("Noa", "Leo", "Mia", "Ben")]
        held, end = asyncio.Event(), asyncio.Event()
        holding = asyncio.create_task(hold_profile(family, children[0], held, end))
        await held.wait()
        waiting = [asyncio.create_task(family.player(child).send()) for child in children[:3]]
        await turns_until(lambda: sample(service, "heartbeats_queued") == 2)
        refused = await family.player(children[3]).send()
        assert refused.status_code == 503
        assert refused.headers["content-type"] == "application/problem+json"
        document = refused.json()
        assert document["type"] == "core/overloaded"
        assert 5_000 <= document["next_beat_ms"] <= 35_000
        assert 5 <= int(refused.headers["Retry-After"]) <= 35
        end.set()
        await holding
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200] * 3
        assert (await family.player(children[3]).send()).status_code == 200


async def test_what_was_taken_is_answered_before_the_service_is_closed(
    service: Service, family: Family
) -> None:
    settings = quick_settings(heartbeats=HeartbeatSettings(batches_in_flight=1))
    async with running_service(
        service.database_url, clock=service.clock, settings=settings
    ) as closing:
        twin = Family(closing, family.email, family.household_id, family.token, "")
        children = [await family.add_profile(f"Child {number}") for number in range(5)]
        sending = [asyncio.create_task(twin.player(child).send()) for child in children]
        await turns_until(lambda: sample(closing, "heartbeats_queued") == 4)
    answers = [await task for task in sending]
    assert [answer.status_code for answer in answers] == [200] * 5
    for child in children:
        assert (await assert_sums_agree(service.database, child)).open_sessions == 1


async def test_a_wait_in_the_queue_is_part_of_a_heartbeats_duration(service: Service) -> None:
    await service.app.state.viewing.heartbeats.answer([call(1), call(2)], [5.0, 0.0])
    assert service.floor.metrics.heartbeat.total == 2
    assert service.floor.metrics.heartbeat.max_ms >= 5_000
    assert sample(service, "heartbeat_seconds_sum") >= 5
