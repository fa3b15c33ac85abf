"""Instants as integers of milliseconds since 1970 in UTC, and spans between two of them.

Credit must add up exactly, so the rules calculate with integers and leave datetimes to the edges.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Span(NamedTuple):
    """A half-open stretch ``[start, end)`` in milliseconds; empty when ``end <= start``."""

    start: int
    end: int

    @property
    def length_ms(self) -> int:
        """How long it is, 0 when empty."""
        return max(0, self.end - self.start)

    def overlap(self, other: "Span") -> "Span":
        """The part that both share; empty when they don't meet."""
        return Span(max(self.start, other.start), min(self.end, other.end))


def to_ms(instant: datetime) -> int:
    """An aware instant in milliseconds; what is smaller than a millisecond is cut off."""
    return (instant - _EPOCH) // _MILLISECOND


def from_ms(instant_ms: int) -> datetime:
    """The aware UTC instant of ``instant_ms``."""
    return _EPOCH + timedelta(milliseconds=instant_ms)


def merge_spans(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same time in order, spans that touch or overlap made one, empty ones left out."""
    merged: list[Span] = []
    for span in sorted(span for span in spans if span.length_ms):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(span.end, merged[-1].end))
        else:
            merged.append(span)
    return tuple(merged)


def subtract_spans(spans: Iterable[Span], holes: Iterable[Span]) -> tuple[Span, ...]:
    """What is left of ``spans`` (ordered and apart from one another) outside of ``holes``."""
    left = [span for span in spans if span.length_ms]
    for hole in holes:
        left = [part for span in left for part in _outside(span, hole)]
    return tuple(left)


def _outside(span: Span, hole: Span) -> Iterable[Span]:
    cut = span.overlap(hole)
    if not cut.length_ms:
        return (span,)
    parts = (Span(span.start, cut.start), Span(cut.end, span.end))
    return (part for part in parts if part.length_ms)


def overlaps(spans: Iterable[Span], within: Span) -> tuple[Span, ...]:
    """The parts of ``spans`` that lie inside of ``within``, in their order."""
    parts = (span.overlap(within) for span in spans)
    return tuple(part for part in parts if part.length_ms)


def find_span(spans: Iterable[Span], instant_ms: int) -> Span | None:
    """The one of ``spans`` (apart from one another) that contains ``instant_ms``."""
    return next((span for span in spans if span.start <= instant_ms < span.end), None)
