"""Whether the service's role may do what it has to, and no more."""

from typing import Any

from watchkeeper.doctor.checks.indexes import SCHEMAS
from watchkeeper.doctor.findings import Finding, Verdict, counted, well
from watchkeeper.doctor.subject import EXAMPLES, Subject

NAME = "privileges"
APPEND_ONLY = frozenset({"accounts.audit"})
_NEEDED = ("select", "insert", "update", "delete")


async def check_privileges(subject: Subject) -> Finding:
    """Fault for a table that can't be used, and for an audit that could be changed.

    Cost: 2 statements.
    """
    rows = await subject.read("list_privileges", schemas=list(SCHEMAS))
    if any(row.is_superuser for row in rows):
        return Finding(
            NAME,
            Verdict.WARNING,
            "The service's role is a superuser: nothing keeps the audit from being changed.",
            advice="Give WATCHKEEPER_DATABASE_URL a role that owns the database and is none.",
        )
    faults = [fault for row in rows for fault in _faults_of(row)]
    if not faults:
        return well(NAME, f"The role may use {len(rows)} tables, and only add to the audit.")
    return Finding(
        NAME,
        Verdict.FAULT,
        f"{counted(len(faults), 'privilege is', 'privileges are')} wrong.",
        tuple(faults[:EXAMPLES]),
        "As the tables' owner, GRANT what is missing to the service's role and REVOKE UPDATE, "
        "DELETE and TRUNCATE on accounts.audit from it.",
    )


def _faults_of(row: Any) -> list[str]:
    if row.name in APPEND_ONLY:
        too_much = [
            verb for verb in ("update", "delete", "truncate") if getattr(row, f"may_{verb}")
        ]
        too_little = [verb for verb in ("select", "insert") if not getattr(row, f"may_{verb}")]
    else:
        too_much = []
        too_little = [verb for verb in _NEEDED if not getattr(row, f"may_{verb}")]
    return [f"{row.name}: {verb} is allowed" for verb in too_much] + [
        f"{row.name}: {verb} is missing" for verb in too_little
    ]
