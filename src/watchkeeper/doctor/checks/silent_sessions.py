"""Whether sessions that fell silent are closed."""

from watchkeeper.doctor.findings import Finding, Verdict, counted, well
from watchkeeper.doctor.subject import EXAMPLES, Subject

NAME = "silent_sessions"


async def check_silent_sessions(subject: Subject) -> Finding:
    """Fault while a service is connected, which should have closed them; else only a warning.

    Charges don't depend on it: a late heartbeat and the next session close them by the same
    rule. Cost: 4 statements.
    """
    rows = await subject.read("silent_sessions", now=subject.now, at_most=EXAMPLES)
    if not rows:
        return well(NAME, "No open session has been silent for long.")
    (connections,) = await subject.read("count_connections")
    is_served = connections.services > 0
    found = counted(rows[0].total, "open session has", "open sessions have")
    return Finding(
        NAME,
        Verdict.FAULT if is_served else Verdict.WARNING,
        f"{found} been silent for long"
        + (", although a service is running." if is_served else "; no service is running."),
        tuple(row.example for row in rows),
        "Look for background.fault in the service's log and start the service again: it closes "
        "them within a minute.",
    )
