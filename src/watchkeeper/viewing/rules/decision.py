"""Says what a profile may do now, from what its day permits and has used.

Source: viewing time, sections 2 and 5.
"""

from datetime import datetime

from watchkeeper.viewing.policy_types import Policy
from watchkeeper.viewing.rules.daybook import DayBook
from watchkeeper.viewing.rules.instants import MINUTE_MS, from_ms, to_ms
from watchkeeper.viewing.rules.ledger import effective_limit_ms
from watchkeeper.viewing.types import Binding, Decision, Enforcement, Viewer


def decide(viewer: Viewer, now: datetime, *, is_exempt: bool = False) -> Decision:
    """What ``viewer`` may do at ``now`` with a title that is exempt or not.

    Serves balance, eligibility and the answers to grants; nothing is charged by it. Days that
    aren't stored yet are computed, not made. Adults are always allowed.
    """
    return decide_in(DayBook(viewer, to_ms(now)), is_exempt=is_exempt)


def decide_in(book: DayBook, *, is_exempt: bool) -> Decision:
    """The decision in the middle of a settlement, after everything was charged."""
    viewer, today = book.viewer, book.today
    limit_ms = effective_limit_ms(today.limit_minutes, today.ledger) if viewer.is_child else None
    left_ms = None if limit_ms is None else max(0, limit_ms - today.counted_ms)
    closes_at = _closes_at(book)
    remaining_ms, binding = _what_binds(book, closes_at, None if is_exempt else left_ms)
    enforcement = enforcement_at(remaining_ms, viewer.policy)
    reason = binding if enforcement is Enforcement.BLOCKED else None
    opens_at = None if reason in (None, Binding.LIMIT) else book.opens_at()
    return Decision(
        enforcement=enforcement,
        reason=reason,
        binding=binding,
        remaining_ms=remaining_ms,
        allowance_remaining_ms=left_ms,
        used_ms=today.counted_ms,
        exempt_ms=today.exempt_ms,
        is_exempt=is_exempt,
        limit_minutes=today.limit_minutes,
        effective_limit_ms=limit_ms,
        is_unlimited_override=today.ledger.is_unlimited,
        warning_first_minutes=viewer.policy.warning_first_minutes,
        warning_second_minutes=viewer.policy.warning_second_minutes,
        blocks_at=None if closes_at is None else from_ms(closes_at),
        opens_at=None if opens_at is None else from_ms(opens_at),
        next_reset_at=today.day.ends_at,
        day_starts_at=today.day.starts_at,
    )


def _closes_at(book: DayBook) -> int | None:
    """When play must stop whatever is left of the allowance; now while it is locked."""
    if not book.viewer.is_child:
        return None
    return book.closes_at() if book.locked_until is None else book.now_ms


def _what_binds(
    book: DayBook, closes_at: int | None, left_ms: int | None
) -> tuple[int | None, Binding | None]:
    """The least remaining time and its rule.

    Of rules that leave equally much the one is told that a grant helps least against: a child
    who is told of the limit at bedtime would ask for minutes in vain.
    """
    candidates: list[tuple[int, int, Binding]] = []
    if closes_at is not None:
        is_locked = book.locked_until is not None
        rule = Binding.LOCKED if is_locked else Binding.BEDTIME
        candidates.append((max(0, closes_at - book.now_ms), 0, rule))
    if left_ms is not None:
        candidates.append((left_ms, 1, Binding.LIMIT))
    if not candidates:
        return None, None
    remaining_ms, _, binding = min(candidates)
    return remaining_ms, binding


def enforcement_at(remaining_ms: int | None, policy: Policy) -> Enforcement:
    """The answer for so much remaining time; warnings re-arm because only the rest matters."""
    if remaining_ms is None:
        return Enforcement.ALLOWED
    if remaining_ms <= 0:
        return Enforcement.BLOCKED
    if remaining_ms <= policy.warning_second_minutes * MINUTE_MS:
        return Enforcement.WARNING_5
    if remaining_ms <= policy.warning_first_minutes * MINUTE_MS:
        return Enforcement.WARNING_15
    return Enforcement.ALLOWED
