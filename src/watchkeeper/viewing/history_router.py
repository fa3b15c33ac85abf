"""Routes for guardians who look back: history and weekly report."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse

from watchkeeper.accounts.dependencies import ElevatedGuardian
from watchkeeper.core.pagination import read_cursor, write_cursor
from watchkeeper.core.problem_documents import problem_responses
from watchkeeper.core.problems import InvalidRequest
from watchkeeper.core.spreadsheets import csv_lines
from watchkeeper.viewing.access import household_of
from watchkeeper.viewing.history_schemas import (
    HISTORY_CSV_COLUMNS,
    HistoryQuery,
    HistoryRange,
    HistoryResponse,
    ReportQuery,
    WeeklyReportResponse,
    history_as_csv,
    report_as_csv,
)
from watchkeeper.viewing.service.history import History, HistoryAnswer, HistoryRequest
from watchkeeper.viewing.service.weekly_report import WeeklyReports

CSV = "text/csv; charset=utf-8"
router = APIRouter(
    prefix="/parental-controls", tags=["history"], responses=problem_responses(401, 403, 404)
)


async def get_history(request: Request) -> History:
    """The histories of this service."""
    history: History = request.app.state.history
    return history


async def get_weekly_reports(request: Request) -> WeeklyReports:
    """The weekly reports of this service."""
    reports: WeeklyReports = request.app.state.weekly_reports
    return reports


ReportsDep = Annotated[WeeklyReports, Depends(get_weekly_reports)]


@router.get("/profiles/{profile_id}/history", summary="What a profile watched, date by date")
async def read_history(
    request: Request,
    profile_id: UUID,
    wanted: Annotated[HistoryQuery, Query()],
    guardian: ElevatedGuardian,
    history: Annotated[History, Depends(get_history)],
) -> HistoryResponse:
    """Every date of the range, newest first, in pages of whole dates; at most 400 days."""
    key = request.app.state.floor.secrets.signing_key[1]
    answer = await history.read(
        household_of(guardian), profile_id, _history_request(key, profile_id, wanted)
    )
    return HistoryResponse.of(profile_id, answer, _next_cursor(key, profile_id, answer))


@router.get(
    "/profiles/{profile_id}/history.csv",
    summary="What a profile watched, as CSV",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def read_history_csv(
    profile_id: UUID,
    wanted: Annotated[HistoryRange, Query()],
    guardian: ElevatedGuardian,
    history: Annotated[History, Depends(get_history)],
) -> StreamingResponse:
    """One line a session and title, newest date first, with a line of names before them.

    It is sent while it is read, in pages of whole dates.
    """
    household_id = household_of(guardian)
    # Refusals come before the first byte.
    first = await history.read(
        household_id, profile_id, HistoryRequest(wanted.from_date, wanted.to_date)
    )

    async def lines() -> AsyncIterator[str]:
        yield csv_lines([HISTORY_CSV_COLUMNS])
        async for page in history.read_on(household_id, profile_id, first):
            yield history_as_csv(page.days)

    name = f"history-{first.wanted.first_on}-{first.wanted.last_on}.csv"
    return StreamingResponse(lines(), media_type=CSV, headers=_as_file(name))


@router.get("/weekly-report", summary="What each child watched in a week")
async def read_weekly_report(
    wanted: Annotated[ReportQuery, Query()], guardian: ElevatedGuardian, reports: ReportsDep
) -> WeeklyReportResponse:
    """The last seven days, or an ISO week; dates on which nothing was watched are included."""
    return WeeklyReportResponse.of(await reports.make(household_of(guardian), wanted.dates()))


@router.get(
    "/weekly-report.csv",
    summary="The daily totals of the weekly report as CSV",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def read_weekly_report_csv(
    wanted: Annotated[ReportQuery, Query()], guardian: ElevatedGuardian, reports: ReportsDep
) -> Response:
    """One line a child and date, with a line of names first."""
    made = await reports.make(household_of(guardian), wanted.dates())
    report = WeeklyReportResponse.of(made)
    name = f"viewing-time-{report.period_start}-{report.period_end}.csv"
    return Response(report_as_csv(report), media_type=CSV, headers=_as_file(name))


def _as_file(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _next_cursor(key: bytes, profile_id: UUID, answer: HistoryAnswer) -> str | None:
    if answer.next_on is None:
        return None
    dates = (answer.wanted.first_on, answer.wanted.last_on, answer.next_on)
    return write_cursor(key, ["history", str(profile_id), *(day.isoformat() for day in dates)])


def _history_request(key: bytes, profile_id: UUID, wanted: HistoryQuery) -> HistoryRequest:
    """The range that is asked for; a cursor brings its own, so that midnight doesn't move it."""
    if wanted.cursor is None:
        return HistoryRequest(wanted.from_date, wanted.to_date)
    position: list[Any] = read_cursor(key, wanted.cursor)
    if position[:2] != ["history", str(profile_id)]:
        raise InvalidRequest.field("cursor", "belongs to another list")
    first_on, last_on, newest_on = (date.fromisoformat(day) for day in position[2:])
    for name, given, kept in (
        ("from_date", wanted.from_date, first_on),
        ("to_date", wanted.to_date, last_on),
    ):
        if given is not None and given != kept:
            raise InvalidRequest.field(name, "differs from the range that the cursor belongs to")
    return HistoryRequest(first_on, last_on, newest_on)
