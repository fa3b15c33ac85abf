"""Adds up the grants of a day: what they permit, never what was used.

Source: viewing time, section 2 (grants).
"""

from dataclasses import replace

from watchkeeper.viewing.rules.instants import MINUTE_MS
from watchkeeper.viewing.types import Ledger


def grant_minutes(ledger: Ledger, minutes: int, used_ms: int) -> Ledger:
    """The ledger after a grant of ``minutes`` (negative takes time away) at ``used_ms`` used.

    A positive grant leaves at least its own minutes, however far the limit was overrun: it lifts
    the floor to ``used + minutes``. A floor that is already higher rises by the minutes instead,
    so that two grants after an overrun add up.
    """
    entered = _enter(ledger, minutes)
    if minutes <= 0:
        return entered
    own_floor_ms = used_ms + minutes * MINUTE_MS
    if entered.floor_ms is None:
        return replace(entered, floor_ms=own_floor_ms)
    return replace(entered, floor_ms=max(entered.floor_ms, own_floor_ms))


def grant_unlimited(ledger: Ledger) -> Ledger:
    """The ledger after the limit was lifted for the rest of the day."""
    return replace(ledger, unlimited_grants=ledger.unlimited_grants + 1)


def cancel_grant(ledger: Ledger, minutes: int | None) -> Ledger:
    """The ledger after the compensating entry for a grant of ``minutes``, None for unlimited.

    A cancellation never sets a floor, also when it gives back what a negative grant took.
    """
    if minutes is None:
        return replace(ledger, unlimited_grants=max(0, ledger.unlimited_grants - 1))
    return _enter(ledger, -minutes)


def _enter(ledger: Ledger, minutes: int) -> Ledger:
    floor_ms = ledger.floor_ms
    if floor_ms is not None:
        floor_ms += minutes * MINUTE_MS
    return replace(ledger, granted_minutes=ledger.granted_minutes + minutes, floor_ms=floor_ms)


def effective_limit_ms(limit_minutes: int | None, ledger: Ledger) -> int | None:
    """What the day permits in milliseconds, grants included, never below 0; None = unlimited."""
    if limit_minutes is None or ledger.is_unlimited:
        return None
    permitted_ms = (limit_minutes + ledger.granted_minutes) * MINUTE_MS
    return max(0, permitted_ms, ledger.floor_ms or 0)
