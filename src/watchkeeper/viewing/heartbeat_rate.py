"""How many heartbeats one session may send: 20 a second with a burst of 200, never per address."""

from collections.abc import Callable

from cachetools import LRUCache

from watchkeeper.core.problems import TooManyRequests

PER_SECOND = 20.0
BURST = 200.0
_SESSIONS_KEPT = 150_000


class HeartbeatRate:
    """A token bucket for each session, in this process; the least recent ones are forgotten."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._buckets: LRUCache[str, tuple[float, float]] = LRUCache(_SESSIONS_KEPT)

    def take(self, session: str) -> None:
        """Count one heartbeat; raises `TooManyRequests` when the bucket is empty."""
        now = self._monotonic()
        tokens, at = self._buckets.get(session, (BURST, now))
        tokens = min(BURST, tokens + (now - at) * PER_SECOND)
        if tokens < 1:
            self._buckets[session] = (tokens, now)
            raise TooManyRequests(
                "This player sends heartbeats too fast.", retry_after_seconds=1 / PER_SECOND
            )
        self._buckets[session] = (tokens - 1, now)
