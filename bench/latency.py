"""Latencies of many requests, condensed to the few numbers that people compare."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values don't exceed (nearest rank).

    `ordered` is sorted ascending. Raises ValueError when it is empty: a percentile of nothing
    would be read as a fast one.
    """
    if not ordered:
        raise ValueError("no values were measured")
    if not 0 <= share <= 1:
        raise ValueError("a share lies between 0 and 1")
    return ordered[max(0, math.ceil(len(ordered) * share - 1e-9) - 1)]


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """The shape of a set of latencies in milliseconds."""

    count: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of_seconds(cls, latencies_seconds: Iterable[float]) -> "LatencySummary | None":
        """Condense latencies in seconds; None when there are none."""
        ordered = sorted(latencies_seconds)
        if not ordered:
            return None
        return cls(
            count=len(ordered),
            mean_ms=round(sum(ordered) / len(ordered) * 1000, 3),
            p50_ms=round(percentile(ordered, 0.50) * 1000, 3),
            p95_ms=round(percentile(ordered, 0.95) * 1000, 3),
            p99_ms=round(percentile(ordered, 0.99) * 1000, 3),
            max_ms=round(ordered[-1] * 1000, 3),
        )
