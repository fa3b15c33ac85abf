"""Forgets what has lapsed: sign-ins, codes, tries and limits that nothing refers to any more."""

from datetime import datetime, timedelta

from sqlalchemy import text

from watchkeeper.accounts.repository.rate_limits import forget_stale
from watchkeeper.core.database import UnitOfWork

_STATEMENTS = {
    "sign_ins": text("""
        DELETE FROM accounts.sign_ins WHERE id = ANY (ARRAY(
            SELECT id FROM accounts.sign_ins
            WHERE last_used_at < :before
              AND NOT EXISTS (SELECT FROM accounts.refresh_tokens AS t
                              WHERE t.sign_in_id = sign_ins.id AND t.expires_at > :now)
            LIMIT :at_most FOR UPDATE SKIP LOCKED
        ))
    """),
    "pairing_codes": text("""
        DELETE FROM accounts.pairing_codes WHERE code_hash = ANY (ARRAY(
            SELECT code_hash FROM accounts.pairing_codes
            WHERE expires_at < :before LIMIT :at_most FOR UPDATE SKIP LOCKED
        ))
    """),
    "invitations": text("""
        DELETE FROM accounts.invitations WHERE code_hash = ANY (ARRAY(
            SELECT code_hash FROM accounts.invitations
            WHERE expires_at < :before LIMIT :at_most FOR UPDATE SKIP LOCKED
        ))
    """),
    "pin_attempts": text("""
        DELETE FROM accounts.pin_attempts
        WHERE (household_id, subject) IN (
            SELECT household_id, subject FROM accounts.pin_attempts
            WHERE tried_at < :before LIMIT :at_most FOR UPDATE SKIP LOCKED
        )
    """),
}
# An access token of a lapsed sign-in has expired by then, however long it was valid, and four
# tries in a month are no help to anybody who guesses.
_KEPT_FOR = {
    "sign_ins": timedelta(days=2),
    "pairing_codes": timedelta(),
    "invitations": timedelta(),
    "pin_attempts": timedelta(days=30),
}


async def forget_expired(unit: UnitOfWork, now: datetime, *, at_most: int) -> dict[str, int]:
    """Delete at most `at_most` lapsed rows of each kind; returns how many went."""
    counts = {"rate_limits": await forget_stale(unit, now, at_most=at_most)}
    for kind, statement in _STATEMENTS.items():
        parameters = {"before": now - _KEPT_FOR[kind], "at_most": at_most}
        if kind == "sign_ins":
            parameters["now"] = now
        counts[kind] = (await unit.execute(statement, parameters)).rowcount
    return counts
