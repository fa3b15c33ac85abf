"""The only place that reads a clock; use cases read it once and hand `now` on.

The service's time is the database's, carried forward by this process's monotonic clock, so that
all processes agree and a step of the system's clock changes nothing (03, section 3).
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

RESYNC_AFTER_SECONDS = 60.0


class Clock(Protocol):
    """What the rest of the service may ask about time."""

    def now(self) -> datetime:
        """The present instant in UTC, truncated to milliseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever grow, for measuring durations inside this process."""
        ...


def to_milliseconds(instant: datetime) -> datetime:
    """Truncate to the precision in which viewing time is kept."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


class SystemClock:
    """This machine's clock, for programs without a database."""

    def now(self) -> datetime:
        return to_milliseconds(datetime.now(UTC))

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What another clock said, and when by our monotonic clock it said so."""

    now: datetime
    read_at_monotonic: float
    round_trip_seconds: float = 0.0


class DatabaseClock:
    """The database's time, carried forward by the monotonic clock.

    `set` is called by the database when it opens and every `RESYNC_AFTER_SECONDS` after that;
    before the first call the machine's own clock answers, as it read when this clock was made.
    """

    def __init__(self, system: Clock | None = None) -> None:
        """`system` is this machine's clock; tests give one that they move by hand."""
        self._system = system or SystemClock()
        self._anchor = self._system.now()
        self._anchor_monotonic = self._system.monotonic()

    def set(self, reading: ClockReading) -> timedelta:
        """Carry on from a reading of the database's clock.

        Returns by how much the clock was corrected.
        """
        carried = self._carried_to(reading.read_at_monotonic)
        self._anchor = reading.now.astimezone(UTC)
        self._anchor_monotonic = reading.read_at_monotonic
        return self._anchor - carried

    def now(self) -> datetime:
        return to_milliseconds(self._carried_to(self._system.monotonic()))

    def monotonic(self) -> float:
        return self._system.monotonic()

    def _carried_to(self, monotonic: float) -> datetime:
        return self._anchor + timedelta(seconds=monotonic - self._anchor_monotonic)
