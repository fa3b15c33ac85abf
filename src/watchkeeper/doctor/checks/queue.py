"""Whether durable jobs are done, and whether some were given up."""

from watchkeeper.core.jobs import read_figures
from watchkeeper.doctor.findings import Finding, Verdict, counted, well
from watchkeeper.doctor.subject import Subject

NAME = "queue"
_LATE_SECONDS = 600


async def check_queue(subject: Subject) -> Finding:
    """Warning for jobs that were given up, and for jobs that nobody has begun for ten minutes.

    The latter is a fault while a service is connected: then somebody should. Cost: 3 statements.
    """
    figures = await subject.database.run(read_figures, is_replayable=True)
    if figures.waiting and figures.oldest_waiting_seconds > _LATE_SECONDS:
        (connections,) = await subject.read("count_connections")
        is_served = connections.services > 0
        waiting = counted(figures.waiting, "job waits", "jobs wait")
        return Finding(
            NAME,
            Verdict.FAULT if is_served else Verdict.WARNING,
            f"{waiting}, the oldest for {figures.oldest_waiting_seconds / 60:,.0f} minutes"
            + (", although a service is running." if is_served else "; no service is running."),
            advice="Start the service with WATCHKEEPER_JOBS_RUN=true, or `watchkeeper worker` "
            "beside it.",
        )
    if figures.dead:
        dead = counted(figures.dead, "job was", "jobs were")
        return Finding(
            NAME,
            Verdict.WARNING,
            f"{dead} given up after the last attempt.",
            advice="Look for job.failed in the log of the service or worker and mend the cause; "
            "what is periodic is begun again by itself.",
        )
    return well(NAME, f"{counted(figures.waiting, 'job is', 'jobs are')} due, none was given up.")
