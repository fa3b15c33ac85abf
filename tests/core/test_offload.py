"""Executors: slow work leaves the event loop alone, and too much of it is refused."""

import asyncio
import os
import sys
import threading

import pytest

from tests.core.work import turns_until
from watchkeeper.core.metrics import Metrics
from watchkeeper.core.offload import Executor
from watchkeeper.core.problems import Overloaded


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def executor(metrics: Metrics) -> Executor:
    return Executor("hashing", threads=1, queue_limit=2, metrics=metrics)


async def test_work_runs_in_a_thread_with_the_executors_name(executor: Executor) -> None:
    name = await executor.run(lambda: threading.current_thread().name)
    assert name.startswith("hashing")
    assert await executor.run(pow, 2, 5, mod=7) == 4


async def test_errors_are_handed_on_and_give_the_place_back(executor: Executor) -> None:
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            await executor.run(divmod, 1, 0)
    await turns_until(lambda: executor.pending == 0)


async def test_a_full_queue_refuses_at_once_while_the_loop_goes_on(
    executor: Executor, metrics: Metrics
) -> None:
    may_end = threading.Event()
    running = [asyncio.create_task(executor.run(may_end.wait)) for _ in range(3)]
    # The loop is free: this very test goes on while the thread is blocked.
    await turns_until(lambda: executor.pending == 3)
    with pytest.raises(Overloaded) as caught:
        await executor.run(may_end.wait)
    assert caught.value.status == 503
    assert "Retry-After" in caught.value.headers()
    sample = metrics.registry.get_sample_value
    assert sample("watchkeeper_offload_refused_total", {"executor": "hashing"}) == 1
    may_end.set()
    await asyncio.gather(*running)
    await turns_until(lambda: executor.pending == 0)
    assert sample("watchkeeper_offload_pending", {"executor": "hashing"}) == 0


async def test_cancelled_callers_give_their_places_back(executor: Executor) -> None:
    may_end, has_begun = threading.Event(), threading.Event()
    ran: list[str] = []

    def block() -> None:
        has_begun.set()
        may_end.wait()

    first = asyncio.create_task(executor.run(block))
    queued = [asyncio.create_task(executor.run(ran.append, name)) for name in "ab"]
    await turns_until(has_begun.is_set)
    for task in (first, *queued):
        task.cancel()
    await asyncio.gather(first, *queued, return_exceptions=True)
    # What hadn't begun is gone at once; the thread keeps its place until it is done.
    await turns_until(lambda: executor.pending == 1)
    may_end.set()
    await turns_until(lambda: executor.pending == 0)
    assert ran == []


async def test_a_closed_executor_refuses(executor: Executor) -> None:
    may_end = threading.Event()
    running = asyncio.create_task(executor.run(may_end.wait))
    await turns_until(lambda: executor.pending == 1)
    executor.close()
    with pytest.raises(Overloaded):
        await executor.run(int)
    may_end.set()
    assert await running


def test_a_thread_that_outlives_the_event_loop_is_no_fault() -> None:
    may_end = threading.Event()
    executor = Executor("late", threads=1, queue_limit=1, metrics=Metrics())

    async def begin_and_leave() -> None:
        asyncio.get_running_loop().call_later(0, lambda: None)
        task = asyncio.create_task(executor.run(may_end.wait))
        await turns_until(lambda: executor.pending == 1)
        task.cancel()

    asyncio.run(begin_and_leave())
    may_end.set()
    executor._pool.shutdown(wait=True)
    assert executor.pending == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
async def test_the_work_gives_way_to_the_event_loop(executor: Executor) -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert await executor.run(niceness) > niceness()
