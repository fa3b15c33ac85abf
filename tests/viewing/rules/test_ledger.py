"""Grants: two add up, overruns leave the grant's minutes, cancelling takes back and no more."""

from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.viewing.rules.ledger import (
    cancel_grant,
    effective_limit_ms,
    grant_minutes,
    grant_unlimited,
)
from watchkeeper.viewing.types import Ledger

MINUTE = 60_000
minutes = st.integers(1, 240)
entries = st.lists(st.tuples(st.integers(-240, 240).filter(bool), st.integers(0, 120)), max_size=12)


def ledger_of(history: list[tuple[int, int]]) -> tuple[Ledger, int]:
    """Grants with the minutes watched before each."""
    ledger, used_ms = Ledger(), 0
    for granted, watched in history:
        used_ms += watched * MINUTE
        ledger = grant_minutes(ledger, granted, used_ms)
    return ledger, used_ms


def limit_by_the_book(limit: int, history: list[tuple[int, int]]) -> int:
    """The written rule for every positive grant: limit + sum, or its floor + what follows it."""
    used, floors = 0, [0, limit + sum(granted for granted, _ in history)]
    for index, (granted, watched) in enumerate(history):
        used += watched
        if granted > 0:
            floors.append(used + granted + sum(later for later, _ in history[index + 1 :]))
    return max(floors)


def test_grants_add_to_the_limit() -> None:
    ledger = grant_minutes(grant_minutes(Ledger(), 15, 0), 30, 0)
    assert effective_limit_ms(120, ledger) == 165 * MINUTE


def test_a_grant_after_an_overrun_leaves_its_minutes() -> None:
    ledger = grant_minutes(Ledger(), 15, 90 * MINUTE)
    assert effective_limit_ms(60, ledger) == 105 * MINUTE


def test_two_grants_after_an_overrun_add_up() -> None:
    ledger = grant_minutes(grant_minutes(Ledger(), 10, 90 * MINUTE), 10, 90 * MINUTE)
    assert effective_limit_ms(60, ledger) == 110 * MINUTE


def test_a_negative_grant_takes_from_what_a_floor_gave() -> None:
    ledger = grant_minutes(grant_minutes(Ledger(), 30, 90 * MINUTE), -10, 90 * MINUTE)
    assert effective_limit_ms(60, ledger) == 110 * MINUTE


def test_a_negative_grant_never_goes_below_zero() -> None:
    assert effective_limit_ms(60, grant_minutes(Ledger(), -240, 0)) == 0


def test_a_limit_lowered_after_a_grant_still_binds() -> None:
    ledger = grant_minutes(Ledger(), 15, 30 * MINUTE)
    assert effective_limit_ms(120, ledger) == 135 * MINUTE
    assert effective_limit_ms(60, ledger) == 75 * MINUTE
    assert effective_limit_ms(15, ledger) == 45 * MINUTE


def test_no_limit_stays_no_limit() -> None:
    assert effective_limit_ms(None, grant_minutes(Ledger(), -60, 0)) is None


def test_unlimited_today_until_the_last_such_grant_is_cancelled() -> None:
    ledger = grant_unlimited(grant_unlimited(Ledger()))
    ledger = cancel_grant(ledger, None)
    assert effective_limit_ms(60, ledger) is None
    assert effective_limit_ms(60, cancel_grant(ledger, None)) == 60 * MINUTE


def test_cancelling_a_negative_grant_sets_no_floor() -> None:
    ledger = cancel_grant(grant_minutes(Ledger(), -30, 90 * MINUTE), -30)
    assert ledger.floor_ms is None
    assert effective_limit_ms(60, ledger) == 60 * MINUTE


@given(st.integers(1, 32).map(lambda n: n * 15), entries)
def test_the_effective_limit_is_the_written_rule(
    limit: int, history: list[tuple[int, int]]
) -> None:
    ledger, _ = ledger_of(history)
    assert effective_limit_ms(limit, ledger) == limit_by_the_book(limit, history) * MINUTE


@given(st.integers(0, 480), entries, minutes)
def test_a_positive_grant_always_leaves_at_least_its_minutes(
    limit: int, history: list[tuple[int, int]], granted: int
) -> None:
    ledger, used_ms = ledger_of(history)
    before = effective_limit_ms(limit, ledger)
    after = effective_limit_ms(limit, grant_minutes(ledger, granted, used_ms))
    assert before is not None
    assert after is not None
    assert after - used_ms >= granted * MINUTE
    assert after >= before


@given(st.integers(0, 480), entries, minutes, minutes)
def test_two_grants_add_up_whatever_was_before(
    limit: int, history: list[tuple[int, int]], first: int, second: int
) -> None:
    ledger, used_ms = ledger_of(history)
    once = effective_limit_ms(limit, grant_minutes(ledger, first, used_ms))
    twice = effective_limit_ms(
        limit, grant_minutes(grant_minutes(ledger, first, used_ms), second, used_ms)
    )
    assert once is not None
    assert twice == once + second * MINUTE


@given(st.integers(0, 480), entries, minutes)
def test_a_cancelled_grant_leaves_no_more_than_there_was(
    limit: int, history: list[tuple[int, int]], granted: int
) -> None:
    ledger, used_ms = ledger_of(history)
    cancelled = cancel_grant(grant_minutes(ledger, granted, used_ms), granted)
    before, after = effective_limit_ms(limit, ledger), effective_limit_ms(limit, cancelled)
    assert before is not None
    assert after is not None
    assert after - used_ms <= max(0, before - used_ms)
