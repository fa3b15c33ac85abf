"""What is examined: a database, the settings that a service would use, and the folder of both."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from watchkeeper.core.clock import to_milliseconds
from watchkeeper.core.database import Database, UnitOfWork
from watchkeeper.core.queries import Queries
from watchkeeper.settings import Settings

QUERIES = Queries("watchkeeper.doctor")
EXAMPLES = 3

# Sums of ten thousand families fit, which saves sorting them on disk.
_WORK_MEMORY = "64MB"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Subject:
    """One examination's view of the service.

    `now` is the database's time and `machine_now` this machine's, read at the same moment.
    `secrets_file` need not exist. `on_progress` is told how many of how many parts are done.
    """

    database: Database
    settings: Settings
    data_dir: Path
    secrets_file: Path
    is_embedded: bool
    now: datetime
    machine_now: datetime
    on_progress: Progress = lambda _done, _total: None

    @property
    def detail_days(self) -> int:
        """Days that sessions and slices are kept; older sums can't be compared."""
        return self.settings.privacy.detail_days

    @property
    def detail_since(self) -> datetime:
        """From when on sums can be compared; a day later than the clean-up's edge, which moves."""
        return self.now - timedelta(days=self.detail_days - 1)

    async def read(self, query: str, **parameters: Any) -> list[Any]:
        """The rows of a named query, read in a transaction that can't write. Cost: 2 statements."""
        return await read(self.database, query, **parameters)


async def read(database: Database, query: str, **parameters: Any) -> list[Any]:
    """The rows of a named query of the doctor, read in a transaction that can't write."""

    async def work(unit: UnitOfWork) -> list[Any]:
        await unit.execute(text("SET TRANSACTION READ ONLY"))
        await unit.execute(text(f"SET LOCAL work_mem = '{_WORK_MEMORY}'"))
        return list((await unit.execute(QUERIES[query], parameters)).all())

    return await database.run(work, is_replayable=True)


async def read_clock(database: Database) -> datetime:
    """The database's time."""
    (row,) = await read(database, "read_clock")
    instant: datetime = row.now
    return to_milliseconds(instant)
