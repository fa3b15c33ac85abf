"""History: what a profile watched, date by date, in pages of whole dates."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.problems import InvalidRequest, NotFound
from watchkeeper.viewing.history_repository import find_history_subject, read_history
from watchkeeper.viewing.rules.report import (
    DateRange,
    HistoryDay,
    cut_after,
    fill_history,
    label_at,
    last_days,
    next_newest,
    page_of,
)

LONGEST_RANGE_DAYS = 400
PAGE_DAYS = 31
PAGE_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """Which dates are wanted, both ends inclusive, and where the page begins.

    Without `last_on` the range ends today, without `first_on` it holds seven dates. `newest_on`
    is the first date of a later page, from `HistoryAnswer.next_on`.
    """

    first_on: date | None = None
    last_on: date | None = None
    newest_on: date | None = None


@dataclass(frozen=True, slots=True)
class HistoryAnswer:
    """A page: every date from the newest on, and where the next page begins (None at the end)."""

    wanted: DateRange
    days: tuple[HistoryDay, ...]
    next_on: date | None


class History:
    """Reads histories on one floor."""

    def __init__(
        self, floor: Floor, *, page_days: int = PAGE_DAYS, page_entries: int = PAGE_ENTRIES
    ) -> None:
        self._floor = floor
        self._page_days = page_days
        self._page_entries = page_entries

    async def read(
        self, household_id: UUID, profile_id: UUID, request: HistoryRequest
    ) -> HistoryAnswer:
        """A page of what a profile of the household watched; adults have a history too.

        A page holds up to `page_days` dates and stops before a date when it already has
        `page_entries` entries; a date is never split. Raises `NotFound` for a profile that the
        household doesn't have, `InvalidRequest` for a reversed range or one over 400 days.
        Query cost: 2 statements. Source: viewing time, section 6.
        """
        now = self._floor.clock.now()

        async def work(unit: UnitOfWork) -> HistoryAnswer:
            subject = await find_history_subject(unit, household_id, profile_id, now)
            if subject is None:
                raise NotFound("We couldn't find that profile.")
            today = label_at(subject.last_day, subject.day_settings, now)
            wanted = _checked_range(request, today)
            page = page_of(wanted, request.newest_on or wanted.last_on, self._page_days)
            found = await read_history(unit, household_id, profile_id, page, self._page_entries)
            shown = cut_after(page, found.left_out_on)
            return HistoryAnswer(
                wanted=wanted,
                days=fill_history(found.entries, found.totals, shown),
                next_on=next_newest(wanted, shown),
            )

        return await self._floor.database.run(work, is_replayable=True)

    async def read_on(
        self, household_id: UUID, profile_id: UUID, first: HistoryAnswer
    ) -> AsyncIterator[HistoryAnswer]:
        """`first` and all pages after it, each read when it is asked for.

        Pages belong to the dates of `first`, so that midnight doesn't move them. Raises
        `NotFound` when the profile is deleted meanwhile. Query cost: 2 statements for each
        further page.
        """
        page = first
        yield page
        while page.next_on is not None:
            request = HistoryRequest(first.wanted.first_on, first.wanted.last_on, page.next_on)
            page = await self.read(household_id, profile_id, request)
            yield page


def _checked_range(request: HistoryRequest, today: date) -> DateRange:
    last_on = request.last_on or today
    wanted = DateRange(request.first_on or last_days(last_on).first_on, last_on)
    if wanted.length < 1:
        raise InvalidRequest.field("from_date", f"lies after the end of the range, {last_on}")
    if wanted.length > LONGEST_RANGE_DAYS:
        raise InvalidRequest.field(
            "from_date", f"the range is longer than {LONGEST_RANGE_DAYS} days"
        )
    return wanted
