"""Pure decisions of accounts: the PIN's lock, what a PIN or password may be, who may do what.

Source: viewing time (03), "PIN and elevation".
"""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import available_timezones

from watchkeeper.accounts.types import PinAttempts
from watchkeeper.core.auth import Role

PIN_TRIES = 5
PIN_LOCKED_FOR = timedelta(minutes=30)
HOUSEHOLD_TRIES = 20
HOUSEHOLD_TRIES_WITHIN = timedelta(hours=24)
# More than any honest day needs; keeps the list of wrong tries short under an attack.
HOUSEHOLD_TRIES_KEPT = 200
TRUSTED_AFTER_ELEVATION_FOR = timedelta(days=30)
ELEVATED_FOR = timedelta(minutes=15)
FIRST_PIN_WITHOUT_PASSWORD_FOR = timedelta(minutes=10)

PASSWORD_LENGTHS = (8, 256)
PROFILES_PER_HOUSEHOLD = 20
PAIRED_DEVICES_PER_HOUSEHOLD = 50
UNPAIRED_DEVICES_PER_HOUSEHOLD = 200

PAIRING_CODE_LENGTH = 6
# Without letters and digits that look alike on a television: 0 O, 1 I L.
PAIRING_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
PAIRING_CODE_VALID_FOR = timedelta(minutes=10)
PAIRING_TRIES = 5

# 31^12 codes: guessing one is out of reach for all the tries that a week allows.
INVITATION_CODE_LENGTH = 12
INVITATION_VALID_FOR = timedelta(days=7)
GUARDIANS_PER_HOUSEHOLD = 10
_GROUP_LENGTH = 4

_PIN = re.compile(r"[0-9]{4}")

_PERMISSIONS: dict[Role, tuple[str, ...]] = {
    Role.GUARDIAN: ("household.manage", "viewing.manage", "viewing.play"),
    Role.AGENT: ("support.work",),
    Role.SUPERVISOR: ("support.supervise", "support.work"),
    Role.ADMIN: ("admin.manage", "catalogue.manage"),
}


def is_pin(text: str) -> bool:
    """Whether `text` is exactly four ASCII digits."""
    return _PIN.fullmatch(text) is not None


def password_fault(password: str) -> str | None:
    """What is wrong with a new password, in words for a person; None when it will do."""
    shortest, longest = PASSWORD_LENGTHS
    if len(password) < shortest:
        return f"must have at least {shortest} characters"
    if len(password) > longest:
        return f"must have at most {longest} characters"
    return None


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - {"Factory", "localtime"})


def is_known_timezone(name: str) -> bool:
    """Whether `name` is an IANA zone; the machine's own ``localtime`` isn't one."""
    return name in _zones()


def normalise_pairing_code(typed: str) -> str | None:
    """What a person typed as a code, in capitals and without blanks; None if it can't be one."""
    return _normalise(typed, PAIRING_CODE_LENGTH)


def normalise_invitation_code(typed: str) -> str | None:
    """The same for the code of an invitation, which is shown in groups."""
    return _normalise(typed, INVITATION_CODE_LENGTH)


def _normalise(typed: str, length: int) -> str | None:
    code = re.sub(r"[\s-]", "", typed).upper()
    if len(code) != length or any(char not in PAIRING_ALPHABET for char in code):
        return None
    return code


def in_groups(code: str) -> str:
    """A long code as people read it to each other: ABCD-EFGH-JKMN."""
    return "-".join(
        code[start : start + _GROUP_LENGTH] for start in range(0, len(code), _GROUP_LENGTH)
    )


def permissions_of(roles: frozenset[Role]) -> list[str]:
    """What the roles allow, sorted; the web app shows what its person may do."""
    return sorted({permission for role in roles for permission in _PERMISSIONS[role]})


def lock_of(
    attempts: PinAttempts, wrong_at: tuple[datetime, ...], *, is_trusted: bool, now: datetime
) -> datetime | None:
    """Until when PINs of one device or sign-in aren't compared; None when they are.

    `wrong_at` are the household's wrong tries, ascending. Twenty within 24 hours stop everybody
    but those who gave the right PIN in the last 30 days (`is_trusted`), so that a child can't
    lock the parents out. Devices are never elevated, and so are never trusted.
    """
    locks = []
    if attempts.locked_until is not None and now < attempts.locked_until:
        locks.append(attempts.locked_until)
    recent = [at for at in wrong_at if at > now - HOUSEHOLD_TRIES_WITHIN]
    if not is_trusted and len(recent) >= HOUSEHOLD_TRIES:
        locks.append(recent[-HOUSEHOLD_TRIES] + HOUSEHOLD_TRIES_WITHIN)
    return max(locks, default=None)


def count_attempt(attempts: PinAttempts, now: datetime) -> PinAttempts:
    """The attempts with one more, counted as wrong until its comparison says otherwise.

    Only called while `lock_of` is None, so a lock that is still noted has ended: the count
    starts from zero. The fifth sets the lock, so that a sixth isn't compared.
    """
    wrong_count = 1 if attempts.locked_until is not None else attempts.wrong_count + 1
    return PinAttempts(wrong_count, now + PIN_LOCKED_FOR if wrong_count >= PIN_TRIES else None)


def give_attempt_back(attempts: PinAttempts) -> PinAttempts:
    """The attempts without one that was counted but never compared."""
    return replace(attempts, wrong_count=max(0, attempts.wrong_count - 1), locked_until=None)


def add_wrong(wrong_at: tuple[datetime, ...], now: datetime) -> tuple[datetime, ...]:
    """The household's wrong tries of the last 24 hours with one more."""
    recent = [at for at in wrong_at if at > now - HOUSEHOLD_TRIES_WITHIN]
    return tuple(sorted([*recent, now])[-HOUSEHOLD_TRIES_KEPT:])


def remove_wrong(wrong_at: tuple[datetime, ...], at: datetime) -> tuple[datetime, ...]:
    """The household's wrong tries without one that was counted at `at`."""
    remaining = list(wrong_at)
    if at in remaining:
        remaining.remove(at)
    return tuple(remaining)
