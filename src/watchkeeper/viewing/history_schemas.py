"""Wire shapes of history and weekly report (03, section 6)."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from watchkeeper.core.problems import InvalidRequest
from watchkeeper.core.schemas import EARLIEST, LATEST, Answer, Instant, LocalDate, minutes_of
from watchkeeper.core.spreadsheets import csv_lines
from watchkeeper.viewing.rules.report import DailyTotal, DateRange, HistoryDay, HistoryEntry
from watchkeeper.viewing.rules.report import iso_week as dates_of_week
from watchkeeper.viewing.service.history import HistoryAnswer
from watchkeeper.viewing.service.weekly_report import ChildReport, WeeklyReport

UNKNOWN_TITLE = "Unknown title"
_WEEK = re.compile(r"(\d{4})-W(\d{2})", re.ASCII)


class HistoryRange(BaseModel):
    """Which dates of a history are wanted; viewing days are named by their local date."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_date: LocalDate | None = Field(
        default=None, description="First date; seven dates are shown when it is left out."
    )
    to_date: LocalDate | None = Field(default=None, description="Last date; today by default.")


class HistoryQuery(HistoryRange):
    """Which dates of a history are wanted, and which page of them."""

    cursor: Annotated[str, StringConstraints(max_length=2_000)] | None = Field(
        default=None, description="`next_cursor` of the page before; it remembers the dates."
    )


class HistorySession(Answer):
    """What one session watched of one title on one date."""

    title: str
    started_at: Instant
    duration_minutes: float
    device_type: str
    device_name: str | None
    is_educational: bool

    @classmethod
    def of(cls, entry: HistoryEntry) -> "HistorySession":
        """The wire shape of an entry."""
        return cls(
            title=entry.title or UNKNOWN_TITLE,
            started_at=entry.started_at,
            duration_minutes=minutes_of(entry.credited_ms),
            device_type=entry.device_type,
            device_name=entry.device_name,
            is_educational=entry.is_educational,
        )


class HistoryDate(Answer):
    """A date with its sessions, newest first; a date without any has zeros."""

    date: date
    total_counted_minutes: float
    total_educational_minutes: float
    sessions: list[HistorySession]

    @classmethod
    def of(cls, day: HistoryDay) -> "HistoryDate":
        """The wire shape of a day."""
        return cls(
            date=day.label,
            total_counted_minutes=minutes_of(day.counted_ms),
            total_educational_minutes=minutes_of(day.educational_ms),
            sessions=[HistorySession.of(entry) for entry in day.entries],
        )


class HistoryResponse(Answer):
    """A page of a history: every date, newest first; `next_cursor` is null after the last one."""

    profile_id: UUID
    from_date: date
    to_date: date
    days: list[HistoryDate]
    next_cursor: str | None

    @classmethod
    def of(
        cls, profile_id: UUID, answer: HistoryAnswer, next_cursor: str | None
    ) -> "HistoryResponse":
        """The wire shape of a page."""
        return cls(
            profile_id=profile_id,
            from_date=answer.wanted.first_on,
            to_date=answer.wanted.last_on,
            days=[HistoryDate.of(day) for day in answer.days],
            next_cursor=next_cursor,
        )


class ReportQuery(BaseModel):
    """Which week is reported."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    week: Annotated[str, StringConstraints(max_length=20)] | None = Field(
        default=None, description="An ISO week such as 2026-W47; the last seven days by default."
    )

    def dates(self) -> DateRange | None:
        """The dates of the week, None for the default; raises `InvalidRequest` otherwise."""
        if self.week is None:
            return None
        match = _WEEK.fullmatch(self.week)
        if match is None or not EARLIEST.year < int(match[1]) < LATEST.year:
            raise InvalidRequest.field("week", "must be an ISO week such as 2026-W47")
        try:
            return dates_of_week(int(match[1]), int(match[2]))
        except ValueError as error:
            raise InvalidRequest.field("week", f"{match[1]} has no such week") from error


class DailyTotalAnswer(Answer):
    """A date of a child's report; `limit_minutes` is without grants, null means unlimited."""

    date: date
    counted_minutes: float
    educational_minutes: float
    forgiven_minutes: float = Field(
        description="Unreported time that wasn't charged: a player went silent while it played."
    )
    limit_minutes: int | None

    @classmethod
    def of(cls, total: DailyTotal) -> "DailyTotalAnswer":
        """The wire shape of a total."""
        return cls(
            date=total.label,
            counted_minutes=minutes_of(total.counted_ms),
            educational_minutes=minutes_of(total.educational_ms),
            forgiven_minutes=minutes_of(total.forgiven_ms),
            limit_minutes=total.limit_minutes,
        )


class WatchedTitleAnswer(Answer):
    """A title and its time, educational time included."""

    title: str
    total_minutes: float


class ChildReportAnswer(Answer):
    """One child's week. The average percentage leaves out days without limit; null if all were."""

    profile_id: UUID
    profile_name: str
    daily_totals: list[DailyTotalAnswer]
    average_daily_minutes: float
    average_limit_usage_percent: float | None
    most_watched: list[WatchedTitleAnswer]

    @classmethod
    def of(cls, report: ChildReport) -> "ChildReportAnswer":
        """The wire shape of a child's report."""
        percent = report.average_limit_usage_percent
        return cls(
            profile_id=report.profile_id,
            profile_name=report.name,
            daily_totals=[DailyTotalAnswer.of(total) for total in report.totals],
            average_daily_minutes=round(report.average_daily_ms / 60_000, 5),
            average_limit_usage_percent=None if percent is None else round(percent, 2),
            most_watched=[
                WatchedTitleAnswer(
                    title=watched.title or UNKNOWN_TITLE,
                    total_minutes=minutes_of(watched.watched_ms),
                )
                for watched in report.most_watched
            ],
        )


class WeeklyReportResponse(Answer):
    """The week of every child, in order of name; both dates are inclusive."""

    period_start: date
    period_end: date
    profiles: list[ChildReportAnswer]

    @classmethod
    def of(cls, report: WeeklyReport) -> "WeeklyReportResponse":
        """The wire shape of a report."""
        return cls(
            period_start=report.period.first_on,
            period_end=report.period.last_on,
            profiles=[ChildReportAnswer.of(child) for child in report.children],
        )


CSV_COLUMNS = (
    "profile_id",
    "profile_name",
    "date",
    "counted_minutes",
    "educational_minutes",
    "limit_minutes",
)


def report_as_csv(report: WeeklyReportResponse) -> str:
    """The daily totals, one line a child and date; an unlimited day's limit is empty."""
    lines = (
        (
            child.profile_id,
            child.profile_name,
            total.date,
            total.counted_minutes,
            total.educational_minutes,
            total.limit_minutes,
        )
        for child in report.profiles
        for total in child.daily_totals
    )
    return csv_lines((CSV_COLUMNS, *lines))


HISTORY_CSV_COLUMNS = (
    "date",
    "started_at",
    "title",
    "duration_minutes",
    "is_educational",
    "device_type",
    "device_name",
)


def history_as_csv(days: Iterable[HistoryDay]) -> str:
    """One line a session and title, in the order of the history; true or false in small letters."""
    dates = [HistoryDate.of(day) for day in days]
    return csv_lines(
        (
            day.date,
            session.model_dump(mode="json")["started_at"],
            session.title,
            session.duration_minutes,
            str(session.is_educational).lower(),
            session.device_type,
            session.device_name,
        )
        for day in dates
        for session in day.sessions
    )
