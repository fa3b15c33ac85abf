"""The tables of the schema ``accounts``.

Household tables have ``household_id`` first in every key, so that they can be distributed by it.
Directory tables are looked up by what a caller knows before the household is known.
"""

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, CITEXT, JSONB, TIMESTAMP

metadata = MetaData(schema="accounts")


def _instant(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable)


households = Table(
    "households",
    metadata,
    Column("household_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("reset_hour", SmallInteger, nullable=False, server_default=text("6")),
    Column("weekend_days", ARRAY(SmallInteger), nullable=False, server_default=text("'{6,7}'")),
    Column("is_demo", Boolean, nullable=False, server_default=false()),
    Column("is_load_test", Boolean, nullable=False, server_default=false()),
    _instant("created_at"),
    PrimaryKeyConstraint("household_id", name="households_pkey"),
    CheckConstraint("reset_hour BETWEEN 0 AND 23", name="households_reset_hour"),
)

users = Table(
    "users",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("email", CITEXT, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("household_id", Uuid),
    Column("is_demo", Boolean, nullable=False, server_default=false()),
    _instant("created_at"),
    _instant("password_changed_at"),
    _instant("disabled_at", nullable=True),
    PrimaryKeyConstraint("id", name="users_pkey"),
    UniqueConstraint("email", name="users_email"),
    Index("users_household", "household_id"),
)

sign_ins = Table(
    "sign_ins",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("household_id", Uuid),
    Column("client", Text, nullable=False),
    _instant("created_at"),
    _instant("last_used_at"),
    _instant("ended_at", nullable=True),
    Column("end_reason", Text),
    _instant("elevated_until", nullable=True),
    _instant("last_elevated_at", nullable=True),
    PrimaryKeyConstraint("id", name="sign_ins_pkey"),
    ForeignKeyConstraint(
        ["user_id"], ["accounts.users.id"], name="sign_ins_user", ondelete="CASCADE"
    ),
    Index("sign_ins_user", "user_id"),
    Index("sign_ins_household", "household_id"),
    Index("sign_ins_last_used", "last_used_at"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_hash", LargeBinary, nullable=False),
    Column("sign_in_id", Uuid, nullable=False),
    _instant("issued_at"),
    _instant("expires_at"),
    _instant("used_at", nullable=True),
    PrimaryKeyConstraint("token_hash", name="refresh_tokens_pkey"),
    ForeignKeyConstraint(
        ["sign_in_id"], ["accounts.sign_ins.id"], name="refresh_tokens_sign_in", ondelete="CASCADE"
    ),
    Index("refresh_tokens_sign_in", "sign_in_id"),
)

profiles = Table(
    "profiles",
    metadata,
    Column("household_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("is_child", Boolean, nullable=False),
    Column("avatar", Text),
    _instant("created_at"),
    PrimaryKeyConstraint("household_id", "id", name="profiles_pkey"),
    ForeignKeyConstraint(
        ["household_id"],
        ["accounts.households.household_id"],
        name="profiles_household",
        ondelete="CASCADE",
    ),
)

devices = Table(
    "devices",
    metadata,
    Column("household_id", Uuid, nullable=False),
    Column("device_id", Text, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("device_type", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("profile_id", Uuid),
    Column("last_profile_id", Uuid),
    Column("pairing_id", Uuid),
    _instant("paired_at", nullable=True),
    _instant("revoked_at", nullable=True),
    _instant("first_seen_at"),
    _instant("last_seen_at"),
    PrimaryKeyConstraint("household_id", "device_id", name="devices_pkey"),
    UniqueConstraint("household_id", "id", name="devices_id"),
    ForeignKeyConstraint(
        ["household_id"],
        ["accounts.households.household_id"],
        name="devices_household",
        ondelete="CASCADE",
    ),
    CheckConstraint("length(device_id) BETWEEN 1 AND 100", name="devices_device_id"),
    CheckConstraint("device_type IN ('tv', 'mobile', 'tablet', 'web')", name="devices_device_type"),
    CheckConstraint(
        "(pairing_id IS NULL) = (profile_id IS NULL)", name="devices_paired_with_profile"
    ),
)

pairing_codes = Table(
    "pairing_codes",
    metadata,
    Column("code_hash", LargeBinary, nullable=False),
    Column("household_id", Uuid, nullable=False),
    Column("profile_id", Uuid, nullable=False),
    Column("device_name", Text),
    Column("created_by", Uuid, nullable=False),
    _instant("expires_at"),
    Column("tries_left", SmallInteger, nullable=False),
    _instant("used_at", nullable=True),
    PrimaryKeyConstraint("code_hash", name="pairing_codes_pkey"),
    Index("pairing_codes_profile", "household_id", "profile_id"),
    Index("pairing_codes_expiry", "expires_at"),
)

invitations = Table(
    "invitations",
    metadata,
    Column("code_hash", LargeBinary, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("household_id", Uuid, nullable=False),
    Column("email", CITEXT, nullable=False),
    Column("created_by", Uuid, nullable=False),
    _instant("created_at"),
    _instant("expires_at"),
    PrimaryKeyConstraint("code_hash", name="invitations_pkey"),
    UniqueConstraint("id", name="invitations_id"),
    Index("invitations_household", "household_id"),
    Index("invitations_expiry", "expires_at"),
)

pins = Table(
    "pins",
    metadata,
    Column("household_id", Uuid, nullable=False),
    Column("pin_hash", Text, nullable=False),
    _instant("set_at"),
    Column("set_by", Uuid, nullable=False),
    Column("wrong_at", ARRAY(TIMESTAMP(timezone=True)), nullable=False, server_default="{}"),
    PrimaryKeyConstraint("household_id", name="pins_pkey"),
    ForeignKeyConstraint(
        ["household_id"],
        ["accounts.households.household_id"],
        name="pins_household",
        ondelete="CASCADE",
    ),
)

pin_attempts = Table(
    "pin_attempts",
    metadata,
    Column("household_id", Uuid, nullable=False),
    Column("subject", Text, nullable=False),
    Column("wrong_count", SmallInteger, nullable=False),
    _instant("locked_until", nullable=True),
    _instant("tried_at"),
    PrimaryKeyConstraint("household_id", "subject", name="pin_attempts_pkey"),
    ForeignKeyConstraint(
        ["household_id"],
        ["accounts.households.household_id"],
        name="pin_attempts_household",
        ondelete="CASCADE",
    ),
)

rate_limits = Table(
    "rate_limits",
    metadata,
    Column("subject", Text, nullable=False),
    Column("hits", ARRAY(TIMESTAMP(timezone=True)), nullable=False),
    Column("is_admitted", Boolean, nullable=False),
    _instant("expires_at"),
    PrimaryKeyConstraint("subject", name="rate_limits_pkey"),
    Index("rate_limits_expiry", "expires_at"),
)

audit = Table(
    "audit",
    metadata,
    Column("household_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    _instant("at"),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", JSONB),
    Column("after", JSONB),
    Column("request_id", Text),
    PrimaryKeyConstraint("household_id", "id", name="audit_pkey"),
    Index("audit_by_time", "household_id", "at", "id"),
)

deletion_receipts = Table(
    "deletion_receipts",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    _instant("deleted_at"),
    Column("rows_by_table", JSONB, nullable=False),
    PrimaryKeyConstraint("id", name="deletion_receipts_pkey"),
    CheckConstraint("kind IN ('profile', 'household')", name="deletion_receipts_kind"),
)

notifications = Table(
    "notifications",
    metadata,
    Column("household_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("period_start", Date),
    Column("period_end", Date),
    Column("content", JSONB, nullable=False),
    _instant("created_at"),
    PrimaryKeyConstraint("household_id", "id", name="notifications_pkey"),
    UniqueConstraint("household_id", "kind", "subject", name="notifications_subject"),
    ForeignKeyConstraint(
        ["household_id"],
        ["accounts.households.household_id"],
        name="notifications_household",
        ondelete="CASCADE",
    ),
    CheckConstraint("(period_start IS NULL) = (period_end IS NULL)", name="notifications_period"),
    Index("notifications_newest", "household_id", text("created_at DESC"), text("id DESC")),
    Index("notifications_age", "created_at"),
)

notification_reads = Table(
    "notification_reads",
    metadata,
    Column("household_id", Uuid, nullable=False),
    Column("notification_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    _instant("read_at"),
    PrimaryKeyConstraint(
        "household_id", "notification_id", "user_id", name="notification_reads_pkey"
    ),
    ForeignKeyConstraint(
        ["household_id", "notification_id"],
        ["accounts.notifications.household_id", "accounts.notifications.id"],
        name="notification_reads_notification",
        ondelete="CASCADE",
    ),
)
