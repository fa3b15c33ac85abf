"""The tables of viewing time that one-table statements work on; the rest is in named SQL."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(schema="viewing")

viewers = Table(
    "viewers",
    metadata,
    Column("household_id", Uuid, primary_key=True),
    Column("profile_id", Uuid, primary_key=True),
    Column("weekday_limit_minutes", SmallInteger),
    Column("weekend_limit_minutes", SmallInteger),
    Column("educational_exempt", Boolean, nullable=False),
    Column("warning_first_minutes", SmallInteger, nullable=False),
    Column("warning_second_minutes", SmallInteger, nullable=False),
    Column("grace_seconds", SmallInteger, nullable=False),
    Column("day_limits", JSONB, nullable=False),
    Column("windows", JSONB, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)

overrides = Table(
    "overrides",
    metadata,
    Column("household_id", Uuid, primary_key=True),
    Column("profile_id", Uuid, primary_key=True),
    Column("on_date", Date, primary_key=True),
    Column("has_limit", Boolean, nullable=False),
    Column("limit_minutes", SmallInteger),
    Column("windows", JSONB(none_as_null=True)),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)

grants = Table(
    "grants",
    metadata,
    Column("household_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("profile_id", Uuid, nullable=False),
    Column("day_starts_at", DateTime(timezone=True), nullable=False),
    Column("minutes", SmallInteger),
    Column("channel", Text, nullable=False),
    Column("reason", Text),
    Column("floor_ms", BigInteger),
    Column("cancels_id", Uuid),
    Column("actor_user_id", Uuid),
    Column("actor_device_id", Text),
    Column("idempotency_key", Text),
    Column("extends_window", Boolean, nullable=False),
    Column("extended_from", DateTime(timezone=True)),
    Column("extended_until", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

title_overrides = Table(
    "title_overrides",
    metadata,
    Column("household_id", Uuid, primary_key=True),
    Column("title_id", Uuid, primary_key=True),
    Column("counts", Text, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)

requests = Table(
    "requests",
    metadata,
    Column("household_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("profile_id", Uuid, nullable=False),
    Column("minutes", SmallInteger, nullable=False),
    Column("message", Text),
    Column("status", Text, nullable=False),
    Column("asked_by_user_id", Uuid),
    Column("asked_by_device_id", Text),
    Column("idempotency_key", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("answered_at", DateTime(timezone=True)),
    Column("answered_by_user_id", Uuid),
    Column("answer", Text),
    Column("granted_minutes", SmallInteger),
    Column("grant_id", Uuid),
)
