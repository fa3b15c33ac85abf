"""Runs all checks and gathers their findings."""

from collections.abc import AsyncIterator, Awaitable, Callable

from watchkeeper.core.interruptions import DRIVER_FAILURES, describe
from watchkeeper.core.problems import Problem
from watchkeeper.doctor.checks import schema
from watchkeeper.doctor.checks.clock import check_clock
from watchkeeper.doctor.checks.connections import check_connections
from watchkeeper.doctor.checks.dead_rows import check_dead_rows
from watchkeeper.doctor.checks.disk import check_disk
from watchkeeper.doctor.checks.indexes import check_indexes
from watchkeeper.doctor.checks.privileges import check_privileges
from watchkeeper.doctor.checks.queue import check_queue
from watchkeeper.doctor.checks.retention import check_retention
from watchkeeper.doctor.checks.secrets_file import check_secrets_file
from watchkeeper.doctor.checks.silent_sessions import check_silent_sessions
from watchkeeper.doctor.checks.transactions import check_long_transactions
from watchkeeper.doctor.checks.zones import check_time_zones
from watchkeeper.doctor.findings import Diagnosis, Finding, Verdict
from watchkeeper.doctor.rows import check_rows
from watchkeeper.doctor.subject import Subject

Check = Callable[[Subject], Awaitable[Finding]]

MACHINE_CHECKS: tuple[Check, ...] = (
    check_connections,
    check_long_transactions,
    check_disk,
    check_clock,
)
"""Checks that need no table of ours."""

DATA_CHECKS: tuple[Check, ...] = (
    check_indexes,
    check_privileges,
    check_dead_rows,
    check_secrets_file,
    check_time_zones,
    check_silent_sessions,
    check_retention,
    check_queue,
)
"""Checks of the migrated schema."""


async def examine(subject: Subject) -> Diagnosis:
    """Make all checks; those of the data are left out while the schema is behind.

    A check that can't be made is a fault of its own, and the others go on.
    """
    first = await _made(schema.check_schema, subject)
    findings = [first, *[await _made(check, subject) for check in MACHINE_CHECKS]]
    if first.verdict is not Verdict.FAULT:
        findings += [await _made(check, subject) for check in DATA_CHECKS]
        findings += [finding async for finding in _made_of_rows(subject)]
    return Diagnosis(tuple(findings))


async def _made(check: Check, subject: Subject) -> Finding:
    try:
        return await check(subject)
    except (*DRIVER_FAILURES, Problem) as error:
        return _not_made(check.__name__.removeprefix("check_"), error)


async def _made_of_rows(subject: Subject) -> AsyncIterator[Finding]:
    try:
        async for finding in check_rows(subject):
            yield finding
    except (*DRIVER_FAILURES, Problem) as error:
        yield _not_made("rows", error)


def _not_made(name: str, error: Exception) -> Finding:
    reason = (error.log or error.detail) if isinstance(error, Problem) else describe(error)
    return Finding(
        name,
        Verdict.FAULT,
        f"This couldn't be checked: {reason}",
        advice="Look into the database's log, mend that first, and ask the doctor again.",
    )
