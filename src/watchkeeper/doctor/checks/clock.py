"""Whether the database's clock and this machine's agree."""

from datetime import timedelta

from watchkeeper.doctor.findings import Finding, Verdict, well
from watchkeeper.doctor.subject import Subject

NAME = "clock"
_WORTH_A_WORD = timedelta(seconds=2)
_WRONG = timedelta(seconds=60)


async def check_clock(subject: Subject) -> Finding:
    """Warning beyond 2 s, fault beyond a minute: days would end and begin at wrong times.

    Viewing time goes by the database's clock, tokens and logs by the machine's. Cost: nothing
    that wasn't read before.
    """
    apart = abs(subject.now - subject.machine_now)
    seconds = apart / timedelta(seconds=1)
    if apart < _WORTH_A_WORD:
        return well(NAME, "The clocks of the database and of this machine agree.")
    return Finding(
        NAME,
        Verdict.FAULT if apart >= _WRONG else Verdict.WARNING,
        f"The clocks of the database and of this machine are {seconds:,.1f} s apart.",
        advice="Let both machines take their time from a time server (chrony, systemd-timesyncd).",
    )
