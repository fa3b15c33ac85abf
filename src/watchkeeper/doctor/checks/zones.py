"""Whether Python and PostgreSQL know the households' time zones, and the same ones."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from watchkeeper.doctor.findings import Finding, Verdict, counted, well
from watchkeeper.doctor.subject import EXAMPLES, Subject

NAME = "time_zones"
_MONTHS_AHEAD = 12


async def check_time_zones(subject: Subject) -> Finding:
    """Compares the offsets of the coming twelve months, for every zone that a household has.

    Days are drawn by Python. A zone that it doesn't know stops a family's heartbeats: fault. A
    difference to PostgreSQL says that one of them is older: warning. Cost: 2 statements.
    """
    instants = [subject.now + timedelta(days=30 * month) for month in range(_MONTHS_AHEAD + 1)]
    rows = await subject.read("list_zones", instants=instants)
    unknown, differing = [], []
    for row in rows:
        ours = offsets_of(row.timezone, instants)
        households = counted(row.households, "household", "households")
        if ours is None:
            unknown.append(f"{row.timezone}: {households}, unknown to Python")
        elif row.offsets is None:
            differing.append(f"{row.timezone}: {households}, unknown to PostgreSQL")
        elif ours != [int(offset) for offset in row.offsets]:
            differing.append(f"{row.timezone}: {households}, another clock in PostgreSQL")
    if not unknown and not differing:
        return well(NAME, f"{counted(len(rows), 'zone is', 'zones are')} the same on both sides.")
    return Finding(
        NAME,
        Verdict.FAULT if unknown else Verdict.WARNING,
        f"{counted(len(unknown) + len(differing), 'zone is', 'zones are')} not known alike.",
        tuple((unknown + differing)[:EXAMPLES]),
        "Run: pip install --upgrade tzdata, and update the database server; a zone that neither "
        "knows is changed in the settings of a child of that household.",
    )


def offsets_of(name: str, instants: list[datetime]) -> list[int] | None:
    """The seconds that a zone is ahead of UTC at each instant; None when it isn't known."""
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
    offsets = [instant.astimezone(zone).utcoffset() or timedelta() for instant in instants]
    return [offset // timedelta(seconds=1) for offset in offsets]
