"""Limits on calls, shared by all processes: the instants of the recent calls, one row a caller."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from watchkeeper.core.database import UnitOfWork

# Exact, unlike counters for fixed minutes: no 60 s hold more calls than the limit. The row is
# locked until the commit, so calls of one caller are counted one after another.
_TAKE = text("""
    INSERT INTO accounts.rate_limits AS r (subject, hits, is_admitted, expires_at)
    VALUES (:subject, ARRAY[CAST(:now AS timestamptz)], true, :expires_at)
    ON CONFLICT (subject) DO UPDATE SET (hits, is_admitted, expires_at) = (
        SELECT CASE WHEN cardinality(recent.hits) < :calls
                    THEN recent.hits || CAST(:now AS timestamptz) ELSE recent.hits END,
               cardinality(recent.hits) < :calls,
               CAST(:expires_at AS timestamptz)
        FROM (SELECT ARRAY(SELECT hit FROM unnest(r.hits) AS hit
                           WHERE hit > CAST(:since AS timestamptz) ORDER BY hit) AS hits) AS recent
    )
    RETURNING r.is_admitted, r.hits[1]
""")

_GIVE_BACK = text("""
    UPDATE accounts.rate_limits SET hits = trim_array(hits, 1)
    WHERE subject = :subject AND cardinality(hits) > 0
""")

_FORGET_CALLERS = text(
    "DELETE FROM accounts.rate_limits WHERE subject = ANY (CAST(:subjects AS text[]))"
)

_FORGET = text("""
    DELETE FROM accounts.rate_limits WHERE subject = ANY (ARRAY(
        SELECT subject FROM accounts.rate_limits
        WHERE expires_at < :now LIMIT :at_most FOR UPDATE SKIP LOCKED
    ))
""")


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `calls` within `window`, for each caller of one `kind`."""

    kind: str
    calls: int
    window: timedelta


def _subject(limit: Limit, caller: str) -> str:
    # Hashed, so that the table isn't a list of e-mail and network addresses.
    return f"{limit.kind}:{hashlib.sha256(caller.encode()).hexdigest()[:32]}"


async def take_call(unit: UnitOfWork, limit: Limit, caller: str, now: datetime) -> datetime | None:
    """Count a call; None when it is within the limit, else when the next one would be.

    A refused call isn't counted.
    """
    row = (
        await unit.execute(
            _TAKE,
            {
                "subject": _subject(limit, caller),
                "now": now,
                "since": now - limit.window,
                "expires_at": now + limit.window,
                "calls": limit.calls,
            },
        )
    ).one()
    if row.is_admitted:
        return None
    oldest: datetime = row.hits
    return oldest + limit.window


async def give_call_back(unit: UnitOfWork, limit: Limit, caller: str) -> None:
    """Take the last counted call back, in the transaction that counted it."""
    await unit.execute(_GIVE_BACK, {"subject": _subject(limit, caller)})


async def forget_callers(unit: UnitOfWork, callers: Iterable[tuple[Limit, str]]) -> int:
    """Forget what was counted of some callers; returns how many rows went."""
    subjects = [_subject(limit, caller) for limit, caller in callers]
    return int((await unit.execute(_FORGET_CALLERS, {"subjects": subjects})).rowcount)


async def forget_stale(unit: UnitOfWork, now: datetime, *, at_most: int) -> int:
    """Delete rows that no limit needs any more; returns how many went."""
    return int((await unit.execute(_FORGET, {"now": now, "at_most": at_most})).rowcount)
