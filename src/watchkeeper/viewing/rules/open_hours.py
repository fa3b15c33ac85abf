"""When play is allowed: windows and overrides of dates, what grants opened, and locks.

A window belongs to the date on which it starts, by the clock of the zone that is stored with the
viewing day. A date without windows is open. Source: viewing time, section 2.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta

from watchkeeper.viewing.policy_types import Policy, Stretch, Window
from watchkeeper.viewing.rules.instants import (
    MINUTE_MS,
    Span,
    find_span,
    from_ms,
    merge_spans,
    to_ms,
)
from watchkeeper.viewing.rules.local_time import local_date, minute_of_date_ms
from watchkeeper.viewing.types import ViewingDay

_MINUTES_OF_A_DATE = 24 * 60
_ALL_DAY = (Window(0, _MINUTES_OF_A_DATE),)


def has_windows(policy: Policy) -> bool:
    """Whether any hours can be closed at all."""
    return any(policy.windows.values()) or any(
        override.windows for override in policy.overrides.values()
    )


def windows_on(on: date, policy: Policy) -> tuple[Window, ...]:
    """The windows that begin on a local date; the whole date when none is set for it."""
    override = policy.overrides.get(on)
    if override is not None and override.windows is not None:
        return override.windows or _ALL_DAY
    return policy.windows.get(on.isoweekday()) or _ALL_DAY


def open_hours(day: ViewingDay, policy: Policy) -> tuple[Span, ...]:
    """The parts of ``day`` inside of windows, in order; touching windows are one."""
    whole = Span(to_ms(day.starts_at), to_ms(day.ends_at))
    if not has_windows(policy):
        return (whole,)
    return merge_spans(
        whole.overlap(span)
        for on in _dates_around(day)
        for window in windows_on(on, policy)
        if (span := _span_of(on, window, day.timezone)) is not None
    )


def _dates_around(day: ViewingDay) -> Iterator[date]:
    """Every date that has time in ``day``, and the one before, whose windows may reach into it."""
    on = local_date(day.starts_at, day.timezone) - timedelta(days=1)
    last_on = local_date(day.ends_at, day.timezone)
    while on <= last_on:
        yield on
        on += timedelta(days=1)


def _span_of(on: date, window: Window, timezone: str) -> Span | None:
    until = window.to_minute
    if until <= window.from_minute:
        until += _MINUTES_OF_A_DATE
    start = minute_of_date_ms(on, window.from_minute, timezone)
    end = minute_of_date_ms(on, until, timezone)
    if end is None:
        # The next date was left out by the zone: the one after it begins at the same instant.
        end = minute_of_date_ms(on, 2 * _MINUTES_OF_A_DATE, timezone)
    return None if start is None or end is None else Span(start, end)


def spans_of(stretches: Iterable[Stretch]) -> Iterator[Span]:
    """Stretches in milliseconds."""
    return (Span(to_ms(one.starts_at), to_ms(one.ends_at)) for one in stretches)


def extend_hours(
    opened: Sequence[Span], now_ms: int, minutes: int | None, day_ends: int
) -> Stretch | None:
    """The hours that a grant opens: so many minutes from the end of the present open hours.

    From ``now_ms`` when play is closed, and at most until the day ends, which None minutes mean.
    ``opened`` are the open hours, earlier extensions included. Returns None when the hours are
    open until the day ends anyway.
    """
    opening = find_span(opened, now_ms)
    start = now_ms if opening is None else opening.end
    end = day_ends if minutes is None else min(day_ends, start + minutes * MINUTE_MS)
    return Stretch(from_ms(start), from_ms(end)) if end > start else None


def add_extension(extensions: Sequence[Stretch], added: Stretch | None) -> tuple[Stretch, ...]:
    """The day's extensions with one more; those that touch become one."""
    if added is None:
        return tuple(extensions)
    return _stretches(merge_spans(spans_of((*extensions, added))))


def take_extension_back(
    extensions: Sequence[Stretch], given: Stretch, now_ms: int
) -> tuple[Stretch, ...]:
    """The day's extensions without what one grant opened, as far as that is still ahead.

    Others may have been built on it, so as much is taken from the end of the hours that it is
    part of; what has passed stays as it was.
    """
    (taken,) = spans_of((given,))
    kept = [
        _shortened(span, taken.length_ms, now_ms) if span.overlap(taken).length_ms else span
        for span in spans_of(extensions)
    ]
    return _stretches(merge_spans(kept))


def _shortened(span: Span, by_ms: int, now_ms: int) -> Span:
    ahead = Span(max(span.start, now_ms), span.end)
    return Span(span.start, span.end - min(by_ms, ahead.length_ms))


def _stretches(spans: Iterable[Span]) -> tuple[Stretch, ...]:
    return tuple(Stretch(from_ms(span.start), from_ms(span.end)) for span in spans)
