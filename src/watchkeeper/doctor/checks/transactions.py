"""Whether somebody keeps a transaction open."""

from datetime import timedelta

from watchkeeper.doctor.findings import Finding, Verdict, counted, well
from watchkeeper.doctor.subject import EXAMPLES, Subject

NAME = "long_transactions"
# The service's own statements end after 30 s, and idle transactions after 60.
LONGEST = timedelta(minutes=2)


async def check_long_transactions(subject: Subject) -> Finding:
    """Warning for transactions that began more than two minutes ago. Cost: 2 statements."""
    rows = await subject.read("long_transactions", before=subject.now - LONGEST, at_most=EXAMPLES)
    if not rows:
        return well(NAME, "No transaction is older than two minutes.")
    transactions = counted(rows[0].total, "transaction is", "transactions are")
    return Finding(
        NAME,
        Verdict.WARNING,
        f"{transactions} older than two minutes: dead rows can't be cleaned up meanwhile.",
        tuple(row.example for row in rows),
        "Close the program that holds it, or end it with SELECT pg_terminate_backend(process).",
    )
