"""Bounded executors for CPU-bound work, so that hashing or exports never stall the event loop."""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from watchkeeper.core.metrics import Metrics
from watchkeeper.core.problems import Overloaded

# Work that nobody's player waits for gives way to heartbeats when the cores are all busy.
_NICENESS = 15

P = ParamSpec("P")
T = TypeVar("T")


class Executor:
    """A named thread pool with a queue limit.

    Threads suffice because the work that goes here (argon2, image codecs, compression) releases
    the interpreter lock.
    """

    def __init__(self, name: str, *, threads: int, queue_limit: int, metrics: Metrics) -> None:
        self.name = name
        self._limit = threads + queue_limit
        self._pending = 0
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, name, initializer=_give_way)
        self._gauge = metrics.offload_pending.labels(executor=name)
        self._refused = metrics.offload_refused.labels(executor=name)

    @property
    def pending(self) -> int:
        """How much work runs or waits."""
        return self._pending

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in a thread and return its result.

        A caller that is cancelled takes work that hasn't begun out of the queue. Raises
        `Overloaded` (503) at once when the queue is full: refusing early keeps a flood from
        delaying everyone behind it.
        """
        self._take_place()
        try:
            future = self._pool.submit(work, *args, **kwargs)
        except RuntimeError as error:
            self._release()
            raise Overloaded("The service is stopping.", log=f"{self.name} is closed") from error
        # The place is free when the thread is done, also when the caller went away before.
        future.add_done_callback(self._release)
        return await asyncio.wrap_future(future)

    def _take_place(self) -> None:
        with self._lock:
            if self._pending >= self._limit:
                self._refused.inc()
                raise Overloaded(
                    "Too many checks are waiting. Please try again in a moment.",
                    log=f"executor {self.name} is full",
                )
            self._pending += 1
            self._gauge.set(self._pending)

    def _release(self, _done: "Future[Any] | None" = None) -> None:
        """Called in the thread that ran the work, which may outlive the event loop."""
        with self._lock:
            self._pending -= 1
            self._gauge.set(self._pending)

    def close(self) -> None:
        """Let running work end, drop what waits, and refuse more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _give_way() -> None:
    """Lower the priority of the thread that calls this; only Linux has one for each thread."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
