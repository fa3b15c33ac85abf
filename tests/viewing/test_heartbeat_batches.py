"""Batches of heartbeats: when they leave, with whom, and what a failure or a flood does to them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import pytest

from tests.core.work import turns_until
from watchkeeper.core.auth import Role, UserPrincipal
from watchkeeper.core.config import HeartbeatSettings
from watchkeeper.core.ids import new_id
from watchkeeper.core.metrics import Metrics, count_operations, record_statement
from watchkeeper.core.problems import (
    DatabaseUnavailable,
    NotFound,
    Overloaded,
    TooManyRequests,
    Unavailable,
)
from watchkeeper.viewing.repository import ProfileKey
from watchkeeper.viewing.service.heartbeat_batches import HeartbeatBatches, Result, Settle
from watchkeeper.viewing.service.heartbeats import HeartbeatCall
from watchkeeper.viewing.types import DeviceType, Heartbeat, PlayState

HOUSEHOLD = UUID(int=1)


def call(profile: int, number: int = 0) -> HeartbeatCall:
    """A heartbeat of a profile; `number` tells those of one profile apart."""
    return HeartbeatCall(
        caller=UserPrincipal(UUID(int=2), UUID(int=3), HOUSEHOLD, frozenset({Role.GUARDIAN})),
        key=ProfileKey(HOUSEHOLD, UUID(int=1000 + profile)),
        heartbeat=Heartbeat(
            new_session_id=new_id(),
            device_id=f"{profile}.{number}",
            device_type=DeviceType.TV,
            state=PlayState.PLAYING,
        ),
    )


def answer_to(one: HeartbeatCall) -> Result:
    """An answer that names what it answers; these tests look at nothing else in it."""
    return cast("Result", f"answer to {one.heartbeat.device_id}")


@dataclass
class Settled:
    """A stand-in for what settles: each batch is seen here, and ends when the test says so."""

    batches: list[list[str]] = field(default_factory=list)
    gates: list[asyncio.Event] = field(default_factory=list)
    faults: dict[str, Exception] = field(default_factory=dict)
    waited: list[float] = field(default_factory=list)
    is_open: bool = False
    ended: int = 0

    async def __call__(
        self, calls: Sequence[HeartbeatCall], waited_seconds: Sequence[float]
    ) -> list[Result]:
        names = [one.heartbeat.device_id for one in calls]
        gate = asyncio.Event()
        self.batches.append(names)
        self.gates.append(gate)
        self.waited += waited_seconds
        record_statement("settle", 2)
        if not self.is_open:
            await gate.wait()
        self.ended += 1
        for name in names:
            if name in self.faults:
                raise self.faults[name]
        return [answer_to(one) for one in calls]

    def open(self) -> None:
        """Let everything end, now and from now on."""
        self.is_open = True
        for gate in self.gates:
            gate.set()


@pytest.fixture
def settled() -> Settled:
    return Settled()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


class Crowd:
    """Callers of one `HeartbeatBatches`."""

    def __init__(self, settle: Settle, metrics: Metrics, **settings: Any) -> None:
        self.batches = HeartbeatBatches(settle, HeartbeatSettings(**settings), metrics)

    async def send(self, *calls: HeartbeatCall) -> list["asyncio.Task[Result]"]:
        """Send heartbeats in this order, and give each its turn to arrive."""
        tasks = [asyncio.create_task(self.batches.answer(one)) for one in calls]
        await pause()
        return tasks


async def pause() -> None:
    """Let everybody have their turns: what can happen without the test has happened."""
    for _ in range(10):
        await asyncio.sleep(0)


def sample(metrics: Metrics, name: str) -> float:
    value = metrics.registry.get_sample_value(f"watchkeeper_{name}")
    assert value is not None, name
    return value


async def test_a_heartbeat_leaves_at_once_when_idle(settled: Settled, metrics: Metrics) -> None:
    settled.is_open = True
    crowd = Crowd(settled, metrics)
    one = call(1)
    assert await crowd.batches.answer(one) == answer_to(one)
    assert settled.batches == [["1.0"]]
    assert sample(metrics, "heartbeats_queued") == 0


async def test_two_are_in_flight_and_the_others_gather(settled: Settled, metrics: Metrics) -> None:
    crowd = Crowd(settled, metrics)
    tasks = await crowd.send(*(call(profile) for profile in range(6)))
    assert settled.batches == [["0.0"], ["1.0"]]
    assert sample(metrics, "heartbeats_queued") == 4
    settled.gates[1].set()
    await pause()
    assert settled.batches[2:] == [["2.0", "3.0", "4.0", "5.0"]], "one leaves when one ends"
    assert sample(metrics, "heartbeats_queued") == 0
    settled.open()
    assert await asyncio.gather(*tasks) == [answer_to(call(profile)) for profile in range(6)]
    assert sample(metrics, "heartbeat_batch_size_count") == 3
    assert sample(metrics, "heartbeat_batch_size_sum") == 6
    assert sample(metrics, "heartbeat_wait_seconds_count") == 6


async def test_a_batch_is_no_larger_than_allowed(settled: Settled, metrics: Metrics) -> None:
    crowd = Crowd(settled, metrics, batch_size=3)
    tasks = await crowd.send(*(call(profile) for profile in range(10)))
    settled.open()
    await asyncio.gather(*tasks)
    assert [len(batch) for batch in settled.batches] == [1, 1, 3, 3, 2]


async def test_one_in_flight_when_one_is_allowed(settled: Settled, metrics: Metrics) -> None:
    crowd = Crowd(settled, metrics, batches_in_flight=1)
    tasks = await crowd.send(call(1), call(2), call(3))
    assert settled.batches == [["1.0"]]
    settled.open()
    await asyncio.gather(*tasks)
    assert settled.batches == [["1.0"], ["2.0", "3.0"]]


async def test_heartbeats_of_one_profile_go_one_after_the_other(
    settled: Settled, metrics: Metrics
) -> None:
    crowd = Crowd(settled, metrics)
    tasks = await crowd.send(call(1, 0), call(1, 1), call(1, 2), call(2, 0), call(3, 0), call(2, 1))
    assert settled.batches == [["1.0"], ["2.0"]], "the second batch passes by what must wait"
    settled.gates[1].set()
    await pause()
    assert settled.batches[2:] == [["3.0", "2.1"]], "1.0 is in flight, so 1.1 isn't"
    settled.gates[0].set()
    await pause()
    assert settled.batches[3:] == [["1.1"]]
    settled.gates[3].set()
    await pause()
    assert settled.batches[4:] == [["1.2"]]
    settled.open()
    await asyncio.gather(*tasks)


async def test_a_flood_of_one_profile_delays_nobody_else(
    settled: Settled, metrics: Metrics
) -> None:
    crowd = Crowd(settled, metrics)
    tasks = await crowd.send(*(call(1, number) for number in range(50)), call(2))
    assert settled.batches == [["1.0"], ["2.0"]]
    settled.open()
    await asyncio.gather(*tasks)
    of_one = [name for batch in settled.batches for name in batch if name.startswith("1.")]
    assert of_one == [f"1.{number}" for number in range(50)]


async def test_a_caller_who_goes_away_takes_nobody_along(
    settled: Settled, metrics: Metrics
) -> None:
    crowd = Crowd(settled, metrics)
    tasks = await crowd.send(*(call(profile) for profile in range(5)))
    tasks[0].cancel()  # alone in flight
    tasks[3].cancel()  # waiting
    await pause()
    assert tasks[0].cancelled()
    assert tasks[3].cancelled()
    settled.open()
    for profile in (1, 2, 4):
        assert await tasks[profile] == answer_to(call(profile))
    assert settled.batches == [["0.0"], ["1.0"], ["2.0", "3.0", "4.0"]]
    assert settled.ended == 3, "what was taken counts, whoever listens"


async def test_a_batch_that_fails_is_tried_one_by_one(settled: Settled, metrics: Metrics) -> None:
    crowd = Crowd(settled, metrics)
    settled.faults = {"3.0": ValueError("a row that can't be read"), "5.0": KeyError("another")}
    tasks = await crowd.send(*(call(profile) for profile in range(6)))
    settled.open()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[3] is settled.faults["3.0"]
    assert results[5] is settled.faults["5.0"]
    for profile in (0, 1, 2, 4):
        assert results[profile] == answer_to(call(profile))
    assert settled.batches[2:] == [["2.0", "3.0", "4.0", "5.0"], ["2.0"], ["3.0"], ["4.0"], ["5.0"]]
    assert sample(metrics, "heartbeat_batches_one_by_one_total") == 1


async def test_a_lone_heartbeat_that_fails_is_tried_once(
    settled: Settled, metrics: Metrics
) -> None:
    settled.is_open = True
    settled.faults = {"1.0": ValueError("a row that can't be read")}
    with pytest.raises(ValueError, match="a row"):
        await Crowd(settled, metrics).batches.answer(call(1))
    assert settled.batches == [["1.0"]]
    assert sample(metrics, "heartbeat_batches_one_by_one_total") == 0


async def test_a_database_that_is_away_refuses_all_without_another_try(
    settled: Settled, metrics: Metrics
) -> None:
    crowd = Crowd(settled, metrics)
    settled.faults = {"2.0": DatabaseUnavailable(log="away")}
    tasks = await crowd.send(*(call(profile) for profile in range(4)))
    settled.open()
    results = await asyncio.gather(*tasks)
    assert settled.batches == [["0.0"], ["1.0"], ["2.0", "3.0"]]
    refused = [result for result in results if isinstance(result, DatabaseUnavailable)]
    assert refused == results[2:]
    assert refused[0] is not refused[1]
    assert [(one.log, one.headers()) for one in refused] == [("away", {"Retry-After": "2"})] * 2


async def test_a_database_that_goes_away_between_two_tries_refuses_the_rest(
    settled: Settled, metrics: Metrics
) -> None:
    crowd = Crowd(settled, metrics)
    settled.faults = {"3.0": ValueError("a row"), "4.0": DatabaseUnavailable()}
    tasks = await crowd.send(*(call(profile) for profile in range(7)))
    settled.open()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[2] == answer_to(call(2))
    assert results[3] is settled.faults["3.0"]
    assert [type(result) for result in results[4:]] == [DatabaseUnavailable] * 3
    assert settled.batches[3:] == [["2.0"], ["3.0"], ["4.0"]]


async def test_refusals_of_single_heartbeats_are_answers(metrics: Metrics) -> None:
    async def settle(calls: Sequence[HeartbeatCall], _waited: Sequence[float]) -> list[Result]:
        return [NotFound() for _ in calls]

    crowd = Crowd(settle, metrics)
    assert isinstance(await crowd.batches.answer(call(1)), NotFound)


async def test_a_full_queue_refuses_and_spreads_who_comes_back(
    settled: Settled, metrics: Metrics
) -> None:
    crowd = Crowd(settled, metrics, queue=3)
    tasks = await crowd.send(*(call(profile) for profile in range(5)))
    refusals = []
    for number in range(100):
        with pytest.raises(Overloaded) as caught:
            await crowd.batches.answer(call(100 + number))
        refusals.append(caught.value)
    next_beats = {refusal.body()["next_beat_ms"] for refusal in refusals}
    assert len(next_beats) > 90
    assert min(next_beats) >= 5_000
    assert max(next_beats) <= 35_000
    for refusal in refusals:
        assert refusal.status == 503
        wanted = -(-refusal.body()["next_beat_ms"] // 1000)
        assert int(refusal.headers()["Retry-After"]) in {wanted, wanted + 1}
    assert sample(metrics, "heartbeats_overloaded_total") == 100
    settled.open()
    assert await asyncio.gather(*tasks) == [answer_to(call(profile)) for profile in range(5)]
    assert await crowd.batches.answer(call(9)) == answer_to(call(9)), "there is room again"


async def test_one_profile_cant_fill_the_queue(settled: Settled, metrics: Metrics) -> None:
    crowd = Crowd(settled, metrics, queue=300)
    tasks = await crowd.send(*(call(1, number) for number in range(201)))
    with pytest.raises(TooManyRequests) as caught:
        await crowd.batches.answer(call(1, 201))
    assert caught.value.headers() == {"Retry-After": "1"}
    tasks += await crowd.send(call(2), call(3), call(4))
    settled.open()
    assert len(await asyncio.gather(*tasks)) == 204
    assert await crowd.batches.answer(call(1, 201)) == answer_to(call(1, 201))


async def test_a_queue_that_is_full_of_one_profile_lets_others_pass(
    settled: Settled, metrics: Metrics
) -> None:
    crowd = Crowd(settled, metrics, queue=3)
    tasks = await crowd.send(*(call(1, number) for number in range(4)))
    tasks += await crowd.send(call(2))
    assert settled.batches == [["1.0"], ["2.0"]]
    settled.open()
    await asyncio.gather(*tasks)


async def test_stopping_answers_what_was_taken_and_refuses_the_rest(
    settled: Settled, metrics: Metrics
) -> None:
    crowd = Crowd(settled, metrics)
    tasks = await crowd.send(*(call(profile) for profile in range(5)), call(0, 1))
    stopping = asyncio.create_task(crowd.batches.stop(within_seconds=60))
    await pause()
    with pytest.raises(Unavailable, match="stopping"):
        await crowd.batches.answer(call(9))
    assert not stopping.done()
    settled.open()
    await stopping
    assert [task.done() for task in tasks] == [True] * 6
    assert tasks[5].result() == answer_to(call(0, 1))
    assert "9.0" not in [name for batch in settled.batches for name in batch]


@pytest.mark.parametrize("have_begun", [True, False])
async def test_what_is_not_settled_in_time_is_refused(
    settled: Settled, metrics: Metrics, have_begun: bool
) -> None:
    crowd = Crowd(settled, metrics)
    calls = [call(profile) for profile in range(4)]
    tasks = [asyncio.create_task(crowd.batches.answer(one)) for one in calls]
    await (pause() if have_begun else asyncio.sleep(0))
    assert len(settled.batches) == (2 if have_begun else 0)
    await crowd.batches.stop(within_seconds=0)
    results = await asyncio.gather(*tasks)
    assert [type(result) for result in results] == [Unavailable] * 4
    assert settled.ended == 0
    await crowd.batches.stop(within_seconds=60)


async def test_stopping_when_nothing_is_under_way(settled: Settled, metrics: Metrics) -> None:
    await Crowd(settled, metrics).batches.stop(within_seconds=0)


async def test_each_goes_alone_when_batching_is_off(settled: Settled, metrics: Metrics) -> None:
    crowd = Crowd(settled, metrics, batching=False)
    tasks = await crowd.send(*(call(profile) for profile in range(6)), call(1, 1))
    assert sorted(settled.batches) == [[f"{n}.0"] for n in (0, 1)] + [["1.1"]] + [
        [f"{n}.0"] for n in (2, 3, 4, 5)
    ]
    settled.open()
    await asyncio.gather(*tasks)
    assert settled.waited == [0.0] * 7


async def test_operations_are_counted_for_the_first_of_a_batch(
    settled: Settled, metrics: Metrics
) -> None:
    crowd = Crowd(settled, metrics)
    counts = []

    async def send(profile: int) -> None:
        with count_operations() as count:
            await crowd.batches.answer(call(profile))
        counts.append((profile, count.operations))

    tasks = [asyncio.create_task(send(profile)) for profile in range(5)]
    await turns_until(lambda: len(settled.batches) == 2)
    settled.open()
    await asyncio.gather(*tasks)
    assert sorted(counts) == [(0, 2), (1, 2), (2, 2), (3, 0), (4, 0)]
    assert len(settled.waited) == 5
    assert min(settled.waited) >= 0
