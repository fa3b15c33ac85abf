"""Bounded in-process caches with a time to live; concurrent misses share one load.

The storage is cachetools' `TTLCache` (least recently used goes first). What is added here is
that loads are shared, that a value whose key was dropped while it was being loaded is handed
out but not kept, and that hits, misses and drops are counted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

import structlog
from cachetools import TTLCache

from watchkeeper.core.metrics import Metrics

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

log = structlog.get_logger(__name__)


class Cache(Generic[K, V]):
    """One named cache. All calls come from the event loop, so there are no locks."""

    def __init__(
        self,
        name: str,
        *,
        max_entries: int,
        ttl_seconds: float,
        monotonic: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self.name = name
        self.max_entries = max_entries
        self.hits = self.misses = self.invalidations = 0
        self._entries: TTLCache[K, V] = TTLCache(max_entries, ttl_seconds, timer=monotonic)
        self._loading: dict[K, asyncio.Task[dict[K, V]]] = {}
        self._hit_counter = metrics.cache_hits.labels(cache=name)
        self._miss_counter = metrics.cache_misses.labels(cache=name)
        self._drop_counter = metrics.cache_invalidations.labels(cache=name)
        metrics.cache_entries.labels(cache=name).set_function(lambda: len(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    async def get(self, key: K, load: Callable[[K], Awaitable[V]]) -> V:
        """The value of `key`, loaded once however many callers miss it at the same time."""

        async def load_one(keys: Sequence[K]) -> dict[K, V]:
            return {keys[0]: await load(keys[0])}

        return (await self.get_many([key], load_one))[key]

    async def get_many(
        self, keys: Iterable[K], load: Callable[[Sequence[K]], Awaitable[dict[K, V]]]
    ) -> dict[K, V]:
        """The values of `keys`; all misses of this call are loaded with one call of `load`.

        Keys that `load` doesn't return are absent from the result and aren't remembered.
        Raises what `load` raises, to every caller that waits for it; errors aren't remembered.
        A caller that is cancelled leaves its load to those who wait for it too.
        """
        wanted = tuple(dict.fromkeys(keys))
        found = self.find_many(wanted)
        absent = [key for key in wanted if key not in found]
        if not absent:
            return found
        missing = [key for key in absent if key not in self._loading]
        if missing:
            self._start(missing, load)
        loads = {key: self._loading[key] for key in absent}
        for task in dict.fromkeys(loads.values()):
            values = await asyncio.shield(task)
            found |= {key: values[key] for key in absent if loads[key] is task and key in values}
        return found

    def find_many(
        self, keys: Iterable[K], *, is_current: Callable[[K, V], bool] | None = None
    ) -> dict[K, V]:
        """Those of `keys` that are remembered, without loading the others.

        One that `is_current` denies counts as missing, for callers who know more than we do.
        """
        wanted = tuple(dict.fromkeys(keys))
        found = {}
        for key in wanted:
            value = self._entries.get(key)
            if value is not None and (is_current is None or is_current(key, value)):
                found[key] = value
        self._count(len(found), len(wanted) - len(found))
        return found

    def keep(self, values: Mapping[K, V]) -> None:
        """Remember values that the caller has just read."""
        for key, value in values.items():
            self._entries[key] = value

    def _start(self, keys: list[K], load: Callable[[Sequence[K]], Awaitable[dict[K, V]]]) -> None:
        async def run() -> dict[K, V]:
            return await load(keys)

        def keep(task: asyncio.Task[dict[K, V]]) -> None:
            # Asking for the error marks it as seen: perhaps nobody waits any more.
            values = {} if task.cancelled() or task.exception() else task.result()
            for key in keys:
                # A load that was dropped meanwhile has been replaced or removed here.
                if self._loading.get(key) is task:
                    del self._loading[key]
                    if key in values:
                        self._entries[key] = values[key]

        # A task of its own, so that no caller's cancellation reaches the others.
        task = asyncio.create_task(run(), name=f"load {self.name}")
        self._loading |= dict.fromkeys(keys, task)
        task.add_done_callback(keep)

    def drop(self, key: K) -> None:
        """Forget `key`; a load of it that is under way isn't kept."""
        self._forget([key], "dropped")

    def drop_where(self, matches: Callable[[K], bool]) -> None:
        """Forget every key that matches, for instance all profiles of a household."""
        known = dict.fromkeys((*self._entries, *self._loading))
        self._forget([key for key in known if matches(key)], "dropped")

    def clear(self, reason: str) -> None:
        """Forget everything, for instance because announcements may have been missed."""
        self._forget(list(dict.fromkeys((*self._entries, *self._loading))), reason)

    def _forget(self, keys: list[K], reason: str) -> None:
        """Forget `keys`, counting those that were kept or being loaded."""
        forgotten = 0
        for key in keys:
            was_loading = self._loading.pop(key, None) is not None
            was_kept = key in self._entries
            if was_kept:
                del self._entries[key]
            forgotten += was_kept or was_loading
        if not forgotten:
            return
        self.invalidations += forgotten
        self._drop_counter.inc(forgotten)
        # Keys name children's profiles, so the log says how many and not which.
        log.info("cache.invalidated", cache=self.name, entries=forgotten, reason=reason)

    @property
    def hit_rate(self) -> float:
        """Share of look-ups that were answered from memory, 0 to 1."""
        total = self.hits + self.misses
        return round(self.hits / total, 4) if total else 0.0

    def _count(self, hits: int, misses: int) -> None:
        self.hits += hits
        self.misses += misses
        if hits:
            self._hit_counter.inc(hits)
        if misses:
            self._miss_counter.inc(misses)
