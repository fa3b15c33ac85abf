"""Checks of rows: each is a query that lists what is wrong, asked range by range of households.

A range bounds how long a statement runs and what it holds in memory, whatever the number of
families, and gives the progress something to count.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from watchkeeper.doctor.findings import Finding, Verdict, counted, well
from watchkeeper.doctor.subject import EXAMPLES, QUERIES, Subject

HOUSEHOLDS_AT_ONCE = 10_000
_BEFORE_ALL, _AFTER_ALL = UUID(int=0), UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class RowCheck:
    """A question about rows: the query of the same name lists the rows for which it is wrong.

    `one` and `many` name such a row, `all_well` is what is said when there is none.
    """

    name: str
    one: str
    many: str
    all_well: str
    advice: str
    verdict: Verdict = Verdict.FAULT


_RECOUNT = (
    "Keep a copy of the database as it is and report this: what is booked together was changed "
    "apart, by a bug or by hand."
)

ROW_CHECKS = (
    RowCheck(
        "days_against_slices",
        "day whose sum isn't that of its slices",
        "days whose sums aren't those of their slices",
        "All days hold what their slices hold.",
        _RECOUNT,
    ),
    RowCheck(
        "sessions_against_slices",
        "session whose sum isn't that of its slices",
        "sessions whose sums aren't those of their slices",
        "All sessions hold what their slices hold.",
        _RECOUNT,
    ),
    RowCheck(
        "days_beyond_the_clock",
        "child's day that holds more time than has passed",
        "children's days that hold more time than has passed",
        "No child's day holds more time than has passed.",
        "Report this, and give the child the surplus back for today as a grant.",
    ),
    RowCheck(
        "sessions_beyond_the_clock",
        "session that holds more than its own length",
        "sessions that hold more than their own length",
        "No session holds more than its own length.",
        "Look whether the machine's clock was set back while they ran; report it if it wasn't.",
    ),
    RowCheck(
        "two_open_sessions",
        "child with more than one open session",
        "children with more than one open session",
        "No child has two open sessions.",
        "Stop the service, end all but the newest of them in the database, and bring back the "
        "index viewing.sessions_one_open_per_child.",
    ),
    RowCheck(
        "breaks_between_days",
        "day that doesn't begin where the one before ended",
        "days that don't begin where the one before ended",
        "Days follow each other without hole or overlap.",
        "Report this: days are only ever made one after the other, so one was removed or changed.",
    ),
    RowCheck(
        "rows_of_the_future",
        "day or session that lies in the future",
        "days and sessions that lie in the future",
        "No day and no session lies in the future.",
        "Set the database machine's clock by a time server; open sessions mend themselves at "
        "their next heartbeat, and days wait until their time comes.",
    ),
    RowCheck(
        "slices_outside_their_day",
        "slice that doesn't fit its day or its own length",
        "slices that don't fit their day or their own length",
        "All slices lie inside their day and hold at most their length.",
        _RECOUNT,
    ),
    RowCheck(
        "days_against_grants",
        "day whose grants aren't those of the ledger",
        "days whose grants aren't those of the ledger",
        "The grants of all days are those of the ledger.",
        "Report this; until it is mended the child has more or less time today than was given.",
    ),
    RowCheck(
        "rows_without_owner",
        "set of rows whose profile or household is gone",
        "sets of rows whose profile or household is gone",
        "No rows are left of profiles or households that are gone.",
        "Delete these rows from the tables named, and report how the profile was deleted.",
    ),
    RowCheck(
        "profiles_without_policy",
        "profile without viewing-time settings, whose heartbeats are refused",
        "profiles without viewing-time settings, whose heartbeats are refused",
        "All profiles have viewing-time settings.",
        "Delete the profile in the app and add it again, which makes the settings.",
    ),
)


async def check_rows(subject: Subject) -> AsyncIterator[Finding]:
    """The findings of all row checks.

    Cost: two statements for each check and range; ranges hold 10 000 households.
    """
    ranges = await subject.read("list_range_ends", at_once=HOUSEHOLDS_AT_ONCE)
    ends = [row.household_id for row in ranges] + [_AFTER_ALL]
    parts = len(ends) * len(ROW_CHECKS)
    for place, check in enumerate(ROW_CHECKS):
        after, total, examples = _BEFORE_ALL, 0, list[str]()
        for done, until in enumerate(ends, place * len(ends)):
            subject.on_progress(done, parts)
            parameters = _parameters(subject, check.name, after, until)
            rows = await subject.read(check.name, **parameters)
            total += rows[0].total if rows else 0
            examples += [row.example for row in rows]
            after = until
        yield _finding(check, total, examples)


def _parameters(subject: Subject, query: str, after: UUID, until: UUID) -> dict[str, object]:
    """The parameters that a query names; the driver refuses others."""
    known = {
        "after": after,
        "until": until,
        "now": subject.now,
        "since": subject.detail_since,
        "at_most": EXAMPLES,
    }
    return {name: value for name, value in known.items() if name in QUERIES[query].compile().params}


def _finding(check: RowCheck, total: int, examples: Sequence[str]) -> Finding:
    if not total:
        return well(check.name, check.all_well)
    found = f"{counted(total, check.one, check.many)}."
    return Finding(check.name, check.verdict, found, tuple(examples[:EXAMPLES]), check.advice)
