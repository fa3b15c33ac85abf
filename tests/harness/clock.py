"""A clock that is moved by hand."""

from datetime import UTC, datetime, timedelta


class ManualClock:
    """Stands still until `advance` or `set` moves it; `monotonic` moves along."""

    def __init__(self, now: datetime = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, *, seconds: float = 0, minutes: float = 0, hours: float = 0) -> datetime:
        """Move on and return the new instant."""
        step = timedelta(seconds=seconds, minutes=minutes, hours=hours)
        self._now += step
        self._monotonic += step.total_seconds()
        return self._now

    def set(self, now: datetime) -> None:
        """Jump to an instant, also back."""
        self._monotonic += max(0.0, (now - self._now).total_seconds())
        self._now = now
