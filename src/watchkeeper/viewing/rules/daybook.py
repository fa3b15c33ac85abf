"""The days of one profile while a call is being settled: what they used, and what room is left."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from watchkeeper.viewing.rules.allowance import limit_minutes_on
from watchkeeper.viewing.rules.days import day_from, days_until
from watchkeeper.viewing.rules.instants import (
    SECOND_MS,
    Span,
    find_span,
    from_ms,
    merge_spans,
    subtract_spans,
    to_ms,
)
from watchkeeper.viewing.rules.open_hours import has_windows, open_hours, spans_of
from watchkeeper.viewing.types import DayState, SliceKind, Viewer, ViewingDay

FORGIVEN_MS = 300 * SECOND_MS


class DayBook:
    """The stored days and those that had to be made so that one contains now.

    It is the only thing in the rules that changes in place: several sessions may be settled in
    one call, and each must see what the one before it used.
    """

    def __init__(self, viewer: Viewer, now_ms: int) -> None:
        """Make the missing days; ``now_ms`` is the instant of the whole settlement."""
        self.viewer = viewer
        self.now_ms = now_ms
        now = from_ms(now_ms)
        stored = [state.day for state in viewer.days]
        made = days_until(stored, viewer.day_settings, now)
        new_states = [
            DayState(day=day, limit_minutes=limit_minutes_on(day, viewer), is_new=True)
            for day in made
        ]
        states = [*viewer.days, *new_states]
        if made:
            states.sort(key=lambda state: state.day.starts_at)
        self._states = states
        self._spans = [Span(to_ms(s.day.starts_at), to_ms(s.day.ends_at)) for s in states]
        self._changed = {i for i, state in enumerate(states) if state.is_new}
        self._today = next(i for i, span in enumerate(self._spans) if self._holds_now(span))
        self._open = merge_spans(span for state in states for span in self._open_hours(state))
        self._locks = tuple(spans_of(viewer.policy.locks)) if viewer.is_child else ()
        self._permitted = subtract_spans(self._open, self._locks)
        self._refresh_limit()

    def _holds_now(self, span: Span) -> bool:
        return span.start <= self.now_ms < span.end

    def _open_hours(self, state: DayState) -> Iterator[Span]:
        """The hours of one day in which windows or grants allow play; all of an adult's."""
        if not self.viewer.is_child:
            yield Span(to_ms(state.day.starts_at), to_ms(state.day.ends_at))
            return
        yield from open_hours(state.day, self.viewer.policy)
        yield from spans_of(state.extensions)

    def _refresh_limit(self) -> None:
        """Only the current day follows the policy: limits changed in mid-day bind at once."""
        state = self._states[self._today]
        limit_minutes = limit_minutes_on(state.day, self.viewer)
        if limit_minutes != state.limit_minutes:
            self._update(self._today, replace(state, limit_minutes=limit_minutes))

    def _update(self, index: int, state: DayState) -> None:
        self._states[index] = state
        self._changed.add(index)

    @property
    def today(self) -> DayState:
        """The day that contains now, as it stands."""
        return self._states[self._today]

    def changed_days(self) -> tuple[DayState, ...]:
        """The days that must be stored, in order."""
        return tuple(self._states[index] for index in sorted(self._changed))

    @property
    def today_ends(self) -> int:
        """The end of the day that contains now, in milliseconds."""
        return self._spans[self._today].end

    @property
    def opened(self) -> tuple[Span, ...]:
        """The open hours of all known days, locked or not, in order."""
        return self._open

    @property
    def permitted(self) -> tuple[Span, ...]:
        """The time of all known days in which play is charged: open and not locked, in order."""
        return self._permitted

    @property
    def locked_until(self) -> int | None:
        """The end of the lock that holds now, None without one."""
        lock = find_span(self._locks, self.now_ms)
        return None if lock is None else lock.end

    def closes_at(self) -> int | None:
        """When the open hours that contain now end: now, when it is outside of them.

        None when they reach the end of the following day, beyond which nobody looks.
        """
        opening = find_span(self._open, self.now_ms)
        if opening is None:
            return self.now_ms
        horizon = self._spans[-1].end
        if opening.end < horizon:
            return opening.end
        if not has_windows(self.viewer.policy):
            return None
        following = self._following_day()
        opening = find_span(open_hours(following, self.viewer.policy), horizon)
        if opening is None:
            return horizon
        return opening.end if opening.end < to_ms(following.ends_at) else None

    def opens_at(self) -> int | None:
        """When play is allowed next, as far as the following day shows; None if it is now."""
        if find_span(self._permitted, self.now_ms) is not None:
            return None
        following = open_hours(self._following_day(), self.viewer.policy)
        ahead = subtract_spans(merge_spans((*self._open, *following)), self._locks)
        return next((span.start for span in ahead if span.start > self.now_ms), None)

    def _following_day(self) -> ViewingDay:
        """The day after the last known one, as it would be made with today's settings."""
        last = self._states[-1].day
        return day_from(last.ends_at, self.viewer.day_settings, before=last)

    def split(self, span: Span) -> Iterator[tuple[int, Span]]:
        """``span`` cut at the edges of days: each part with the index of its day, in order.

        Time of a day that isn't known is left out: it can't be booked.
        """
        for index, day_span in enumerate(self._spans):
            part = day_span.overlap(span)
            if part.length_ms:
                yield index, part

    def state(self, index: int) -> DayState:
        """The day with this index, as it stands."""
        return self._states[index]

    def room_ms(self, index: int) -> int:
        """What the day can still hold: its passed wall time less what it counted and exempted."""
        span, state = self._spans[index], self._states[index]
        passed_ms = max(0, min(self.now_ms, span.end) - span.start)
        return max(0, passed_ms - state.counted_ms - state.exempt_ms)

    def add(self, index: int, kind: SliceKind, amount_ms: int) -> None:
        """Book credited time."""
        state = self._states[index]
        if kind is SliceKind.EXEMPT:
            self._update(index, replace(state, exempt_ms=state.exempt_ms + amount_ms))
        else:
            self._update(index, replace(state, counted_ms=state.counted_ms + amount_ms))

    def write_off(self, index: int, amount_ms: int) -> None:
        """Book reported time that can't have been watched."""
        if amount_ms:
            state = self._states[index]
            self._update(index, replace(state, written_off_ms=state.written_off_ms + amount_ms))

    def write_off_today(self, amount_ms: int) -> None:
        """Book what a player reported beyond the wall time, on the day of the report."""
        self.write_off(self._today, amount_ms)

    def forgive(self, index: int, asked_ms: int) -> int:
        """Forgive as much of ``asked_ms`` as the day's 300 s still allow; returns how much."""
        state = self._states[index]
        forgiven_ms = min(asked_ms, max(0, FORGIVEN_MS - state.forgiven_ms))
        if forgiven_ms:
            self._update(index, replace(state, forgiven_ms=state.forgiven_ms + forgiven_ms))
        return forgiven_ms


@dataclass(frozen=True, slots=True)
class OpenedDays:
    """The day that contains now, and the days that must be stored so that it exists."""

    today: DayState
    changed: tuple[DayState, ...]


def open_days(viewer: Viewer, now: datetime) -> OpenedDays:
    """Make the days up to now without charging anything.

    For grants (which need a day to belong to) and for saving settings: who changes zone, reset
    hour or limits first opens the days with the old settings, so that days that passed while
    nobody watched keep the bounds and limits that they had.
    """
    book = DayBook(viewer, to_ms(now))
    return OpenedDays(today=book.today, changed=book.changed_days())
