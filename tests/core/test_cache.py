"""Caches: bounded, timed, loaded once, and never keeping what was dropped meanwhile."""

import asyncio
from collections.abc import Sequence

import pytest
import structlog
from prometheus_client import CollectorRegistry

from tests.core.work import turns_until
from tests.harness.clock import ManualClock
from watchkeeper.core.cache import Cache
from watchkeeper.core.metrics import Metrics


class Source:
    """Where values come from: counts its calls, and waits when told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.version = 1
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.fault: Exception | None = None

    async def load(self, key: str) -> str:
        return (await self.load_many([key]))[key]

    async def load_many(self, keys: Sequence[str]) -> dict[str, str]:
        self.calls.append(tuple(keys))
        answer = {key: f"{key}{self.version}" for key in keys if not key.startswith("absent")}
        await self.may_answer.wait()
        if self.fault:
            raise self.fault
        return answer


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def cache(clock: ManualClock, metrics: Metrics) -> Cache[str, str]:
    return Cache("test", max_entries=3, ttl_seconds=60, monotonic=clock.monotonic, metrics=metrics)


@pytest.fixture
async def source() -> Source:
    return Source()


async def test_a_value_is_loaded_once_within_its_time(
    cache: Cache[str, str], source: Source, clock: ManualClock
) -> None:
    assert await cache.get("a", source.load) == "a1"
    clock.advance(seconds=59.9)
    assert await cache.get("a", source.load) == "a1"
    assert source.calls == [("a",)]
    clock.advance(seconds=0.2)
    source.version = 2
    assert await cache.get("a", source.load) == "a2"


async def test_the_least_recently_used_goes_first(cache: Cache[str, str], source: Source) -> None:
    for key in "abc":
        await cache.get(key, source.load)
    await cache.get("a", source.load)
    await cache.get("d", source.load)
    assert len(cache) == 3
    source.calls.clear()
    for key in "acdb":
        await cache.get(key, source.load)
    assert source.calls == [("b",)]


async def test_concurrent_misses_share_one_load(cache: Cache[str, str], source: Source) -> None:
    source.may_answer.clear()
    callers = [asyncio.create_task(cache.get("a", source.load)) for _ in range(20)]
    await turns_until(lambda: bool(source.calls))
    source.may_answer.set()
    assert await asyncio.gather(*callers) == ["a1"] * 20
    assert source.calls == [("a",)]
    assert (cache.hits, cache.misses) == (0, 20)


async def test_many_keys_are_loaded_with_one_call_and_join_loads_under_way(
    cache: Cache[str, str], source: Source
) -> None:
    await cache.get("a", source.load)
    source.may_answer.clear()
    first = asyncio.create_task(cache.get_many(["a", "b"], source.load_many))
    await turns_until(lambda: len(source.calls) == 2)
    second = asyncio.create_task(cache.get_many(["b", "c", "absent", "b"], source.load_many))
    await turns_until(lambda: len(source.calls) == 3)
    source.may_answer.set()
    assert await first == {"a": "a1", "b": "b1"}
    assert await second == {"b": "b1", "c": "c1"}
    assert source.calls == [("a",), ("b",), ("c", "absent")]


async def test_what_is_not_there_is_not_remembered(cache: Cache[str, str], source: Source) -> None:
    for _ in range(2):
        assert await cache.get_many(["absent"], source.load_many) == {}
    assert len(source.calls) == 2


async def test_errors_reach_everyone_and_are_not_remembered(
    cache: Cache[str, str], source: Source
) -> None:
    source.fault = KeyError("the loader's own")
    source.may_answer.clear()
    callers = [asyncio.create_task(cache.get("a", source.load)) for _ in range(3)]
    await turns_until(lambda: bool(source.calls))
    source.may_answer.set()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert results == [source.fault] * 3
    source.fault = None
    assert await cache.get("a", source.load) == "a1"


async def test_a_cancelled_caller_does_not_take_the_others_along(
    cache: Cache[str, str], source: Source
) -> None:
    source.may_answer.clear()
    first = asyncio.create_task(cache.get("a", source.load))
    await turns_until(lambda: bool(source.calls))
    second = asyncio.create_task(cache.get("a", source.load))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    source.may_answer.set()
    assert await second == "a1"
    assert await cache.get("a", source.load) == "a1"
    assert source.calls == [("a",)]


@pytest.mark.parametrize("how", ["drop", "drop_where", "clear"])
async def test_a_load_that_began_before_a_drop_is_not_kept(
    cache: Cache[str, str], source: Source, how: str
) -> None:
    source.may_answer.clear()
    early = asyncio.create_task(cache.get("a", source.load))
    await turns_until(lambda: bool(source.calls))
    source.version = 2
    match how:
        case "drop":
            cache.drop("a")
        case "drop_where":
            cache.drop_where(lambda key: key == "a")
        case _:
            cache.clear("a gap")
    # Whoever asks after the drop must not join the load from before it.
    late = asyncio.create_task(cache.get("a", source.load))
    await turns_until(lambda: len(source.calls) == 2)
    source.may_answer.set()
    assert await early == "a1"
    assert await late == "a2"
    assert await cache.get("a", source.load) == "a2"
    assert len(source.calls) == 2


async def test_drops_are_counted_and_logged_without_the_key(
    cache: Cache[str, str], source: Source, metrics: Metrics
) -> None:
    for key in "abc":
        await cache.get(key, source.load)
    await cache.get("a", source.load)
    with structlog.testing.capture_logs() as logs:
        cache.drop("a")
        cache.drop("a")
        cache.drop_where(lambda key: key in "bx")
        cache.clear("listening began")
        cache.clear("listening began")
    assert cache.invalidations == 3
    assert [(line["entries"], line["reason"]) for line in logs] == [
        (1, "dropped"),
        (1, "dropped"),
        (1, "listening began"),
    ]
    assert cache.hit_rate == 0.25
    registry: CollectorRegistry = metrics.registry
    for name, value in {"hits": 1, "misses": 3, "invalidations": 3}.items():
        assert registry.get_sample_value(f"watchkeeper_cache_{name}_total", {"cache": "test"}) == (
            value
        )
    assert registry.get_sample_value("watchkeeper_cache_entries", {"cache": "test"}) == 0


async def test_an_entry_that_expires_between_two_looks_is_a_miss(
    metrics: Metrics, source: Source
) -> None:
    now = 0.0

    def racing_clock() -> float:
        nonlocal now
        now += 0.4
        return now

    cache: Cache[str, str] = Cache(
        "racing", max_entries=3, ttl_seconds=1, monotonic=racing_clock, metrics=metrics
    )
    for _ in range(50):
        assert await cache.get("a", source.load) == "a1"
