"""Wire shapes of accounts (03, section 6)."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    EmailStr,
    Field,
    StringConstraints,
)

from watchkeeper.accounts import rules
from watchkeeper.accounts.types import (
    Device,
    DeviceType,
    Household,
    PairedDevice,
    PairingCode,
    PinStatus,
    Profile,
    SignedIn,
    User,
)
from watchkeeper.core.schemas import Answer, Instant, PlainText, Request


def _check_pin(pin: str) -> str:
    if not rules.is_pin(pin):
        raise ValueError("must be exactly four digits")
    return pin


def _check_password(password: str) -> str:
    fault = rules.password_fault(password)
    if fault:
        raise ValueError(fault)
    return password


def _check_timezone(name: str) -> str:
    if not rules.is_known_timezone(name):
        raise ValueError("is not a known time zone, such as Europe/Madrid")
    return name


def _check_code(typed: str) -> str:
    code = rules.normalise_pairing_code(typed)
    if code is None:
        raise ValueError("must be the six letters and digits of a code")
    return code


Id = Annotated[UUID, Field(strict=False)]
Kind = Annotated[DeviceType, Field(strict=False)]
Email = Annotated[EmailStr, StringConstraints(max_length=254)]
# Blanks in a password are part of it. A password to be checked may be shorter than a new one.
NewPassword = Annotated[
    str, StringConstraints(strip_whitespace=False), AfterValidator(_check_password)
]
GivenPassword = Annotated[
    str, StringConstraints(min_length=1, max_length=1024, strip_whitespace=False)
]
Pin = Annotated[str, StringConstraints(strip_whitespace=False), AfterValidator(_check_pin)]
RefreshToken = Annotated[PlainText, StringConstraints(min_length=1, max_length=512)]
ProfileName = Annotated[PlainText, StringConstraints(min_length=1, max_length=60)]
DeviceName = Annotated[PlainText, StringConstraints(min_length=1, max_length=60)]
Avatar = Annotated[PlainText, StringConstraints(min_length=1, max_length=100)]


class RegisterRequest(Request):
    """A family opens its account."""

    email: Email
    password: NewPassword
    household_name: Annotated[PlainText, StringConstraints(min_length=1, max_length=80)]
    timezone: Annotated[str, StringConstraints(max_length=64), AfterValidator(_check_timezone)]


class SignInRequest(Request):
    """E-mail address and password; the address is only looked up, so it isn't validated."""

    email: Annotated[PlainText, StringConstraints(min_length=1, max_length=254)]
    password: GivenPassword


class RefreshRequest(Request):
    """A refresh token; browsers send theirs as a cookie instead."""

    refresh_token: RefreshToken


class PasswordRequest(Request):
    """A change of password."""

    current_password: GivenPassword
    new_password: NewPassword


class ProfileRequest(Request):
    """A new profile; a child unless said otherwise, because that is the safe side."""

    name: ProfileName
    is_child: bool = True
    avatar: Avatar | None = None


class ProfileChanges(Request):
    """Changes of a profile; what is left out stays, and only the avatar may be null."""

    name: ProfileName = ""
    is_child: bool = True
    avatar: Avatar | None = None


class PairingCodeRequest(Request):
    """A code for a child's device; `name` is what the device will be called."""

    profile_id: Id
    name: DeviceName | None = None


class PairRequest(Request):
    """A device gives a code."""

    code: Annotated[str, StringConstraints(max_length=20), AfterValidator(_check_code)]
    device_id: Annotated[PlainText, StringConstraints(min_length=1, max_length=100)]
    device_type: Kind


class SetPinRequest(Request):
    """The first PIN, or another one."""

    new_pin: Pin
    current_pin: Pin | None = None
    password: GivenPassword | None = None


class VerifyPinRequest(Request):
    """A PIN to elevate this sign-in with."""

    pin: Pin


class ResetPinRequest(Request):
    """Another PIN, by the password."""

    password: GivenPassword
    new_pin: Pin


