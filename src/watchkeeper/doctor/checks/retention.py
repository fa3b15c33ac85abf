"""Whether details are deleted when their time is over."""

from datetime import timedelta

from watchkeeper.doctor.findings import Finding, Verdict, counted, well
from watchkeeper.doctor.subject import Subject

NAME = "retention"
_SLACK = timedelta(days=2)


async def check_retention(subject: Subject) -> Finding:
    """Warning for sessions that are older than details are kept, and two days more.

    Cost: 2 statements, one pass over sessions.
    """
    kept = timedelta(days=subject.detail_days)
    (row,) = await subject.read("details_past_their_time", before=subject.now - kept - _SLACK)
    if not row.total:
        return well(NAME, f"No session is older than the {subject.detail_days} days it is kept.")
    return Finding(
        NAME,
        Verdict.WARNING,
        f"{counted(row.total, 'session is', 'sessions are')} older than {subject.detail_days} "
        f"days; the oldest ended at {row.oldest_at:%Y-%m-%d}.",
        advice="Let the service run, which deletes them by and by; report what it leaves for days.",
    )
