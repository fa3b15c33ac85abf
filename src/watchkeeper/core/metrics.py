"""Metrics: Prometheus for operators, and counts of database operations per request.

A database operation is a statement with data; BEGIN, COMMIT and pre-ping are counted apart.
Statements are counted where the driver is called, so nothing has to be counted by hand.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_BUCKETS_OF_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(slots=True)
class OperationCount:
    """Database work done for one request, job or test block."""

    operations: int = 0
    transactions: int = 0
    statements: list[str] | None = None


_open_counts: ContextVar[tuple[OperationCount, ...]] = ContextVar(
    "watchkeeper_open_counts", default=()
)


@contextmanager
def count_operations(*, keep_statements: bool = False) -> Iterator[OperationCount]:
    """Count the database operations of everything that runs inside the block.

    Blocks nest; each sees its own share and that of the blocks inside it.
    """
    count = OperationCount(statements=[] if keep_statements else None)
    token = _open_counts.set((*_open_counts.get(), count))
    try:
        yield count
    finally:
        _open_counts.reset(token)


def record_statement(statement: str, executions: int) -> None:
    """Add `executions` of one statement to every open count; called at the driver."""
    for count in _open_counts.get():
        count.operations += executions
        if count.statements is not None:
            count.statements.append(statement)


def record_transaction() -> None:
    """Add one BEGIN to every open count; called at the driver."""
    for count in _open_counts.get():
        count.transactions += 1


class DurationSummary:
    """Average, maximum and 95th percentile of the last 2 048 durations, in milliseconds."""

    def __init__(self) -> None:
        self.total = 0
        self._sum_ms = 0.0
        self._max_ms = 0.0
        self._recent_ms: deque[float] = deque(maxlen=2048)

    def observe(self, seconds: float) -> None:
        """Add one duration."""
        milliseconds = seconds * 1000
        self.total += 1
        self._sum_ms += milliseconds
        self._max_ms = max(self._max_ms, milliseconds)
        self._recent_ms.append(milliseconds)

    @property
    def average_ms(self) -> float:
        """The mean since the process began; 0 before the first."""
        return round(self._sum_ms / self.total, 3) if self.total else 0.0

    @property
    def max_ms(self) -> float:
        """The longest since the process began."""
        return round(self._max_ms, 3)

    @property
    def p95_ms(self) -> float:
        """The 95th percentile of the recent durations; 0 before the first."""
        if not self._recent_ms:
            return 0.0
        ordered = sorted(self._recent_ms)
        return round(ordered[max(0, -(-len(ordered) * 95 // 100) - 1)], 3)


class Metrics:
    """All metrics of one service; a registry of its own, so that several services fit a process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._http()
        self._database()
        self._work()
        self._heartbeat_batches()
        self._jobs()
        self._streams()
        self.heartbeat = DurationSummary()
        self.heartbeat_operations = 0
        self.weekly_report = DurationSummary()
        self.weekly_report_queries = 0

    def _http(self) -> None:
        self.requests = Counter(
            "watchkeeper_http_requests_total",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "watchkeeper_http_request_seconds",
            "Time from the request's arrival to its answer.",
            ("route",),
            buckets=_BUCKETS_SECONDS,
            registry=self.registry,
        )

    def _database(self) -> None:
        self.database_operations = Counter(
            "watchkeeper_database_operations_total",
            "Statements with data.",
            registry=self.registry,
        )
        self.database_transactions = Counter(
            "watchkeeper_database_transactions_total", "Transactions begun.", registry=self.registry
        )
        self.database_checkouts = Counter(
            "watchkeeper_database_connections_checked_out_total",
            "Connections taken from the pool.",
            registry=self.registry,
        )
        self.database_pings = Counter(
            "watchkeeper_database_pings_total",
            "Pooled connections that were asked for a sign of life before use.",
            registry=self.registry,
        )
        self.database_retries = Counter(
            "watchkeeper_database_retries_total",
            "Units of work repeated after an interruption.",
            registry=self.registry,
        )
        self.pool_in_use = Gauge(
            "watchkeeper_database_pool_in_use",
            "Database connections in use.",
            registry=self.registry,
        )

    def _work(self) -> None:
        self.heartbeats = Counter(
            "watchkeeper_heartbeats_total",
            "Heartbeats answered.",
            ("enforcement",),
            registry=self.registry,
        )
        self.heartbeat_seconds = Histogram(
            "watchkeeper_heartbeat_seconds",
            "Time to settle one heartbeat, from its arrival and with its wait in the queue.",
            buckets=_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.cache_hits = Counter(
            "watchkeeper_cache_hits_total", "Cache hits.", ("cache",), registry=self.registry
        )
        self.cache_misses = Counter(
            "watchkeeper_cache_misses_total", "Cache misses.", ("cache",), registry=self.registry
        )
        self.cache_invalidations = Counter(
            "watchkeeper_cache_invalidations_total",
            "Entries dropped because the truth changed.",
            ("cache",),
            registry=self.registry,
        )
        self.cache_entries = Gauge(
            "watchkeeper_cache_entries", "Entries kept.", ("cache",), registry=self.registry
        )
        self.offload_pending = Gauge(
            "watchkeeper_offload_pending",
            "Work waiting or running in an executor.",
            ("executor",),
            registry=self.registry,
        )
        self.offload_refused = Counter(
            "watchkeeper_offload_refused_total",
            "Work refused because the queue was full.",
            ("executor",),
            registry=self.registry,
        )

    def _heartbeat_batches(self) -> None:
        self.heartbeat_batch_size = Histogram(
            "watchkeeper_heartbeat_batch_size",
            "Heartbeats that one batch settled.",
            buckets=_BUCKETS_OF_SIZES,
            registry=self.registry,
        )
        self.heartbeat_wait_seconds = Histogram(
            "watchkeeper_heartbeat_wait_seconds",
            "Time that a heartbeat waited for its batch to leave.",
            buckets=_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.heartbeat_batches_retried = Counter(
            "watchkeeper_heartbeat_batches_one_by_one_total",
            "Batches that failed and were settled one by one.",
            registry=self.registry,
        )
        self.heartbeats_queued = Gauge(
            "watchkeeper_heartbeats_queued",
            "Heartbeats that wait for a batch.",
            registry=self.registry,
        )
        self.heartbeats_overloaded = Counter(
            "watchkeeper_heartbeats_overloaded_total",
            "Heartbeats refused because the queue was full.",
            registry=self.registry,
        )

    def _jobs(self) -> None:
        self.jobs_run = Counter(
            "watchkeeper_jobs_total",
            "Attempts at durable jobs by this process, and how they ended: done, retried (it "
            "failed and will be tried again), dead (it failed for the last time), stopped.",
            ("job", "outcome"),
            registry=self.registry,
        )
        self.job_seconds = Histogram(
            "watchkeeper_job_seconds",
            "Time that an attempt at a durable job took.",
            ("job",),
            buckets=_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.jobs_waiting = Gauge(
            "watchkeeper_jobs_waiting",
            "Durable jobs in the queue of all processes that are due.",
            registry=self.registry,
        )
        self.jobs_dead = Gauge(
            "watchkeeper_jobs_dead",
            "Durable jobs that failed for the last time and are kept for a person.",
            registry=self.registry,
        )
        self.jobs_oldest_seconds = Gauge(
            "watchkeeper_jobs_oldest_waiting_seconds",
            "How long the oldest durable job has been due.",
            registry=self.registry,
        )

    def _streams(self) -> None:
        self.streams_open = Gauge(
            "watchkeeper_streams_open", "Streams of events that are open.", registry=self.registry
        )
        self.streams_ended = Counter(
            "watchkeeper_streams_ended_total",
            "Streams of events that ended; `too_slow` were dropped.",
            ("ending",),
            registry=self.registry,
        )
        self.events_sent = Counter(
            "watchkeeper_events_sent_total",
            "Events given to streams.",
            ("event",),
            registry=self.registry,
        )

    def prometheus(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