class UserAnswer(Answer):
    """A person who signs in."""

    id: UUID
    email: str
    roles: list[str]
    household_id: UUID | None
    household_name: str | None

    @classmethod
    def of(cls, user: User) -> "UserAnswer":
        return cls(
            id=user.id,
            email=user.email,
            roles=sorted(user.roles),
            household_id=user.household_id,
            household_name=user.household_name,
        )


class SignInAnswer(Answer):
    """New tokens; the refresh token is left out when it went into a cookie."""

    access_token: str
    refresh_token: str | None = Field(None, exclude_if=lambda token: token is None)
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of a scheme
    expires_in: int
    user: UserAnswer

    @classmethod
    def of(cls, signed_in: SignedIn, *, with_refresh_token: bool) -> "SignInAnswer":
        return cls(
            access_token=signed_in.access_token,
            refresh_token=signed_in.refresh_token if with_refresh_token else None,
            expires_in=signed_in.expires_in_seconds,
            user=UserAnswer.of(signed_in.user),
        )


class HouseholdAnswer(Answer):
    """A household as its members see it."""

    id: UUID
    name: str
    timezone: str
    reset_hour: int
    weekend_days: list[int]

    @classmethod
    def of(cls, household: Household) -> "HouseholdAnswer":
        return cls(
            id=household.household_id,
            name=household.name,
            timezone=household.time.timezone,
            reset_hour=household.time.reset_hour,
            weekend_days=list(household.time.weekend_days),
        )


class MeAnswer(Answer):
    """Who is signed in, and what they may do."""

    user: UserAnswer
    household: HouseholdAnswer | None
    roles: list[str]
    permissions: list[str]


class ProfileAnswer(Answer):
    """A profile."""

    id: UUID
    name: str
    is_child: bool
    avatar: str | None
    created_at: Instant

    @classmethod
    def of(cls, profile: Profile) -> "ProfileAnswer":
        return cls(
            id=profile.id,
            name=profile.name,
            is_child=profile.is_child,
            avatar=profile.avatar,
            created_at=profile.created_at,
        )


class ProfilesAnswer(Answer):
    """A household's profiles."""

    profiles: list[ProfileAnswer]


class PairingCodeAnswer(Answer):
    """A code, shown once."""

    code: str
    expires_at: Instant
    profile_id: UUID

    @classmethod
    def of(cls, code: PairingCode) -> "PairingCodeAnswer":
        return cls(code=code.code, expires_at=code.expires_at, profile_id=code.profile_id)


class DeviceAnswer(Answer):
    """A device; `id` names it in calls, `device_id` is the player's own name for itself."""

    id: UUID
    device_id: str
    device_type: DeviceType
    name: str
    profile_id: UUID | None
    is_paired: bool
    paired_at: Instant | None
    last_seen_at: Instant

    @classmethod
    def of(cls, device: Device) -> "DeviceAnswer":
        return cls(
            id=device.id,
            device_id=device.device_id,
            device_type=device.device_type,
            name=device.name,
            profile_id=device.profile_id,
            is_paired=device.pairing_id is not None,
            paired_at=device.paired_at,
            last_seen_at=device.last_seen_at,
        )


class DevicesAnswer(Answer):
    """A household's devices."""

    devices: list[DeviceAnswer]


class PairAnswer(Answer):
    """The token that a paired device plays with, and for whom."""

    device_token: str
    profile_id: UUID
    profile_name: str
    device: DeviceAnswer

    @classmethod
    def of(cls, paired: PairedDevice) -> "PairAnswer":
        return cls(
            device_token=paired.device_token,
            profile_id=paired.profile.id,
            profile_name=paired.profile.name,
            device=DeviceAnswer.of(paired.device),
        )


class PinVerifiedAnswer(Answer):
    """The PIN was right."""

    verified: Literal[True] = True
    remaining_attempts: int
    elevated_until: Instant


class PinStatusAnswer(Answer):
    """Whether there is a PIN, and what this sign-in may do with it."""

    has_pin: bool
    locked_until: Instant | None
    elevated_until: Instant | None

    @classmethod
    def of(cls, status: PinStatus) -> "PinStatusAnswer":
        return cls(
            has_pin=status.has_pin,
            locked_until=status.locked_until,
            elevated_until=status.elevated_until,
        )
