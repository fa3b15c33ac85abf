"""What one session is credited while a call is being settled: its totals and its slices."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from watchkeeper.viewing.rules.daybook import DayBook
from watchkeeper.viewing.rules.instants import SECOND_MS, Span, from_ms, to_ms
from watchkeeper.viewing.types import Session, Slice, SliceKind, SliceWrite

# Players' clocks drift against ours: gaps as small as this don't start a new slice.
_SLICE_GAP_MS = 90 * SECOND_MS


class SessionAccount:
    """Books charged time into days, session and slices alike, so that the three sums agree."""

    def __init__(self, session: Session, kind: SliceKind, book: DayBook) -> None:
        """``kind`` is how the session's present title is charged in this settlement."""
        self._session = session
        self._kind = kind
        self._book = book
        self._open = session.open_slice
        self._slice_count = session.slice_count
        self._touched: dict[int, Slice] = {}
        self.credited_ms = 0
        self.written_off_ms = 0
        self.forgiven_ms = 0
        self.credited_until: int | None = None

    @property
    def kind(self) -> SliceKind:
        """How the session's present title is charged."""
        return self._kind

    def charge(self, spans: Sequence[Span]) -> None:
        """Charge ``spans`` (in order), cut at the edges of days.

        A child's day holds no more than its wall time that has passed; the rest is written off.
        Adults aren't capped: they may play on many devices at once.
        """
        for span in spans:
            for index, part in self._book.split(span):
                amount_ms = part.length_ms
                if self._book.viewer.is_child:
                    amount_ms = min(amount_ms, self._book.room_ms(index))
                if amount_ms:
                    amount_ms = self._add_to_slice(index, Span(part.end - amount_ms, part.end))
                if amount_ms:
                    self._book.add(index, self._kind, amount_ms)
                    self.credited_ms += amount_ms
                    self.credited_until = part.end
                self._book.write_off(index, part.length_ms - amount_ms)
                self.written_off_ms += part.length_ms - amount_ms

    def charge_doubt(self, doubts: Sequence[Span], *, is_against_end: bool) -> None:
        """Settle time that nobody reported (in order): forgiven first, then charged, day by day.

        The charged part lies against the end of the doubt or against its start, whichever
        touches the time that is charged anyway. Exempt titles and adults lose nothing by
        unreported time, so it is neither forgiven nor charged.
        """
        if self._kind is SliceKind.EXEMPT or not self._book.viewer.is_child:
            return
        charged: list[Span] = []
        for doubt in doubts:
            for index, part in self._book.split(doubt):
                forgiven_ms = self._book.forgive(index, part.length_ms)
                self.forgiven_ms += forgiven_ms
                if is_against_end:
                    charged.append(Span(part.start + forgiven_ms, part.end))
                else:
                    charged.append(Span(part.start, part.end - forgiven_ms))
        self.charge(charged)

    def write_off(self, amount_ms: int) -> None:
        """Write off reported time beyond the wall time."""
        self._book.write_off_today(amount_ms)
        self.written_off_ms += amount_ms

    def _add_to_slice(self, day_index: int, span: Span) -> int:
        """Extend the open slice or begin one; returns what it took (all, unless it would hold
        more than its own length)."""
        day = self._book.state(day_index).day
        opened = self._open
        if opened is None or not self._may_extend(opened, day_index, span):
            grown = Slice(
                session_id=self._session.id,
                ordinal=self._slice_count,
                title_id=self._session.title_id,
                kind=self._kind,
                day_starts_at=day.starts_at,
                starts_at=from_ms(span.start),
                ends_at=from_ms(span.end),
                credited_ms=span.length_ms,
            )
            self._slice_count += 1
            amount_ms = span.length_ms
        else:
            ends = max(to_ms(opened.ends_at), span.end)
            credited_ms = opened.credited_ms + span.length_ms
            # Credit that was caught up may lie where this slice is full: it then starts earlier.
            starts = min(to_ms(opened.starts_at), span.start, ends - credited_ms)
            starts = max(starts, to_ms(day.starts_at))
            credited_ms = min(credited_ms, ends - starts)
            amount_ms = credited_ms - opened.credited_ms
            grown = replace(
                opened,
                starts_at=from_ms(starts),
                ends_at=from_ms(ends),
                credited_ms=credited_ms,
            )
        self._open = grown
        self._touched[grown.ordinal] = grown
        return amount_ms

    def _may_extend(self, opened: Slice, day_index: int, span: Span) -> bool:
        opened_until = to_ms(opened.ends_at)
        return (
            opened.title_id == self._session.title_id
            and opened.kind is self._kind
            and opened.day_starts_at == self._book.state(day_index).day.starts_at
            and span.start - opened_until <= _SLICE_GAP_MS
            and opened_until <= self._book.now_ms
        )

    def settled(self, **changes: Any) -> Session:
        """The session with everything that was booked, and with other fields changed."""
        session = self._session
        is_exempt = self._kind is SliceKind.EXEMPT
        return replace(
            session,
            counted_ms=session.counted_ms + (0 if is_exempt else self.credited_ms),
            exempt_ms=session.exempt_ms + (self.credited_ms if is_exempt else 0),
            written_off_ms=session.written_off_ms + self.written_off_ms,
            forgiven_ms=session.forgiven_ms + self.forgiven_ms,
            open_slice=self._open,
            slice_count=self._slice_count,
            **changes,
        )

    def slice_writes(self, *, is_over: bool) -> tuple[SliceWrite, ...]:
        """The slices to store, by ordinal; with ``is_over`` none of them can grow any more."""
        last = self._slice_count - 1
        return tuple(
            SliceWrite(
                slice=touched,
                is_new=ordinal >= self._session.slice_count,
                is_open=ordinal == last and not is_over,
            )
            for ordinal, touched in sorted(self._touched.items())
        )
