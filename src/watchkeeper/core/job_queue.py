"""pgqueuer as we use it: its names in our schema, and its statements on a connection of ours.

The library is imported when it is first needed: it takes a quarter of a second, which no start
and no command should wait for.
"""

from typing import TYPE_CHECKING, Any

from watchkeeper.core.database import UnitOfWork

if TYPE_CHECKING:
    from pgqueuer import Queries
    from pgqueuer.domain.settings import DBSettings

SCHEMA = "jobs"
CHANNEL = "watchkeeper_jobs"


def queue_settings() -> "DBSettings":
    """The names of the queue's objects, as migration 0009 made them.

    Made without reading the environment: the library would take names of tables from variables
    such as FUNCTION or TRIGGER.
    """
    from pgqueuer.domain.settings import DBSettings, Durability
    from pgqueuer.types import Channel

    return DBSettings.model_construct(
        prefix="",
        db_schema=SCHEMA,
        channel=Channel(CHANNEL),
        function="fn_pgqueuer_changed",
        statistics_table="pgqueuer_statistics",
        queue_status_type="pgqueuer_status",
        queue_table="pgqueuer",
        queue_table_log="pgqueuer_log",
        trigger="tg_pgqueuer_changed",
        schedules_table="pgqueuer_schedules",
        durability=Durability.durable,
        widen_id=True,
    )


def queries_on(driver: Any) -> "Queries":
    """The library's statements for our names; `driver` carries them to the database."""
    from pgqueuer import Queries
    from pgqueuer.adapters.persistence.qb import (
        QueryBuilderEnvironment,
        QueryQueueBuilder,
        QuerySchedulerBuilder,
    )

    settings = queue_settings()
    return Queries(
        driver,
        qbe=QueryBuilderEnvironment(settings),
        qbq=QueryQueueBuilder(settings),
        qbs=QuerySchedulerBuilder(settings),
    )


def queries_of(unit: UnitOfWork) -> "Queries":
    """The library's statements inside a unit of work: part of its transaction, and counted."""
    return queries_on(_UnitDriver(unit))


class _UnitDriver:
    """Carries statements to a unit of work; of the library's driver only what enqueuing needs.

    They go through SQLAlchemy, which begins the transaction: a statement on the connection below
    it could be committed by itself.
    """

    def __init__(self, unit: UnitOfWork) -> None:
        self._unit = unit

    async def fetch(self, query: str, *arguments: object) -> list[dict[str, object]]:
        rows = await self._unit.connection.exec_driver_sql(query, arguments)
        return [dict(row) for row in rows.mappings()]
