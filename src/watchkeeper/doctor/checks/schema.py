"""Whether the database's schema is the one that this version works on."""

from sqlalchemy import text

from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.schema import current_revision, is_known_revision, newest_revision
from watchkeeper.doctor.findings import Finding, Verdict, well
from watchkeeper.doctor.subject import Subject

NAME = "schema"


async def check_schema(subject: Subject) -> Finding:
    """Fault while it is behind, warning when a newer version migrated it. Cost: 3 statements."""

    async def work(unit: UnitOfWork) -> str | None:
        await unit.execute(text("SET TRANSACTION READ ONLY"))
        return await unit.connection.run_sync(current_revision)

    current = await subject.database.run(work, is_replayable=True)
    wanted = newest_revision()
    if current == wanted:
        return well(NAME, f"The schema is at revision {wanted}, as this version needs it.")
    if current is not None and not is_known_revision(current):
        return Finding(
            NAME,
            Verdict.WARNING,
            f"The schema is at revision {current}, of a newer version than this one ({wanted}).",
            advice="Install the newer version everywhere, and ask its doctor.",
        )
    return Finding(
        NAME,
        Verdict.FAULT,
        f"The schema is at revision {current or 'none'}, and this version needs {wanted}; "
        "what is stored wasn't looked at.",
        advice="Run: watchkeeper migrate",
    )
