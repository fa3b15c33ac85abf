"""What a scenario works with: the service under load, its viewers, and what a phase cost."""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from bench.counters import (
    DatabaseWork,
    StatementCalls,
    parse_metrics,
    read_statements,
    statements_between,
)
from bench.figures import Figure
from bench.players import Viewer
from bench.processes import busy_cpu_seconds, cpu_seconds_of, cpu_seconds_of_family
from bench.service import BenchError, Service
from watchkeeper.core.embedded import find_running


@dataclass(frozen=True, slots=True)
class Size:
    """How long and how often things are measured. Times in seconds."""

    lone_heartbeats: int
    steady_seconds: int
    saturation_seconds: int
    flood_seconds: int
    bursts: int
    starts: int
    restarts: int
    reads: int
    push_changes: int
    push_idle_seconds: int
    repeats: int


QUICK = Size(
    lone_heartbeats=300,
    steady_seconds=30,
    saturation_seconds=10,
    flood_seconds=12,
    bursts=3,
    starts=1,
    restarts=2,
    reads=100,
    push_changes=120,
    push_idle_seconds=20,
    repeats=1,
)
FULL = Size(
    lone_heartbeats=1_000,
    steady_seconds=60,
    saturation_seconds=30,
    flood_seconds=60,
    bursts=10,
    starts=3,
    restarts=5,
    reads=500,
    push_changes=400,
    push_idle_seconds=60,
    repeats=3,
)


@dataclass(slots=True)
class Phase:
    """What the service and its database did during a block; None where it can't be known."""

    wall_seconds: float = 0.0
    database: DatabaseWork = field(default_factory=lambda: DatabaseWork(0, 0, 0))
    statements: list[StatementCalls] | None = None
    service_cpu_seconds: float | None = None
    database_cpu_seconds: float | None = None
    other_programs_cores: float | None = None

    @property
    def statements_with_data(self) -> int | None:
        """Calls that PostgreSQL counted, without transaction control."""
        if self.statements is None:
            return None
        return sum(one.calls for one in self.statements if not one.is_control)

    def as_json(self) -> dict[str, Any]:
        """The shape in a results file, with the statements that were called most."""
        most_called = [
            {"query": one.query[:160], "calls": one.calls, "execution_ms": one.execution_ms}
            for one in (self.statements or [])[:12]
        ]
        return {
            "wall_seconds": round(self.wall_seconds, 3),
            "operations": self.database.operations,
            "transactions": self.database.transactions,
            "pings": self.database.pings,
            "service_cpu_seconds": _rounded(self.service_cpu_seconds),
            "database_cpu_seconds": _rounded(self.database_cpu_seconds),
            "other_programs_cores": _rounded(self.other_programs_cores),
            "statements": most_called,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


@dataclass(slots=True)
class Bench:
    """One service under load and the folder for everything temporary.

    `other_programs_cores` is the most that programs beside the bench used in any phase since it
    was last set to 0; `idle_mib` is the service's memory when it was ready.
    """

    folder: Path
    size: Size
    service: Service
    viewers: list[Viewer]
    idle_mib: float | None = None
    other_programs_cores: float = 0.0

    def take_viewers(self, count: int) -> list[Viewer]:
        """The first `count` viewers; raises `BenchError` when there are fewer."""
        if len(self.viewers) < count:
            raise BenchError(f"{count} viewers are needed, there are {len(self.viewers)}")
        return self.viewers[:count]

    @asynccontextmanager
    async def connection(
        self,
    ) -> AsyncIterator["asyncpg.Connection[asyncpg.Record] | None"]:
        """A connection to the service's embedded database; None when it isn't ours."""
        dsn = None if self.service.data_dir is None else await find_running(self.service.data_dir)
        if dsn is None:
            yield None
            return
        connection = await asyncpg.connect(dsn)
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def observed(self) -> AsyncIterator[Phase]:
        """Measure what the block makes the service and the database do.

        Background work of the service is in it too: it isn't much, and it is really done.
        """
        phase = Phase()
        async with self.connection() as connection:
            statements = None if connection is None else await read_statements(connection)
            metrics = parse_metrics(await self.service.read_metrics())
            usage, began = self._usage(), time.monotonic()
            yield phase
            phase.wall_seconds = time.monotonic() - began
            _fill_in_usage(phase, usage, self._usage())
            others = phase.other_programs_cores or 0.0
            self.other_programs_cores = max(self.other_programs_cores, others)
            after = parse_metrics(await self.service.read_metrics())
            phase.database = DatabaseWork.between(metrics, after)
            if connection is not None and statements is not None:
                later = await read_statements(connection)
                phase.statements = statements_between(statements, later or {})

    def _usage(self) -> "_Usage":
        pid, postmaster = self.service.pid, self.service.postmaster_pid
        return _Usage(
            service=None if pid is None else cpu_seconds_of(pid),
            database=None if postmaster is None else cpu_seconds_of_family(postmaster),
            bench=cpu_seconds_of_family(os.getpid()),
            machine=busy_cpu_seconds(),
        )


@dataclass(frozen=True, slots=True)
class _Usage:
    """Processor seconds; the service is a child of the bench, so `bench` holds it too."""

    service: float | None
    database: float | None
    bench: float | None
    machine: float | None


def _fill_in_usage(phase: Phase, before: _Usage, after: _Usage) -> None:
    phase.service_cpu_seconds = _grown(before.service, after.service)
    phase.database_cpu_seconds = _grown(before.database, after.database)
    machine, bench = _grown(before.machine, after.machine), _grown(before.bench, after.bench)
    if machine is not None and bench is not None and phase.database_cpu_seconds is not None:
        others = machine - bench - phase.database_cpu_seconds
        phase.other_programs_cores = max(0.0, others / max(phase.wall_seconds, 1e-9))


def _grown(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of a scenario gave: figures for the table, details for the results file."""

    figures: list[Figure]
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing to be measured. `is_own_only`: it needs a service that the bench started."""

    name: str
    title: str
    run: Callable[[Bench], Awaitable[Outcome]]
    is_own_only: bool = False
