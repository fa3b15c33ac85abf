"""What was charged against what may be: one verdict for each child, and their sum."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from watchkeeper.simulate.bounds import Expectation
from watchkeeper.simulate.interval import NOTHING, Interval

_ZERO = timedelta(0)


@dataclass(frozen=True, slots=True)
class Charges:
    """What the service says of a child's day."""

    counted: timedelta
    exempt: timedelta
    forgiven: timedelta


@dataclass(frozen=True, slots=True)
class Verdict:
    """One child: the truth, what was charged, and how far that is outside of what may be."""

    profile_id: UUID
    grace: timedelta
    watched: timedelta
    charges: Charges
    expected: Expectation

    @property
    def charged(self) -> timedelta:
        """Counted and exempt time together."""
        return self.charges.counted + self.charges.exempt

    @property
    def difference(self) -> timedelta:
        """Charged less watched."""
        return self.charged - self.watched

    @property
    def allowed(self) -> Interval:
        """Between which differences nothing is wrong."""
        bounds = self.expected.charged
        return Interval(bounds.low - self.watched, bounds.high - self.watched)

    @property
    def beyond(self) -> timedelta:
        """How far the worst of the amounts lies outside of its bounds, 0 when all are inside."""
        distances = (
            self.expected.counted.distance(self.charges.counted),
            self.expected.exempt.distance(self.charges.exempt),
            self.expected.charged.distance(self.charged),
            self.expected.forgiven.distance(self.charges.forgiven),
        )
        return max(distances, key=abs)

    @property
    def is_within(self) -> bool:
        """Whether the child was charged what it may be, and no less."""
        return self.beyond == _ZERO


@dataclass(frozen=True, slots=True)
class Summary:
    """All children together."""

    verdicts: Sequence[Verdict]

    @property
    def within(self) -> int:
        """How many children were charged what they may be."""
        return sum(verdict.is_within for verdict in self.verdicts)

    @property
    def is_fair(self) -> bool:
        """Whether all were."""
        return self.within == len(self.verdicts)

    @property
    def watched(self) -> timedelta:
        return sum((verdict.watched for verdict in self.verdicts), _ZERO)

    @property
    def charged(self) -> timedelta:
        return sum((verdict.charged for verdict in self.verdicts), _ZERO)

    @property
    def forgiven(self) -> timedelta:
        return sum((verdict.charges.forgiven for verdict in self.verdicts), _ZERO)

    @property
    def furthest_beyond(self) -> timedelta:
        """The largest distance outside of the bounds."""
        return max((abs(verdict.beyond) for verdict in self.verdicts), default=_ZERO)

    @property
    def takeovers(self) -> Interval:
        """What takeovers charged, watched or not."""
        return sum((verdict.expected.takeovers for verdict in self.verdicts), NOTHING)

    @property
    def never_reported(self) -> timedelta:
        """What was watched and no session could be charged for: the tails of players that crashed
        or lost their stream, at least so much."""
        return self.watched + self.takeovers.low - self.charged

    @property
    def widths(self) -> list[timedelta]:
        """How much the bounds of each child leave open, the narrowest first."""
        return sorted(verdict.allowed.high - verdict.allowed.low for verdict in self.verdicts)

    def worst(self, at_most: int) -> list[Verdict]:
        """Those furthest outside, then those with the largest difference."""
        ordered = sorted(
            self.verdicts, key=lambda one: (abs(one.beyond), abs(one.difference)), reverse=True
        )
        return ordered[:at_most]
