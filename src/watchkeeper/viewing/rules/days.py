"""Draws the viewing days of a household, one after the other, without hole or overlap.

A day is made once from the settings of that moment and never recalculated, so neither a change of
zone or reset hour nor a new tzdata release can hand out a second allowance.
Source: viewing time, section 1.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from watchkeeper.viewing.rules.instants import from_ms, to_ms
from watchkeeper.viewing.types import DaySettings, ViewingDay

SHORTEST_DAY = timedelta(hours=20)
_ONE_DATE = timedelta(days=1)


def reset_instant(on: date, zone: ZoneInfo, reset_hour: int) -> datetime | None:
    """The instant at which ``on`` resets in ``zone``, in UTC.

    Inside a gap it is the first instant after the gap, inside a fold the first occurrence. A date
    that a zone left out altogether (Samoa had no 30 December 2011) has no reset: None.
    """
    local = datetime.combine(on, time(reset_hour))
    first = local.replace(tzinfo=zone).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == local:
        return first
    before_gap = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first - before_gap >= _ONE_DATE:
        return None
    return _end_of_gap(before_gap, first, zone)


def _end_of_gap(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first instant with the offset of ``after``, found by halving the time between."""
    new_offset = after.astimezone(zone).utcoffset()
    low, high = to_ms(before), to_ms(after)
    while high - low > 1:
        middle = (low + high) // 2
        if from_ms(middle).astimezone(zone).utcoffset() == new_offset:
            high = middle
        else:
            low = middle
    return from_ms(high)


def _resets_from(on: date, step: timedelta, zone: ZoneInfo, reset_hour: int) -> Iterator[datetime]:
    while True:
        instant = reset_instant(on, zone, reset_hour)
        if instant is not None:
            yield instant
        on += step


def first_reset_from(instant: datetime, settings: DaySettings) -> datetime:
    """The first reset at or after ``instant``."""
    zone = ZoneInfo(settings.timezone)
    eve = instant.astimezone(zone).date() - _ONE_DATE
    resets = _resets_from(eve, _ONE_DATE, zone, settings.reset_hour)
    return next(reset for reset in resets if reset >= instant)


def last_reset_until(instant: datetime, settings: DaySettings) -> datetime:
    """The last reset at or before ``instant``."""
    zone = ZoneInfo(settings.timezone)
    morrow = instant.astimezone(zone).date() + _ONE_DATE
    resets = _resets_from(morrow, -_ONE_DATE, zone, settings.reset_hour)
    return next(reset for reset in resets if reset <= instant)


def day_from(
    starts_at: datetime, settings: DaySettings, not_after: datetime | None = None
) -> ViewingDay:
    """The day that starts at ``starts_at`` and runs to the first reset at least 20 h later.

    The 20 h hold for every day, not only after a change of settings: a zone that moves its clock
    by many hours gets one longer day instead of a short one with an allowance of its own. The day
    is cut at ``not_after``, the start of a day that is already stored, if it would reach into it.
    """
    ends_at = first_reset_from(starts_at + SHORTEST_DAY, settings)
    if not_after is not None:
        ends_at = min(ends_at, not_after)
    middle = starts_at + (ends_at - starts_at) / 2
    return ViewingDay(
        starts_at=starts_at,
        ends_at=ends_at,
        label=middle.astimezone(ZoneInfo(settings.timezone)).date(),
        timezone=settings.timezone,
        reset_hour=settings.reset_hour,
    )


def days_until(
    stored: Sequence[ViewingDay], settings: DaySettings, now: datetime
) -> tuple[ViewingDay, ...]:
    """The days that must be made so that one contains ``now``, in order; empty if one does.

    ``stored`` are the known days by ``starts_at``, with at least the last one that starts at or
    before ``now`` and the next one after it, if there are such. Days are made in order from the
    last stored one with today's settings, also for time when nobody watched: who saves new
    settings first makes the days up to now with the old ones. A first day starts at the last
    reset. Days that were stored ahead of ``now`` (by a clock that was wrong) are never overlapped.
    """
    past = [day for day in stored if day.starts_at <= now]
    ahead = min((day.starts_at for day in stored if day.starts_at > now), default=None)
    starts_at = past[-1].ends_at if past else last_reset_until(now, settings)
    made: list[ViewingDay] = []
    while starts_at <= now:
        made.append(day_from(starts_at, settings, ahead))
        starts_at = made[-1].ends_at
    return tuple(made)
