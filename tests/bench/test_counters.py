"""Reading the counters of the service, of PostgreSQL and of the system."""

from bench.counters import DatabaseWork, StatementCalls, parse_metrics, statements_between
from bench.machine import settings_of
from bench.processes import parse_proportional_kib, parse_stat

from watchkeeper.core.metrics import Metrics

_STAT = (
    "4321 (odd) name (x) S 17 4321 4321 0 -1 4194560 5000 0 2 0 "
    "250 50 30 20 20 0 12 0 88 123456789 4000 18446744073709551615"
)


def test_the_service_s_own_metrics_are_understood() -> None:
    metrics = Metrics()
    before = parse_metrics(metrics.prometheus().decode())
    metrics.database_operations.inc(6)
    metrics.database_transactions.inc(3)
    metrics.database_pings.inc(2)
    metrics.cache_hits.labels("one").inc(4)
    metrics.cache_hits.labels("two").inc(5)
    after = parse_metrics(metrics.prometheus().decode())
    assert DatabaseWork.between(before, after) == DatabaseWork(6, 3, 2)
    assert after["watchkeeper_cache_hits_total"] == 9


def test_statements_of_a_phase_are_the_growth_without_the_bench_s_question() -> None:
    before = {1: StatementCalls("SELECT a", 10, 5.0), 2: StatementCalls("SELECT b", 1, 1.0)}
    after = {
        1: StatementCalls("SELECT\n  a", 14, 7.5),
        2: StatementCalls("SELECT b", 1, 1.0),
        3: StatementCalls("COMMIT", 9, 0.1),
        5: StatementCalls("SELECT", 8, 0.1),
        4: StatementCalls("SELECT calls FROM pg_stat_statements", 1, 0.1),
    }
    grown = statements_between(before, after)
    assert [(one.query, one.calls) for one in grown] == [
        ("COMMIT", 9),
        ("SELECT", 8),
        ("SELECT a", 4),
    ]
    assert grown[2].execution_ms == 2.5
    assert [one.is_control for one in grown] == [True, True, False]


def test_process_statistics_survive_odd_names() -> None:
    stat = parse_stat(_STAT, ticks_per_second=100)
    assert stat.parent_pid == 17
    assert stat.cpu_seconds == 3.0
    assert stat.ended_children_cpu_seconds == 0.5


def test_proportional_memory_is_the_pss_line() -> None:
    rollup = "5500-7ffd ---p 00000000 00:00 0 [rollup]\nRss: 900 kB\nPss: 321 kB\nPss_Dirty: 1 kB\n"
    assert parse_proportional_kib(rollup) == 321


def test_results_name_changed_settings_but_never_hold_secrets() -> None:
    environment = {
        "PATH": "/bin",
        "WATCHKEEPER_DATABASE_POOL_SIZE": "5",
        "WATCHKEEPER_DATABASE_URL": "postgresql://a:b@c/d",
    }
    assert settings_of(environment) == {
        "WATCHKEEPER_DATABASE_POOL_SIZE": "5",
        "WATCHKEEPER_DATABASE_URL": "(set)",
    }
