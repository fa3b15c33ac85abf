"""An amount of time that is known only to lie between two bounds."""

from dataclasses import dataclass
from datetime import timedelta

_ZERO = timedelta(0)


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, both included; made without arguments it is exactly nothing."""

    low: timedelta = _ZERO
    high: timedelta = _ZERO

    @classmethod
    def exactly(cls, amount: timedelta) -> "Interval":
        """An amount that is known."""
        return cls(amount, amount)

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.low + other.low, self.high + other.high)

    def or_else(self, other: "Interval") -> "Interval":
        """What covers either."""
        return Interval(min(self.low, other.low), max(self.high, other.high))

    def at_most(self, limit: timedelta) -> "Interval":
        """No more than `limit`."""
        return Interval(min(self.low, limit), min(self.high, limit))

    def beyond(self, limit: timedelta) -> "Interval":
        """What is above `limit`, at least nothing."""
        return Interval(max(self.low - limit, _ZERO), max(self.high - limit, _ZERO))

    def widened(self, slack: timedelta) -> "Interval":
        """Longer by `slack` at both ends, but never below nothing."""
        return Interval(max(self.low - slack, _ZERO), self.high + slack)

    def distance(self, amount: timedelta) -> timedelta:
        """How far outside an amount lies; 0 inside, negative below."""
        if amount < self.low:
            return amount - self.low
        return max(amount - self.high, _ZERO)


NOTHING = Interval()
