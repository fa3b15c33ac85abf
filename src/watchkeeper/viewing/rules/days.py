"""Draws the viewing days of a household, one after the other, without hole or overlap.

A day is made once from the settings of that moment and never recalculated, so neither a change of
zone or reset hour nor a new tzdata release can hand out a second allowance.
Source: viewing time, section 1.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from watchkeeper.viewing.policy_types import DaySettings
from watchkeeper.viewing.rules.local_time import local_date, local_instant
from watchkeeper.viewing.types import ViewingDay

SHORTEST_DAY = timedelta(hours=20)
_ONE_DATE = timedelta(days=1)


def reset_instant(on: date, zone: ZoneInfo, reset_hour: int) -> datetime | None:
    """The instant at which ``on`` resets in ``zone``, in UTC; see `local_instant`.

    None on a date that the zone left out.
    """
    return local_instant(datetime.combine(on, time(reset_hour)), zone)


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
    starts_at: datetime,
    settings: DaySettings,
    not_after: datetime | None = None,
    before: ViewingDay | None = None,
) -> ViewingDay:
    """The day that starts at ``starts_at`` and runs to the first reset at least 20 h later.

    The 20 h hold for every day, not only after a change of settings: a zone that moves its clock
    by many hours gets one longer day instead of a short one with an allowance of its own. The day
    is cut at ``not_after``, the start of a day that is already stored, if it would reach into it.
    ``before`` is the day before it, whose label it may share.
    """
    ends_at = first_reset_from(starts_at + SHORTEST_DAY, settings)
    if not_after is not None:
        ends_at = min(ends_at, not_after)
    label = local_date(starts_at + (ends_at - starts_at) / 2, settings.timezone)
    return ViewingDay(
        starts_at=starts_at,
        ends_at=ends_at,
        label=label,
        timezone=settings.timezone,
        reset_hour=settings.reset_hour,
        is_first_with_label=before is None or before.label != label,
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
    last = past[-1] if past else None
    starts_at = last.ends_at if last else last_reset_until(now, settings)
    made: list[ViewingDay] = []
    while starts_at <= now:
        last = day_from(starts_at, settings, ahead, before=last)
        made.append(last)
        starts_at = last.ends_at
    return tuple(made)
