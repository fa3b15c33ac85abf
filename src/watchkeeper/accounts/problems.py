"""Refusals of accounts (RFC 9457).

WrongCredentials      401 accounts/wrong-credentials
DeviceNoLongerPaired  401 accounts/device-revoked
PinRequired           403 accounts/pin-required, with has_pin
WrongPin              403 accounts/wrong-pin, with remaining_attempts
WrongPassword         403 accounts/wrong-password
PasswordRequired      403 accounts/password-required
WrongPairingCode      403 accounts/wrong-pairing-code
WrongInvitationCode   403 accounts/wrong-invitation-code
ForeignOrigin         403 accounts/foreign-origin
EmailTaken            409 accounts/email-taken
PinNotSet             409 accounts/pin-not-set
NotAChild             409 accounts/not-a-child
TooManyProfiles       409 accounts/too-many-profiles
TooManyDevices        409 accounts/too-many-devices
TooManyGuardians      409 accounts/too-many-guardians
OwnAccount            409 accounts/own-account
PinLocked             423 accounts/pin-locked, with locked_until and Retry-After
"""

from datetime import UTC, datetime

from watchkeeper.core.problems import Conflict, Forbidden, Problem, Unauthenticated


def _on_the_wire(instant: datetime) -> str:
    text = instant.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


class WrongCredentials(Unauthenticated):
    """E-mail address and password don't belong together; says nothing about which is wrong."""

    type = "accounts/wrong-credentials"
    title = "Sign-in failed"
    default_detail = "The e-mail address or the password isn't right."


class DeviceNoLongerPaired(Unauthenticated):
    """The device's pairing was revoked or replaced; a guardian has to pair it again."""

    type = "accounts/device-revoked"
    title = "This device isn't paired any more"
    default_detail = "This device was removed. A parent can connect it again with a new code."


class PinRequired(Forbidden):
    """The sign-in didn't give the PIN in the last 15 minutes."""

    type = "accounts/pin-required"
    title = "Please enter the PIN"
    default_detail = "Please enter the parents' PIN first."

    def __init__(self, *, has_pin: bool) -> None:
        detail = None if has_pin else "Please set a PIN for the parents first."
        super().__init__(detail, has_pin=has_pin)


class WrongPin(Forbidden):
    """The PIN was compared and is wrong."""

    type = "accounts/wrong-pin"
    title = "Wrong PIN"

    def __init__(self, remaining_attempts: int) -> None:
        tries = "try is" if remaining_attempts == 1 else "tries are"
        super().__init__(
            f"That PIN isn't right. {remaining_attempts} more {tries} possible.",
            remaining_attempts=remaining_attempts,
        )


class PinLocked(Problem):
    """Too many wrong PINs: until the lock ends, PINs aren't even compared."""

    type = "accounts/pin-locked"
    status = 423
    title = "The PIN is locked"

    def __init__(self, locked_until: datetime, now: datetime) -> None:
        super().__init__(
            "There were too many wrong PINs. Please wait until the lock ends.",
            retry_after_seconds=(locked_until - now).total_seconds(),
            locked_until=_on_the_wire(locked_until),
        )


class PinNotSet(Conflict):
    """A PIN was given, and the household has none."""

    type = "accounts/pin-not-set"
    title = "There is no PIN yet"
    default_detail = "No PIN has been set for this household yet."


class PasswordRequired(Forbidden):
    """The first PIN needs the password, because this sign-in is older than 10 minutes."""

    type = "accounts/password-required"
    title = "Please enter your password"
    default_detail = "Please enter your password to set the PIN."


class WrongPassword(Forbidden):
    """A signed-in person confirmed something with a wrong password."""

    type = "accounts/wrong-password"
    title = "Wrong password"
    default_detail = "That password isn't right."


class EmailTaken(Conflict):
    """Somebody has registered with this e-mail address."""

    type = "accounts/email-taken"
    title = "That e-mail address is in use"
    default_detail = "There is an account with this e-mail address already. Please sign in."


class NotAChild(Conflict):
    """What was asked for makes sense for children only."""

    type = "accounts/not-a-child"
    title = "This profile isn't a child's"
    default_detail = "Only a child's profile can have devices of its own."


class TooManyProfiles(Conflict):
    """The household has as many profiles as it may have."""

    type = "accounts/too-many-profiles"
    title = "There are too many profiles"


class TooManyDevices(Conflict):
    """The household has as many paired devices as it may have."""

    type = "accounts/too-many-devices"
    title = "There are too many devices"


class WrongPairingCode(Forbidden):
    """The code is wrong, used up or too old; which of these isn't said."""

    type = "accounts/wrong-pairing-code"
    title = "Wrong code"
    default_detail = "That code isn't right, or it is too old. A parent can make a new one."


class TooManyGuardians(Conflict):
    """The household has as many guardians and open invitations as it may have."""

    type = "accounts/too-many-guardians"
    title = "There are too many guardians"


class OwnAccount(Conflict):
    """A guardian wanted to remove themselves; another guardian can, or the household is deleted."""

    type = "accounts/own-account"
    title = "That is your own account"
    default_detail = "You can't remove yourself. Another guardian can do that."


class WrongInvitationCode(Forbidden):
    """The code is wrong, used, withdrawn or too old; which of these isn't said."""

    type = "accounts/wrong-invitation-code"
    title = "Wrong code"
    default_detail = "That code isn't right, or it is too old. Please ask for a new one."


class ForeignOrigin(Forbidden):
    """A refresh cookie came without the header or from the page that our own app would send."""

    type = "accounts/foreign-origin"
    title = "That came from another site"
    default_detail = "This request didn't come from the Watchkeeper app."
