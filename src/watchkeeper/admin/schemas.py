"""Wire shapes of the administrators' calls (03, section 6)."""

from pydantic import Field

from watchkeeper.core.cache import Cache
from watchkeeper.core.metrics import Metrics
from watchkeeper.core.schemas import Answer


class HeartbeatMetrics(Answer):
    """Heartbeats that this process answered. A database operation is a statement with data."""

    total_processed: int
    avg_db_ops_per_heartbeat: float
    avg_duration_ms: float
    max_duration_ms: float
    p95_duration_ms: float = Field(description="Of the last 2048 heartbeats.")


class CacheMetrics(Answer):
    """The cache of profiles' viewing-time configuration in this process."""

    hit_rate: float = Field(description="0 to 1.")
    total_hits: int
    total_misses: int
    total_invalidations: int
    current_size: int
    max_size: int


class ReportMetrics(Answer):
    """Weekly reports that this process made."""

    total_generated: int
    avg_query_count: float
    p95_duration_ms: float = Field(description="Of the last 2048 reports.")


class AdminMetrics(Answer):
    """What this process did since it began."""

    uptime_seconds: int
    heartbeat: HeartbeatMetrics
    config_cache: CacheMetrics
    weekly_report: ReportMetrics

    @classmethod
    def of(
        cls, metrics: Metrics, cache: Cache[object, object], uptime_seconds: float
    ) -> "AdminMetrics":
        """The figures as they stand."""
        beats, reports = metrics.heartbeat, metrics.weekly_report
        return cls(
            uptime_seconds=int(uptime_seconds),
            heartbeat=HeartbeatMetrics(
                total_processed=beats.total,
                avg_db_ops_per_heartbeat=_share(metrics.heartbeat_operations, beats.total),
                avg_duration_ms=beats.average_ms,
                max_duration_ms=beats.max_ms,
                p95_duration_ms=beats.p95_ms,
            ),
            config_cache=CacheMetrics(
                hit_rate=cache.hit_rate,
                total_hits=cache.hits,
                total_misses=cache.misses,
                total_invalidations=cache.invalidations,
                current_size=len(cache),
                max_size=cache.max_entries,
            ),
            weekly_report=ReportMetrics(
                total_generated=reports.total,
                avg_query_count=_share(metrics.weekly_report_queries, reports.total),
                p95_duration_ms=reports.p95_ms,
            ),
        )


def _share(amount: int, total: int) -> float:
    return round(amount / total, 3) if total else 0.0
