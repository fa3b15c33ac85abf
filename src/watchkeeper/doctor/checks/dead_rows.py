"""Whether PostgreSQL's clean-up keeps up with the rows that heartbeats replace."""

from watchkeeper.doctor.checks.indexes import SCHEMAS
from watchkeeper.doctor.findings import Finding, Verdict, counted, well
from watchkeeper.doctor.subject import EXAMPLES, Subject

NAME = "dead_rows"
# Fewer aren't worth a word: the server's own threshold is a fifth of the table.
_MANY = 50_000
_SHARE = 0.5


async def check_dead_rows(subject: Subject) -> Finding:
    """Fault for tables that nothing cleans up, warning for those with many dead rows.

    Cost: 2 statements.
    """
    rows = await subject.read("dead_rows", schemas=list(SCHEMAS))
    off = [f"{row.name}: autovacuum is off" for row in rows if row.is_off]
    if off:
        return Finding(
            NAME,
            Verdict.FAULT,
            f"{counted(len(off), 'table is', 'tables are')} never cleaned up.",
            tuple(off[:EXAMPLES]),
            "Set autovacuum on in the server's configuration, and ALTER TABLE … RESET "
            "(autovacuum_enabled) for single tables.",
        )
    behind = [
        f"{row.name}: {row.dead:,} dead and {row.live:,} live rows, cleaned up "
        f"{row.last_autovacuum or 'never'}"
        for row in rows
        if row.dead >= _MANY and row.dead > _SHARE * row.live
    ]
    if behind:
        return Finding(
            NAME,
            Verdict.WARNING,
            f"{counted(len(behind), 'table has', 'tables have')} more dead rows than the clean-up "
            "should leave.",
            tuple(behind[:EXAMPLES]),
            "Run: VACUUM (ANALYZE) on the table; if it comes back, lower "
            "autovacuum_vacuum_scale_factor.",
        )
    return well(NAME, "Dead rows are cleaned up.")
