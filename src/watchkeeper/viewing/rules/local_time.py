"""Instants of local clocks, with the gaps and folds of their zones.

Source: viewing time, section 1 (resets) and section 2 (windows are read as resets are).
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from watchkeeper.viewing.rules.instants import from_ms, to_ms

_ONE_DATE = timedelta(days=1)
_MINUTES_OF_A_DATE = 24 * 60
# One zone's dates and edges recur in every heartbeat; a thousand families fit.
_INSTANTS_KEPT = 20_000


def local_instant(local: datetime, zone: ZoneInfo) -> datetime | None:
    """The instant at which a clock in ``zone`` shows ``local`` (naive), in UTC.

    Inside a gap it is the first instant after the gap, inside a fold the first occurrence. A date
    that a zone left out altogether (Samoa had no 30 December 2011) has no instants: None.
    """
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


@lru_cache(maxsize=_INSTANTS_KEPT)
def minute_of_date_ms(on: date, minute: int, timezone: str) -> int | None:
    """The instant in milliseconds of a minute after local midnight of ``on``.

    Minutes from 1440 on lie on the following date. None on a date that the zone left out.
    """
    days, minute_of_day = divmod(minute, _MINUTES_OF_A_DATE)
    local = datetime.combine(on + _ONE_DATE * days, time(*divmod(minute_of_day, 60)))
    instant = local_instant(local, ZoneInfo(timezone))
    return None if instant is None else to_ms(instant)


def local_date(instant: datetime, timezone: str) -> date:
    """The date that a clock in the zone shows."""
    return instant.astimezone(ZoneInfo(timezone)).date()
