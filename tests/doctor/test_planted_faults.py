"""Each planted fault is found by its name, with the right example; a healthy database has none."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from tests.doctor.conftest import at
from watchkeeper.core.config import DatabaseSettings
from watchkeeper.core.problems import DatabaseUnavailable
from watchkeeper.doctor.checks.disk import judge_room
from watchkeeper.doctor.checks.indexes import EXPECTED, SCHEMAS
from watchkeeper.doctor.examine import examine
from watchkeeper.doctor.findings import Diagnosis, Finding, Verdict
from watchkeeper.doctor.rows import ROW_CHECKS
from watchkeeper.doctor.subject import QUERIES, Subject, read_clock
from watchkeeper.settings import Settings

_A_DAY = "(SELECT ctid FROM viewing.days WHERE counted_ms > 5000 ORDER BY starts_at LIMIT 1)"
_A_SESSION = (
    "(SELECT ctid FROM viewing.sessions WHERE counted_ms > 5000 AND is_child "
    "AND ended_at IS NOT NULL AND device_id LIKE 'demo-%' ORDER BY started_at DESC LIMIT 1)"
)
_A_SLICE = "(SELECT ctid FROM viewing.slices WHERE credited_ms > 5000 ORDER BY starts_at LIMIT 1)"
_OPEN_AGAIN = (
    "INSERT INTO viewing.sessions SELECT (jsonb_populate_record(s, jsonb_build_object("
    "'id', gen_random_uuid(), 'ended_at', null, 'end_reason', null, 'slice_count', 0, "
    "'counted_ms', 0, 'exempt_ms', 0))).* FROM viewing.sessions s WHERE s.ctid = {session} "
)


@dataclass(frozen=True, slots=True)
class Plant:
    """Statements that plant a fault; the last returns a text that an example has to hold."""

    check: str
    statements: tuple[str, ...]
    verdict: Verdict = Verdict.FAULT

    def __str__(self) -> str:
        return self.check


PLANTS = [
    Plant(
        "days_against_slices",
        (
            (
                "UPDATE viewing.days SET counted_ms = counted_ms - 1000 "
                f"WHERE ctid = {_A_DAY} RETURNING profile_id::text"
            ),
        ),
    ),
    Plant(
        "days_against_slices",
        (f"DELETE FROM viewing.slices WHERE ctid = {_A_SLICE} RETURNING profile_id::text",),
    ),
    Plant(
        "sessions_against_slices",
        (
            (
                "UPDATE viewing.sessions SET counted_ms = counted_ms - 1 "
                f"WHERE ctid = {_A_SESSION} RETURNING id::text"
            ),
        ),
    ),
    Plant(
        "days_beyond_the_clock",
        (
            (
                "UPDATE viewing.days SET counted_ms = 200000000 WHERE ctid = (SELECT d.ctid "
                "FROM viewing.days d JOIN accounts.profiles p ON p.id = d.profile_id "
                "WHERE p.is_child LIMIT 1) RETURNING profile_id::text"
            ),
        ),
    ),
    Plant(
        "sessions_beyond_the_clock",
        (
            (
                "UPDATE viewing.sessions SET counted_ms = counted_ms + 200000000 "
                f"WHERE ctid = {_A_SESSION} RETURNING id::text"
            ),
        ),
    ),
    Plant(
        "two_open_sessions",
        (
            "DROP INDEX viewing.sessions_one_open_per_child",
            _OPEN_AGAIN.format(session=_A_SESSION),
            _OPEN_AGAIN.format(session=_A_SESSION) + "RETURNING profile_id::text",
        ),
    ),
    Plant(
        "breaks_between_days",
        (
            (
                "UPDATE viewing.days SET ends_at = ends_at - interval '1 minute' "
                f"WHERE ctid = {_A_DAY} RETURNING profile_id::text"
            ),
        ),
    ),
    Plant(
        "rows_of_the_future",
        (
            (
                "UPDATE viewing.sessions SET last_accepted_at = now() + interval '1 day' "
                f"WHERE ctid = {_A_SESSION} RETURNING id::text"
            ),
        ),
    ),
    Plant(
        "slices_outside_their_day",
        (
            (
                "UPDATE viewing.slices SET starts_at = starts_at - interval '2 days', "
                "ends_at = ends_at - interval '2 days' "
                f"WHERE ctid = {_A_SLICE} RETURNING session_id::text"
            ),
        ),
    ),
    Plant(
        "slices_outside_their_day",
        (
            (
                "UPDATE viewing.slices SET credited_ms = credited_ms + 90000000 "
                f"WHERE ctid = {_A_SLICE} RETURNING session_id::text"
            ),
        ),
    ),
    Plant(
        "days_against_grants",
        (
            (
                "DELETE FROM viewing.grants WHERE minutes = 15 AND profile_id = "
                "(SELECT id FROM accounts.profiles WHERE name = 'Sam') RETURNING profile_id::text"
            ),
        ),
    ),
    Plant(
        "days_against_grants",
        (
            (
                "UPDATE viewing.days SET floor_ms = floor_ms + 1 WHERE floor_ms IS NOT NULL "
                "AND profile_id = (SELECT id FROM accounts.profiles WHERE name = 'Sam') "
                "RETURNING profile_id::text"
            ),
        ),
    ),
    Plant(
        "rows_without_owner",
        ("DELETE FROM accounts.profiles WHERE name = 'Noa' RETURNING id::text",),
    ),
    Plant(
        "profiles_without_policy",
        (
            (
                "DELETE FROM viewing.viewers WHERE profile_id = "
                "(SELECT id FROM accounts.profiles WHERE name = 'Leo') RETURNING profile_id::text"
            ),
        ),
    ),
    Plant(
        "indexes", ("DROP INDEX viewing.sessions_by_start", "SELECT 'viewing.sessions_by_start'")
    ),
    Plant("privileges", ("GRANT UPDATE ON accounts.audit TO CURRENT_USER", "SELECT 'audit'")),
    Plant("privileges", ("REVOKE DELETE ON viewing.days FROM CURRENT_USER", "SELECT 'days'")),
    Plant(
        "dead_rows",
        (
            "ALTER TABLE viewing.sessions SET (autovacuum_enabled = false)",
            "SELECT 'viewing.sessions'",
        ),
    ),
    Plant(
        "time_zones",
        (
            "UPDATE accounts.households SET timezone = 'Mars/Olympus_Mons' WHERE is_demo",
            "SELECT 'Mars/Olympus_Mons'",
        ),
    ),
    Plant(
        "schema",
        ("UPDATE alembic_version SET version_num = '0001'", "SELECT ''"),
    ),
    Plant(
        "schema",
        ("UPDATE alembic_version SET version_num = 'of 2040'", "SELECT ''"),
        Verdict.WARNING,
    ),
    Plant(
        "silent_sessions",
        (_OPEN_AGAIN.format(session=_A_SESSION) + "RETURNING id::text",),
        Verdict.WARNING,
    ),
]


def of(diagnosis: Diagnosis, check: str) -> Finding:
    """The finding of one check."""
    (finding,) = [finding for finding in diagnosis.findings if finding.check == check]
    return finding


async def test_a_healthy_used_database_has_no_faults(subject: Subject, patient: Any) -> None:
    assert await patient.fetchval("SELECT count(*) FROM viewing.slices") > 100
    assert await patient.fetchval("SELECT count(*) FROM viewing.grants") > 4
    assert await patient.fetchval("SELECT count(*) FROM viewing.sessions WHERE ended_at IS NULL")
    diagnosis = await examine(subject)
    assert [finding for finding in diagnosis.findings if finding.verdict is not Verdict.OK] == []
    names = [finding.check for finding in diagnosis.findings]
    assert len(set(names)) == len(names)
    assert {check.name for check in ROW_CHECKS} < set(names)


@pytest.mark.parametrize("plant", PLANTS, ids=str)
async def test_a_planted_fault_is_found(plant: Plant, subject: Subject, patient: Any) -> None:
    for statement in plant.statements[:-1]:
        await patient.execute(statement)
    expected = await patient.fetchval(plant.statements[-1])
    assert expected is not None, "nothing was planted"
    finding = of(await examine(subject), plant.check)
    assert finding.verdict is plant.verdict, finding
    assert finding.advice
    assert not expected or any(expected in example for example in finding.examples), finding


async def test_a_behind_schema_leaves_the_data_alone(subject: Subject, patient: Any) -> None:
    await patient.execute("UPDATE alembic_version SET version_num = '0001'")
    diagnosis = await examine(subject)
    assert "days_against_slices" not in {finding.check for finding in diagnosis.findings}
    assert diagnosis.verdict is Verdict.FAULT


async def test_a_half_built_index_is_found(subject: Subject, patient: Any) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await patient.execute(
            "CREATE UNIQUE INDEX CONCURRENTLY half_built ON viewing.sessions (device_type)"
        )
    finding = of(await examine(subject), "indexes")
    assert finding.examples == ("viewing.half_built: invalid",)


async def test_jobs_that_nobody_does_are_found(
    subject: Subject, patient: Any, used_database: str
) -> None:
    await patient.execute(
        "INSERT INTO jobs.pgqueuer (priority, status, entrypoint, execute_after) "
        "VALUES (0, 'queued', 'viewing.close-silent', now() - interval '1 hour')"
    )
    assert of(await examine(subject), "queue").verdict is Verdict.WARNING
    listener = await asyncpg.connect(
        used_database, server_settings={"application_name": "watchkeeper-listener"}
    )
    try:
        finding = of(await examine(subject), "queue")
        assert finding.verdict is Verdict.FAULT
        assert "watchkeeper worker" in str(finding.advice)
    finally:
        await listener.close()
    await patient.execute("UPDATE jobs.pgqueuer SET status = 'failed'")
    finding = of(await examine(subject), "queue")
    assert (finding.verdict, "1 job was given up" in finding.found) == (Verdict.WARNING, True)


async def test_silence_is_a_fault_while_a_service_runs(
    subject: Subject, patient: Any, used_database: str
) -> None:
    await patient.execute(_OPEN_AGAIN.format(session=_A_SESSION))
    listener = await asyncpg.connect(
        used_database, server_settings={"application_name": "watchkeeper-listener"}
    )
    try:
        assert of(await examine(subject), "silent_sessions").verdict is Verdict.FAULT
    finally:
        await listener.close()


async def test_a_transaction_left_open_is_found(
    subject: Subject, patient: Any, used_database: str
) -> None:
    other = await asyncpg.connect(used_database)
    try:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("SELECT 1")
        later = at(subject, subject.now + timedelta(minutes=5))
        finding = of(await examine(later), "long_transactions")
        assert finding.verdict is Verdict.WARNING
        pid = other.get_server_pid()
        assert any(f"process {pid} " in example for example in finding.examples)
        await transaction.rollback()
        assert of(await examine(later), "long_transactions").verdict is Verdict.OK
    finally:
        await other.close()


async def test_details_that_nothing_deletes_are_found(subject: Subject) -> None:
    later = at(subject, subject.now + timedelta(days=200))
    finding = of(await examine(later), "retention")
    assert finding.verdict is Verdict.WARNING
    # Sums are compared only where details are still kept.
    assert of(await examine(later), "days_against_slices").verdict is Verdict.OK


async def test_clocks_that_disagree_are_found(subject: Subject) -> None:
    apart = replace(subject, machine_now=subject.now + timedelta(minutes=3))
    assert of(await examine(apart), "clock").verdict is Verdict.FAULT
    apart = replace(subject, machine_now=subject.now - timedelta(seconds=10))
    assert of(await examine(apart), "clock").verdict is Verdict.WARNING


async def test_a_pool_that_the_server_cant_bear_is_found(subject: Subject) -> None:
    large = Settings(database=DatabaseSettings(pool_size=500))
    assert of(await examine(replace(subject, settings=large)), "connections").verdict is (
        Verdict.FAULT
    )


async def test_secrets_that_others_can_read_are_found(subject: Subject) -> None:
    subject.secrets_file.chmod(0o644)
    finding = of(await examine(subject), "secrets_file")
    assert finding.verdict is Verdict.FAULT
    assert f"chmod 600 '{subject.secrets_file}'" in str(finding.advice)


async def test_missing_secrets_are_a_fault_where_pins_depend_on_them(
    subject: Subject, patient: Any
) -> None:
    subject.secrets_file.unlink()
    assert of(await examine(subject), "secrets_file").verdict is Verdict.FAULT
    await patient.execute("DELETE FROM accounts.pins")
    await patient.execute("UPDATE accounts.devices SET pairing_id = NULL, profile_id = NULL")
    assert of(await examine(subject), "secrets_file").verdict is Verdict.OK
    assert not subject.secrets_file.exists(), "the doctor makes nothing"


@pytest.mark.parametrize(
    ("free_mb", "size_mb", "verdict"),
    [
        (100, 50, Verdict.FAULT),
        (500, 50, Verdict.WARNING),
        (2_000, 50, Verdict.OK),
        (2_000, 30_000, Verdict.WARNING),
    ],
)
def test_room_on_the_disk(free_mb: int, size_mb: int, verdict: Verdict) -> None:
    assert judge_room(free_mb * 2**20, size_mb * 2**20).verdict is verdict


async def test_a_check_that_cant_be_made_is_a_fault_and_the_others_go_on(
    subject: Subject, patient: Any
) -> None:
    await patient.execute("REVOKE SELECT ON viewing.slices FROM CURRENT_USER")
    diagnosis = await examine(subject)
    assert of(diagnosis, "rows").verdict is Verdict.FAULT
    assert of(diagnosis, "clock").verdict is Verdict.OK


async def test_the_doctor_cant_write(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a query says: it is run in a transaction that only reads."""
    writing = text("DELETE FROM viewing.days RETURNING starts_at AS now")
    monkeypatch.setitem(QUERIES._clauses, "read_clock", writing)
    with pytest.raises(DatabaseUnavailable) as refused:
        await read_clock(subject.database)
    assert "read-only transaction" in str(refused.value.log)


async def test_every_index_of_the_migrations_is_expected(patient: Any) -> None:
    """A migration that adds or drops an index says so in `doctor/checks/indexes.py`."""
    rows = await patient.fetch(
        "SELECT schemaname || '.' || indexname AS name FROM pg_indexes WHERE schemaname = ANY ($1)",
        list(SCHEMAS),
    )
    assert {row["name"] for row in rows} == EXPECTED
