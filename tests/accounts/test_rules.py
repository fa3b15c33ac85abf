"""Pure decisions: the PIN's lock, codes, passwords."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.accounts import rules
from watchkeeper.accounts.passwords import Hasher, decoy_hash
from watchkeeper.accounts.service.limits import network_of
from watchkeeper.accounts.types import PinAttempts
from watchkeeper.core.auth import Role

NOW = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)


def test_the_fifth_attempt_locks_and_the_lock_ends_at_zero() -> None:
    attempts = PinAttempts()
    for expected in (1, 2, 3, 4):
        attempts = rules.count_attempt(attempts, NOW)
        assert attempts == PinAttempts(expected, None)
    attempts = rules.count_attempt(attempts, NOW)
    until = NOW + timedelta(minutes=30)
    assert attempts == PinAttempts(5, until)
    just_before = until - timedelta(milliseconds=1)
    assert rules.lock_of(attempts, (), is_trusted=True, now=just_before) == until
    assert rules.lock_of(attempts, (), is_trusted=True, now=until) is None
    assert rules.count_attempt(attempts, until) == PinAttempts(1, None)


def test_an_attempt_given_back_opens_the_lock_that_it_closed() -> None:
    assert rules.give_attempt_back(PinAttempts(5, NOW)) == PinAttempts(4, None)
    assert rules.give_attempt_back(PinAttempts()) == PinAttempts()


def test_twenty_wrong_in_a_day_stop_everybody_who_isnt_trusted() -> None:
    wrong_at = tuple(NOW + timedelta(minutes=minute) for minute in range(20))
    at_last = wrong_at[-1]
    until = wrong_at[0] + timedelta(hours=24)
    assert rules.lock_of(PinAttempts(), wrong_at[1:], is_trusted=False, now=at_last) is None
    assert rules.lock_of(PinAttempts(), wrong_at, is_trusted=False, now=at_last) == until
    assert rules.lock_of(PinAttempts(), wrong_at, is_trusted=True, now=at_last) is None
    assert rules.lock_of(PinAttempts(), wrong_at, is_trusted=False, now=until) is None


@given(st.lists(st.integers(0, 3_000), max_size=60))
def test_no_24_hours_hold_more_than_twenty_attempts_of_the_untrusted(gaps: list[int]) -> None:
    """Each attempt comes from a new device, so that only the household's bound is at work."""
    now = NOW
    wrong_at: tuple[datetime, ...] = ()
    admitted: list[datetime] = []
    for gap in gaps:
        now += timedelta(seconds=gap)
        if rules.lock_of(PinAttempts(), wrong_at, is_trusted=False, now=now) is None:
            wrong_at = rules.add_wrong(wrong_at, now)
            admitted.append(now)
    for at in admitted:
        assert sum(at <= other < at + timedelta(hours=24) for other in admitted) <= 20


def test_a_right_attempt_leaves_the_households_list_as_it_was() -> None:
    wrong_at = rules.add_wrong((), NOW)
    twice = rules.add_wrong(wrong_at, NOW)
    assert rules.remove_wrong(twice, NOW) == wrong_at
    assert rules.remove_wrong(wrong_at, NOW + timedelta(seconds=1)) == wrong_at
    assert len(rules.add_wrong(tuple([NOW] * 400), NOW)) == rules.HOUSEHOLD_TRIES_KEPT


@pytest.mark.parametrize("text", ["123", "12345", "12a4", "١٢٣٤", "1234\n", " 123", "-123", ""])
def test_a_pin_is_four_ascii_digits(text: str) -> None:
    assert not rules.is_pin(text)
    assert rules.is_pin("0000")


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("abc-def", "ABCDEF"),
        (" K7 M2 PQ ", "K7M2PQ"),
        ("ABCDE", None),
        ("ABCDEFG", None),
        ("ABCDE0", None),
        ("ABCDEI", None),
        ("ABCDEÉ", None),
    ],
)
def test_codes_are_read_as_people_type_them(typed: str, code: str | None) -> None:
    assert rules.normalise_pairing_code(typed) == code


@pytest.mark.parametrize(
    ("name", "is_known"),
    [
        ("Europe/Madrid", True),
        ("UTC", True),
        ("America/Argentina/Ushuaia", True),
        ("Factory", False),
        ("localtime", False),
        ("../etc/passwd", False),
        ("europe/madrid", False),
        ("", False),
    ],
)
def test_zones_are_those_of_iana(name: str, is_known: bool) -> None:
    assert rules.is_known_timezone(name) is is_known


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("testclient", "unknown"),
        (None, "unknown"),
    ],
)
def test_one_line_is_one_address(address: str | None, network: str) -> None:
    assert network_of(address) == network


def test_roles_add_up() -> None:
    both = rules.permissions_of(frozenset({Role.GUARDIAN, Role.AGENT}))
    assert "support.work" in both
    assert "household.manage" in both
    assert rules.permissions_of(frozenset()) == []


def test_the_pepper_is_part_of_a_pins_hash_and_of_no_passwords() -> None:
    one, other = Hasher(b"a" * 32), Hasher(b"b" * 32)
    stored = one.hash_pin("1234")
    assert "1234" not in stored
    assert one.check_pin("1234", stored) == (True, None)
    assert one.check_pin("1235", stored) == (False, None)
    assert other.check_pin("1234", stored) == (False, None)
    assert other.check_password("a password", one.hash_password("a password")) == (True, None)


def test_nothing_matches_a_decoy_and_it_is_checked_like_any_other_hash() -> None:
    hasher = Hasher(b"a" * 32)
    decoy, real = decoy_hash(), hasher.hash_password("a password")
    assert decoy.split("$")[:4] == real.split("$")[:4]
    assert [len(part) for part in decoy.split("$")] == [len(part) for part in real.split("$")]
    assert hasher.check_password("a password", decoy) == (False, None)
    assert hasher.check_password("a password", "!") == (False, None)
