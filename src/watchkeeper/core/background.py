"""Tasks that run for as long as the service does."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from watchkeeper.core.problems import Problem

log = structlog.get_logger(__name__)

_PAUSE_AFTER_FAULT_SECONDS = 1.0


class BackgroundTasks:
    """Keeps tasks running until they are stopped; a fault is logged and the task begun again.

    Without this an error nobody foresaw would end the listener or the clock in silence, and the
    service would go on with stale caches.
    """

    def __init__(self, *, pause_after_fault_seconds: float = _PAUSE_AFTER_FAULT_SECONDS) -> None:
        self._pause_seconds = pause_after_fault_seconds
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Begin `work`; when it returns, the task has done what it had to."""
        self._tasks.append(asyncio.create_task(self._keep_running(name, work), name=name))

    async def stop(self) -> None:
        """Cancel all tasks and wait for their end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _keep_running(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception:
                # An edge: there is nobody above to tell.
                log.exception("background.fault", task=name)
                await asyncio.sleep(self._pause_seconds)
            else:
                return


async def repeat(work: Callable[[], Awaitable[object]], *, every_seconds: float) -> None:
    """Run `work` again and again, first after one pause; a refusal waits for the next time."""
    while True:
        await asyncio.sleep(every_seconds)
        try:
            await work()
        except Problem as problem:
            log.warning("background.postponed", reason=problem.log or problem.detail)
