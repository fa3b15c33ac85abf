"""Small pieces of work for the tests of the database."""

import asyncio
from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from watchkeeper.core.database import UnitOfWork, Work


def add_note(note: str) -> Work[None]:
    """Work that stores a note."""

    async def work(unit: UnitOfWork) -> None:
        await unit.execute(text("INSERT INTO wk.notes VALUES (:note)"), {"note": note})

    return work


async def read_one(unit: UnitOfWork) -> int:
    """Work that only reads."""
    return int((await unit.execute(text("SELECT 1"))).scalar_one())


async def backend_of(unit: UnitOfWork) -> int:
    """The server process that the unit of work talks to."""
    return int((await unit.execute(text("SELECT pg_backend_pid()"))).scalar_one())


def in_use(engine: AsyncEngine) -> int:
    """How many connections are out of the pool."""
    pool = engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


async def turns_until(is_so: Callable[[], bool]) -> None:
    """Let everybody else have a turn until something is so; a test's time limit ends it."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - what is waited for has no event, on purpose
            await asyncio.sleep(0)
