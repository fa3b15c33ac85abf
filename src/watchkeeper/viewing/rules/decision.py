"""Says what a profile may do now, from what its day permits and has used.

Source: viewing time, sections 2 and 5.
"""

from collections.abc import Sequence
from datetime import datetime

from watchkeeper.viewing.rules.daybook import DayBook
from watchkeeper.viewing.rules.instants import MINUTE_MS, Span, from_ms, to_ms
from watchkeeper.viewing.rules.ledger import effective_limit_ms
from watchkeeper.viewing.types import Binding, Decision, Enforcement, Policy, Viewer


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
    closes_at = _closing_instant(book) if viewer.is_child else None
    candidates: list[tuple[int, Binding]] = []
    if closes_at is not None:
        candidates.append((max(0, closes_at - book.now_ms), Binding.BEDTIME))
    if left_ms is not None and not is_exempt:
        candidates.append((left_ms, Binding.LIMIT))
    remaining_ms, binding = min(candidates, default=(None, None))
    enforcement = enforcement_at(remaining_ms, viewer.policy)
    return Decision(
        enforcement=enforcement,
        reason=binding if enforcement is Enforcement.BLOCKED else None,
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
        blocks_at=None if closes_at is None else from_ms(max(closes_at, book.now_ms)),
        next_reset_at=today.day.ends_at,
        day_starts_at=today.day.starts_at,
    )


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


def _closing_instant(book: DayBook) -> int | None:
    """When the open hours that contain now end, None if that isn't before the day does.

    Outside of open hours it is now: nothing remains.
    """
    return closing_instant(book.permitted, book.now_ms, book.today_ends)


def closing_instant(permitted: Sequence[Span], now_ms: int, day_end: int) -> int | None:
    """The end of the span of ``permitted`` (ordered, merged) that contains ``now_ms``.

    None when it reaches ``day_end``, ``now_ms`` itself when no span contains it.
    """
    for opening in permitted:
        if opening.start <= now_ms < opening.end:
            return opening.end if opening.end < day_end else None
    return now_ms
