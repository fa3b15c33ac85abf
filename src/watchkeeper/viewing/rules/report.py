"""Puts watched time together as guardians read it: by local date, with no date left out.

Everything is added up in milliseconds; who writes an answer rounds at the very end.
Source: viewing time, sections 1 (labels) and 6 (history, weekly report).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from watchkeeper.viewing.policy_types import DaySettings, Policy
from watchkeeper.viewing.rules.allowance import plain_limit_minutes
from watchkeeper.viewing.rules.days import days_until
from watchkeeper.viewing.rules.instants import MINUTE_MS
from watchkeeper.viewing.types import DayState, ViewingDay

DAYS_OF_REPORT = 7

_ONE_DATE = timedelta(days=1)
# A label is the local date of a day's midpoint. Zones are at most 16 h away from UTC, and a day
# is at most 44 h long, so a day starts less than two dates before and after its label.
_LABEL_MARGIN = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class DateRange:
    """Local dates, both inclusive."""

    first_on: date
    last_on: date

    @property
    def length(self) -> int:
        """How many dates it holds; below 1 when it is reversed."""
        return (self.last_on - self.first_on).days + 1

    def newest_first(self) -> Iterator[date]:
        """Every date, the last one first."""
        return (self.last_on - _ONE_DATE * back for back in range(self.length))

    def oldest_first(self) -> Iterator[date]:
        """Every date in order."""
        return (self.first_on + _ONE_DATE * forth for forth in range(self.length))

    def starts_between(self) -> tuple[date, date]:
        """Two dates between whose midnights in UTC every viewing day of the range starts.

        It is meant for a range on the start of days; which of them belong is said by their labels.
        """
        return self.first_on - _LABEL_MARGIN, self.last_on + _ONE_DATE + _LABEL_MARGIN


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """What one session watched of one title on one date, either counted or exempt.

    `title` is None when the household doesn't know the title. `started_at` is the start of the
    first slice that it adds up.
    """

    label: date
    session_id: UUID
    title: str | None
    started_at: datetime
    credited_ms: int
    is_educational: bool
    device_type: str
    device_name: str | None


@dataclass(frozen=True, slots=True)
class WatchedTotal:
    """What a date came to: what used the allowance, and what was watched without using it."""

    counted_ms: int = 0
    educational_ms: int = 0


@dataclass(frozen=True, slots=True)
class HistoryDay:
    """A date with what was watched on it.

    `total` is what the date's viewing days hold: the sum of its entries, as long as they are kept.
    """

    label: date
    entries: tuple[HistoryEntry, ...]
    total: WatchedTotal = WatchedTotal()

    @property
    def counted_ms(self) -> int:
        """What used the allowance."""
        return self.total.counted_ms

    @property
    def educational_ms(self) -> int:
        """What was watched without using the allowance."""
        return self.total.educational_ms


@dataclass(frozen=True, slots=True)
class WatchedTitle:
    """A title with all its time, counted and exempt; `title` None gathers the unknown ones."""

    title: str | None
    watched_ms: int


@dataclass(frozen=True, slots=True)
class DailyTotal:
    """One date of a child's report.

    `limit_minutes` is the plain limit, without grants; None means unlimited. `was_lifted` says
    that a guardian lifted the limit for the rest of that day. `forgiven_ms` is time that no player
    reported and that wasn't charged.
    """

    label: date
    counted_ms: int
    educational_ms: int
    limit_minutes: int | None
    was_lifted: bool = False
    forgiven_ms: int = 0

    @property
    def usage_percent(self) -> float | None:
        """How much of the limit was used; None on a day without limit."""
        if self.limit_minutes is None or self.was_lifted:
            return None
        return 100 * self.counted_ms / (self.limit_minutes * MINUTE_MS)


def fill_history(
    entries: Iterable[HistoryEntry], totals: Mapping[date, WatchedTotal], shown: DateRange
) -> tuple[HistoryDay, ...]:
    """Every date of `shown`, newest first, with its total and its entries, newest first too."""
    by_label: dict[date, list[HistoryEntry]] = {}
    for entry in entries:
        by_label.setdefault(entry.label, []).append(entry)
    return tuple(
        HistoryDay(
            label,
            tuple(
                sorted(
                    by_label.get(label, ()),
                    key=lambda entry: (entry.started_at, entry.session_id),
                    reverse=True,
                )
            ),
            totals.get(label, WatchedTotal()),
        )
        for label in shown.newest_first()
    )


def fill_totals(
    stored: Iterable[DayState],
    period: DateRange,
    policy: Policy,
    settings: DaySettings,
    now: datetime,
) -> tuple[DailyTotal, ...]:
    """Every date of `period` in order; viewing days with the same label add up.

    A past day keeps the limit that it was settled with. The current day, and dates for which no
    day was made, show what `policy` says for them.
    """
    by_label: dict[date, list[DayState]] = {}
    for state in stored:
        by_label.setdefault(state.day.label, []).append(state)
    return tuple(
        _total(label, by_label.get(label, []), plain_limit_minutes(label, policy, settings), now)
        for label in period.oldest_first()
    )


def _total(
    label: date, states: Sequence[DayState], planned: int | None, now: datetime
) -> DailyTotal:
    limits = [
        planned if state.day.starts_at <= now < state.day.ends_at else state.limit_minutes
        for state in states
    ] or [planned]
    return DailyTotal(
        label=label,
        counted_ms=sum(state.counted_ms for state in states),
        educational_ms=sum(state.exempt_ms for state in states),
        limit_minutes=_sum_of_limits(limits),
        was_lifted=any(state.ledger.is_unlimited for state in states),
        forgiven_ms=sum(state.forgiven_ms for state in states),
    )


def _sum_of_limits(limits: Sequence[int | None]) -> int | None:
    """Days that share a label each had an allowance; one without limit makes the date unlimited."""
    known = [limit for limit in limits if limit is not None]
    return sum(known) if len(known) == len(limits) else None


def average_daily_ms(totals: Sequence[DailyTotal]) -> float:
    """Counted time a day; days on which nothing was watched lower it. `totals` isn't empty."""
    return sum(total.counted_ms for total in totals) / len(totals)


