"""Whether the server takes as many connections as the services may open."""

from typing import Any

from watchkeeper.doctor.findings import Finding, Verdict, well
from watchkeeper.doctor.subject import Subject

NAME = "connections"
# Commands beside the service, and this one.
_COMMANDS = 3
_NEARLY_ALL = 0.9


async def check_connections(subject: Subject) -> Finding:
    """Compares the server's limits with pool + overflow + listener of every process.

    Processes are counted by their listeners; without one it is as if one ran. The pool's size is
    this command's setting, which has to be the services'. Cost: 2 statements.
    """
    (row,) = await subject.read("count_connections")
    database = subject.settings.database
    services = max(row.services, 1)
    each = database.pool_size + database.max_overflow + 1
    needed = services * each + _COMMANDS
    limit = _limit_of(row)
    state = f"{row.in_use} connections are in use, and {limit} allowed"
    if row.in_use >= _NEARLY_ALL * limit:
        return Finding(
            NAME,
            Verdict.FAULT,
            f"{state}: the next ones are refused.",
            advice="Find who holds them in pg_stat_activity; then raise max_connections, or make "
            "WATCHKEEPER_DATABASE_POOL_SIZE and _MAX_OVERFLOW smaller.",
        )
    if needed > limit:
        return Finding(
            NAME,
            Verdict.FAULT,
            f"{state}, but {services} × {each} may be opened, and {_COMMANDS} by commands.",
            advice="Raise max_connections of the server (or the role's or database's limit), or "
            "make WATCHKEEPER_DATABASE_POOL_SIZE and _MAX_OVERFLOW smaller.",
        )
    return well(NAME, f"{state}; {services} × {each} may be opened, and {_COMMANDS} by commands.")


def _limit_of(row: Any) -> int:
    limits: list[int] = [row.max_connections - row.reserved, row.role_limit, row.database_limit]
    return min(limit for limit in limits if limit >= 0)
