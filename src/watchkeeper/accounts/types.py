"""The words of accounts as frozen values. Instants end in ``_at`` and are aware, in UTC."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from watchkeeper.core.auth import Role, UserPrincipal


class DeviceType(StrEnum):
    """What kind of screen plays."""

    TV = "tv"
    MOBILE = "mobile"
    TABLET = "tablet"
    WEB = "web"


class EndReason(StrEnum):
    """Why a sign-in is over."""

    SIGNED_OUT = "signed_out"
    TOKEN_REUSED = "token_reused"  # noqa: S105 - the name of a reason, not a secret
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    PASSWORD_RESET = "password_reset"  # noqa: S105
    GUARDIAN_REMOVED = "guardian_removed"
    HOUSEHOLD_DELETED = "household_deleted"


@dataclass(frozen=True, slots=True)
class HouseholdTime:
    """How a household draws its days: IANA zone, local reset hour 0 to 23, ISO weekdays 1 to 7."""

    timezone: str
    reset_hour: int = 6
    weekend_days: tuple[int, ...] = (6, 7)


@dataclass(frozen=True, slots=True)
class Household:
    """One family account."""

    household_id: UUID
    name: str
    time: HouseholdTime
    is_demo: bool
    is_load_test: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class User:
    """A person who signs in. `household_id` is None for staff."""

    id: UUID
    email: str
    password_hash: str
    roles: frozenset[Role]
    household_id: UUID | None
    household_name: str | None
    is_demo: bool
    password_changed_at: datetime
    disabled_at: datetime | None

    def __repr__(self) -> str:
        return f"User(id={self.id}, roles={sorted(self.roles)})"


@dataclass(frozen=True, slots=True)
class SignInState:
    """What the database knows about the sign-in behind an access token.

    `principal` carries the roles and household as they are now, not as they were when the token
    was signed.
    """

    principal: UserPrincipal
    started_at: datetime
    elevated_until: datetime | None
    has_pin: bool

    def is_elevated(self, now: datetime) -> bool:
        """Whether this sign-in gave the PIN less than 15 minutes ago."""
        return self.elevated_until is not None and now < self.elevated_until


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new pair of tokens. `refresh_expires_at` is when the refresh token lapses unused."""

    user: User
    access_token: str
    refresh_token: str
    expires_in_seconds: int
    refresh_expires_at: datetime

    def __repr__(self) -> str:
        return f"SignedIn(user={self.user!r})"


@dataclass(frozen=True, slots=True)
class Profile:
    """A person in a household; the rules of viewing time bind children."""

    household_id: UUID
    id: UUID
    name: str
    is_child: bool
    avatar: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Device:
    """A screen of a household; `device_id` is the name that the player gives itself."""

    household_id: UUID
    id: UUID
    device_id: str
    device_type: DeviceType
    name: str
    profile_id: UUID | None
    pairing_id: UUID | None
    paired_at: datetime | None
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class PairingCode:
    """A code as it is shown once; only its hash is kept."""

    code: str
    profile_id: UUID
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PairedDevice:
    """A device that has just been bound to a child, and the token that it plays with."""

    device: Device
    profile: Profile
    device_token: str

    def __repr__(self) -> str:
        return f"PairedDevice(device={self.device.id}, profile={self.profile.id})"


@dataclass(frozen=True, slots=True)
class PinAttempts:
    """Wrong PINs of one device or sign-in since its last right one.

    `locked_until` is set while `wrong_count` is at its limit.
    """

    wrong_count: int = 0
    locked_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class PinRecord:
    """A household's PIN and when, in the last 24 hours, it was tried wrongly (ascending)."""

    household_id: UUID
    pin_hash: str
    wrong_at: tuple[datetime, ...] = ()

    def __repr__(self) -> str:
        return f"PinRecord(household_id={self.household_id})"


@dataclass(frozen=True, slots=True)
class PinStatus:
    """What a guardian may know about the household's PIN."""

    has_pin: bool
    locked_until: datetime | None
    elevated_until: datetime | None


class NotificationKind(StrEnum):
    """What a notification is about."""

    WEEKLY_REPORT = "weekly_report"


@dataclass(frozen=True, slots=True)
class NewNotification:
    """Something that the guardians of a household should know.

    `subject` tells those of one kind apart: a household gets one of each, however often it is
    delivered. `title` has no names, since whoever holds the phone sees it. `content` is kept as it
    is; what is about single profiles stands in its list ``profiles``, each with its ``profile_id``,
    so that a deleted profile can be taken out.
    """

    household_id: UUID
    kind: NotificationKind
    subject: str
    title: str
    content: dict[str, Any]
    period: tuple[date, date] | None = None


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification as one guardian sees it in the list; both dates of `period` are inclusive."""

    id: UUID
    kind: NotificationKind
    title: str
    period: tuple[date, date] | None
    created_at: datetime
    is_read: bool


@dataclass(frozen=True, slots=True)
class NotificationPage:
    """Notifications, newest first, and how many of all the guardian hasn't read."""

    notifications: tuple[Notification, ...]
    unread_count: int
    has_more: bool


@dataclass(frozen=True, slots=True)
class Guardian:
    """A person who looks after a household, as its guardians see them."""

    id: UUID
    email: str
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """Somebody who may become a guardian; `invited_by` is an e-mail address, None if it is gone."""

    id: UUID
    household_id: UUID
    email: str
    invited_by: str | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """An invitation with its code, in groups as it is shown once; only its hash is kept."""

    code: str
    invitation: Invitation

    def __repr__(self) -> str:
        return f"NewInvitation(invitation={self.invitation.id})"


class ActorKind(StrEnum):
    """Who acted: a person of the household, a child's device, our staff, or the service itself."""

    GUARDIAN = "guardian"
    DEVICE = "device"
    SUPPORT = "support"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted; `name` is an e-mail address or a device's name, None when that is gone."""

    kind: ActorKind
    name: str | None


@dataclass(frozen=True, slots=True)
class AuditSubject:
    """What was done something to; `name` as people know it, None when it has none or is gone."""

    kind: str
    id: str
    name: str | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of a household's trail; `before` and `after` hold no secrets."""

    id: UUID
    at: datetime
    actor: Actor
    action: str
    subject: AuditSubject
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Deleted(StrEnum):
    """What a receipt is for."""

    PROFILE = "profile"
    HOUSEHOLD = "household"


@dataclass(frozen=True, slots=True)
class Receipt:
    """That something was deleted, when, and how many rows of which tables; nothing about whom."""

    id: UUID
    kind: Deleted
    deleted_at: datetime
    rows_by_table: dict[str, int]
