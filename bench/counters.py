"""What a phase cost the database: the service's own counters, and PostgreSQL's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

_SAMPLE = re.compile(r"^([a-z_]+)(?:\{[^}]*\})? (\S+)$")
_OPERATIONS = "watchkeeper_database_operations_total"
_TRANSACTIONS = "watchkeeper_database_transactions_total"
_PINGS = "watchkeeper_database_pings_total"

# Control of transactions and of the session is no work with data, and an empty SELECT is a ping.
_CONTROL = ("BEGIN", "START", "COMMIT", "ROLLBACK", "SET", "SHOW", "DISCARD", "LISTEN", "UNLISTEN")
_PINGS_IN_SQL = ("", ";", "SELECT", "SELECT $1")

_STATEMENTS = """
    SELECT s.queryid, s.query, s.calls, s.total_exec_time
    FROM pg_stat_statements s
    JOIN pg_database d ON d.oid = s.dbid
    WHERE d.datname = current_database() AND s.toplevel
"""


def parse_metrics(text: str) -> dict[str, float]:
    """The samples of Prometheus' text format, added up over their labels."""
    totals: dict[str, float] = {}
    for line in text.splitlines():
        if match := _SAMPLE.match(line):
            totals[match[1]] = totals.get(match[1], 0.0) + float(match[2])
    return totals


@dataclass(frozen=True, slots=True)
class DatabaseWork:
    """Database work of a phase as the service counted it at its driver."""

    operations: float
    transactions: float
    pings: float

    @classmethod
    def between(cls, before: Mapping[str, float], after: Mapping[str, float]) -> "DatabaseWork":
        """The growth of the service's counters."""
        grown = [
            after.get(name, 0.0) - before.get(name, 0.0)
            for name in (_OPERATIONS, _TRANSACTIONS, _PINGS)
        ]
        return cls(*grown)


@dataclass(frozen=True, slots=True)
class StatementCalls:
    """One statement in pg_stat_statements; `execution_ms` is the time inside PostgreSQL."""

    query: str
    calls: int
    execution_ms: float

    @property
    def is_control(self) -> bool:
        """Whether it only begins, ends or sets up."""
        query = self.query.strip().upper()
        return query in _PINGS_IN_SQL or query.partition(" ")[0] in _CONTROL


Statements = dict[int, StatementCalls]


async def read_statements(connection: "asyncpg.Connection[asyncpg.Record]") -> Statements | None:
    """What PostgreSQL has run in this database so far; None when it doesn't count."""
    try:
        rows = await connection.fetch(_STATEMENTS)
    except asyncpg.PostgresError:
        return None
    found: Statements = {}
    for row in rows:
        known = found.get(row["queryid"], StatementCalls(row["query"] or "", 0, 0.0))
        found[row["queryid"]] = StatementCalls(
            known.query, known.calls + row["calls"], known.execution_ms + row["total_exec_time"]
        )
    return found


def statements_between(before: Statements, after: Statements) -> list[StatementCalls]:
    """What was run in between, most frequent first, without the bench's own question."""
    grown: list[StatementCalls] = []
    for query_id, later in after.items():
        earlier = before.get(query_id, StatementCalls("", 0, 0.0))
        calls = later.calls - earlier.calls
        if calls > 0 and "pg_stat_statements" not in later.query:
            spent_ms = round(later.execution_ms - earlier.execution_ms, 3)
            grown.append(StatementCalls(" ".join(later.query.split()), calls, spent_ms))
    return sorted(grown, key=lambda statement: -statement.calls)
