"""`watchkeeper doctor`."""

import asyncio
import sys
from pathlib import Path

from watchkeeper.cli.database import command_settings, data_dir_of, database_url
from watchkeeper.cli.failures import CommandFailedError
from watchkeeper.cli.terminal import Progress, say, say_json
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.database import Database
from watchkeeper.core.metrics import Metrics
from watchkeeper.doctor.examine import examine
from watchkeeper.doctor.findings import Diagnosis, Finding, Verdict, counted
from watchkeeper.doctor.rows import ROW_CHECKS
from watchkeeper.doctor.subject import Subject, read_clock
from watchkeeper.settings import Settings

# Longer than a request's statements: one of the doctor's reads what ten thousand families have.
_STATEMENT_SECONDS = 120
_MARKS = {Verdict.OK: "ok", Verdict.WARNING: "WARNING", Verdict.FAULT: "FAULT"}


def doctor(data_dir: Path | None, *, as_json: bool) -> None:
    """Examine, say what was found, and end with status 1 when there are faults."""
    diagnosis = asyncio.run(_examine(command_settings(data_dir)))
    if as_json:
        say_json(_document(diagnosis))
    else:
        for finding in diagnosis.findings:
            say("\n".join(_lines(finding)))
        say(_summary(diagnosis))
    if diagnosis.verdict is Verdict.FAULT:
        sys.exit(1)


async def _examine(settings: Settings) -> Diagnosis:
    _require_database(settings)
    patient = settings.database.model_copy(
        update={
            "prewarm_connections": 1,
            "pool_size": 1,
            "max_overflow": 1,
            "statement_timeout_seconds": _STATEMENT_SECONDS,
        }
    )
    async with database_url(settings) as url:
        database = Database(url, patient, metrics=Metrics())
        try:
            await database.open()
            return await _examine_open(settings, database)
        finally:
            await database.close()


async def _examine_open(settings: Settings, database: Database) -> Diagnosis:
    data_dir = data_dir_of(settings)
    progress = Progress("Rows checked", len(ROW_CHECKS))
    now = await read_clock(database)
    diagnosis = await examine(
        Subject(
            database=database,
            settings=settings,
            data_dir=data_dir,
            secrets_file=settings.security.secrets_file or data_dir / "secrets" / "keys.json",
            is_embedded=settings.database.url is None,
            now=now,
            machine_now=SystemClock().now(),
            on_progress=lambda done, total: progress.reached(done * len(ROW_CHECKS) // total),
        )
    )
    progress.finish()
    return diagnosis


def _require_database(settings: Settings) -> None:
    """To look at a folder without a database would make one."""
    if settings.database.url is not None:
        return
    data_dir = data_dir_of(settings)
    if not (data_dir / "postgres").exists():
        raise CommandFailedError(
            f"There is no database in '{data_dir}': give the service's folder with --data-dir."
        )


def _lines(finding: Finding) -> list[str]:
    lines = [f"{_MARKS[finding.verdict]:<8}{finding.check}: {finding.found}"]
    lines += [f"        - {example}" for example in finding.examples]
    lines += [f"        → {finding.advice}"] if finding.advice else []
    return lines


def _summary(diagnosis: Diagnosis) -> str:
    faults = counted(len(diagnosis.of(Verdict.FAULT)), "fault", "faults")
    warnings = counted(len(diagnosis.of(Verdict.WARNING)), "warning", "warnings")
    return f"{counted(len(diagnosis.findings), 'check', 'checks')}: {faults}, {warnings}."


def _document(diagnosis: Diagnosis) -> dict[str, object]:
    return {
        "verdict": diagnosis.verdict,
        "checks": [
            {
                "name": finding.check,
                "verdict": finding.verdict,
                "found": finding.found,
                "examples": list(finding.examples),
                "advice": finding.advice,
            }
            for finding in diagnosis.findings
        ],
    }