def average_limit_usage_percent(totals: Iterable[DailyTotal]) -> float | None:
    """The mean of the days' percentages, unlimited days left out; None when no day had a limit.

    Overruns count in full, so it may exceed 100.
    """
    percentages = [total.usage_percent for total in totals]
    limited = [percentage for percentage in percentages if percentage is not None]
    return sum(limited) / len(limited) if limited else None


def label_at(last: ViewingDay | None, settings: DaySettings, now: datetime) -> date:
    """The label of the viewing day that contains `now`, whether it is stored yet or not.

    `last` is the newest stored day that started at or before `now`; without any, days are drawn
    from the last reset.
    """
    if last is not None and now < last.ends_at:
        return last.label
    return days_until([last] if last else [], settings, now)[-1].label


def last_days(today: date) -> DateRange:
    """The seven dates that end with `today`."""
    return DateRange(today - _ONE_DATE * (DAYS_OF_REPORT - 1), today)


def iso_week(year: int, week: int) -> DateRange:
    """Monday to Sunday of an ISO week; raises ValueError when the year has no such week."""
    monday = date.fromisocalendar(year, week, 1)
    return DateRange(monday, monday + _ONE_DATE * (DAYS_OF_REPORT - 1))


def page_of(wanted: DateRange, newest_on: date, at_most: int) -> DateRange:
    """The next dates of `wanted` to look at, going back from `newest_on`."""
    return DateRange(max(wanted.first_on, newest_on - _ONE_DATE * (at_most - 1)), newest_on)


def cut_after(page: DateRange, left_out_on: date | None) -> DateRange:
    """`page` without the date that didn't fit any more, and without everything before it."""
    return page if left_out_on is None else DateRange(left_out_on + _ONE_DATE, page.last_on)


def next_newest(wanted: DateRange, shown: DateRange) -> date | None:
    """Where the page after `shown` begins; None when nothing of `wanted` is left."""
    newest_on = shown.first_on - _ONE_DATE
    return newest_on if newest_on >= wanted.first_on else None
