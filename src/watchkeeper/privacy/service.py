"""Exports: everything that is kept about a household or one of its people, as a stream.

Rows are read in pages by key, each in a short transaction, so that a slow reader holds no
connection and memory holds one page. What changes while an export is made may be in it or not.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

from watchkeeper.accounts.public import get_profile, record_audit
from watchkeeper.core.auth import Principal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.offload import Executor
from watchkeeper.core.personal_data import ExportedRows, PersonalTable, exported, read_rows
from watchkeeper.core.problems import Overloaded
from watchkeeper.privacy.documents import Document, document_of
from watchkeeper.privacy.problems import ExportRunning
from watchkeeper.privacy.tables import TABLES
from watchkeeper.privacy.types import ExportFormat, ExportSubject

PAGE_ROWS = 500
AT_ONCE = 4
_QUEUE = 16


class Export:
    """One export that has its place; iterate it once, and close it whatever happens."""

    def __init__(self, exports: "Exports", subject: ExportSubject, document: Document) -> None:
        self._exports = exports
        self._subject = subject
        self._document = document
        self._pieces = self._stream()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def _stream(self) -> AsyncIterator[bytes]:
        document, run = self._document, self._exports.run
        for table in exported(self._exports.tables, self._subject.profile_id):
            yield await run(document.begin, table)
            async for rows in self._exports.pages(table, self._subject):
                yield await run(document.add, table, rows.documents)
            yield await run(document.end)
        yield await run(document.close)

    def close(self) -> None:
        """Give the place back; may be called again."""
        self._exports.release(self._subject.household_id)


class Exports:
    """Makes exports on one floor: one of a household at a time, and `AT_ONCE` in all.

    Counted in each process: what is bounded is the work that one process does beside heartbeats.
    """

    def __init__(
        self,
        floor: Floor,
        *,
        tables: Sequence[PersonalTable] = TABLES,
        page_rows: int = PAGE_ROWS,
    ) -> None:
        self.tables = tables
        self._floor = floor
        self._page_rows = page_rows
        self._running: set[UUID] = set()
        self._executor = Executor("exports", threads=1, queue_limit=_QUEUE, metrics=floor.metrics)
        self.run = self._executor.run

    async def open(
        self, actor: Principal | str, subject: ExportSubject, form: ExportFormat, now: datetime
    ) -> Export:
        """An export that may begin; its caller closes it.

        Raises `NotFound` (404), `ExportRunning` (429), or `Overloaded` (503). Emits an audit entry.
        """
        if subject.household_id in self._running:
            raise ExportRunning
        if len(self._running) >= AT_ONCE:
            raise Overloaded("Several exports are being made. Please try again in a moment.")
        self._running.add(subject.household_id)
        try:
            await self._floor.database.run(lambda unit: _begin(unit, actor, subject, form, now))
        except BaseException:
            self.release(subject.household_id)
            raise
        return Export(self, subject, document_of(form, subject, now))

    async def pages(
        self, table: PersonalTable, subject: ExportSubject
    ) -> AsyncIterator[ExportedRows]:
        """The rows of one table, page by page; a statement and a transaction for each."""
        after: str | None = None
        while True:
            rows = await self._read(table, subject, after)
            if rows.documents:
                yield rows
            if rows.following is None:
                return
            after = rows.following

    async def _read(
        self, table: PersonalTable, subject: ExportSubject, after: str | None
    ) -> ExportedRows:
        async def read(unit: UnitOfWork) -> ExportedRows:
            return await read_rows(
                unit,
                table,
                subject.household_id,
                subject.profile_id,
                after=after,
                at_most=self._page_rows,
            )

        return await self._floor.database.run(read, is_replayable=True)

    def release(self, household_id: UUID) -> None:
        """Let the next export of a household begin."""
        self._running.discard(household_id)

    def close(self) -> None:
        """End the thread that compresses."""
        self._executor.close()


async def _begin(
    unit: UnitOfWork,
    actor: Principal | str,
    subject: ExportSubject,
    form: ExportFormat,
    now: datetime,
) -> None:
    if subject.profile_id is not None:
        await get_profile(unit, subject.household_id, subject.profile_id)
    await record_audit(
        unit,
        subject.household_id,
        at=now,
        actor=actor,
        action=f"{subject.kind}.exported",
        subject=f"{subject.kind}:{subject.id}",
        after={"format": form},
    )
