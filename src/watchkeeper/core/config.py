"""Settings, one frozen class per concern; `watchkeeper.settings` puts them together.

Every setting is an environment variable: the class's prefix and the field's name in capitals,
for instance ``WATCHKEEPER_DATABASE_POOL_SIZE``. The description of a field says its unit and why
its default is what it is; the reference page is generated from these classes. Only
`settings.load_settings` reads the environment: an object made otherwise has the defaults.
"""

from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

PREFIX = "WATCHKEEPER_"


class Concern(BaseModel):
    """Settings of one concern; `part` stands between the prefix and the names of its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    part: ClassVar[str]

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable of a field."""
        return f"{PREFIX}{cls.part}{field}".upper()


def _split_commas(value: object) -> object:
    """Lists are written as ``a, b`` in the environment."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class ServerSettings(Concern):
    """Where the service listens and what it accepts."""

    part = ""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    data_dir: Path | None = Field(
        None,
        description="Folder of the embedded database and the secrets; "
        "the platform's user data folder when unset.",
    )
    debug: bool = Field(
        False, description="Mounts the debug middleware: timing header and SQL echo."
    )
    run_migrations: bool = Field(
        False,
        description="Migrates an external database at start-up (`RUN_MIGRATIONS` is read too). "
        "Embedded databases always migrate themselves.",
    )
    cors_origins: tuple[str, ...] = Field(
        (), description="Origins that browsers may call from, separated by commas; none by default."
    )
    allowed_hosts: tuple[str, ...] = Field(
        ("*",),
        description="Host names that requests may be addressed to, separated by commas.",
    )
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="Addresses of proxies whose X-Forwarded-For is believed, separated by commas.",
    )
    max_body_bytes: int = Field(
        1_048_576,
        ge=1_024,
        description="Largest request body in bytes; a thousand titles in one batch fit.",
    )
    shutdown_seconds: int = Field(
        10, ge=0, le=300, description="Seconds that running requests get when the service stops."
    )

    _lists = field_validator("cors_origins", "allowed_hosts", "trusted_proxies", mode="before")(
        _split_commas
    )

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_origin(text) for text in origins)


def _origin(text: str) -> str:
    """The origin as browsers send it; anything else would never match and look like a fault."""
    fault = f"'{text}' isn't an origin such as https://tv.example.com"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(fault) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        raise ValueError(fault)
    if parts.path or parts.query or parts.fragment or "*" in text:
        raise ValueError(fault)
    is_default_port = port in {None, 80 if parts.scheme == "http" else 443}
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if is_default_port else f":{port}")


class DatabaseSettings(Concern):
    """The connection pool and the time limits of statements."""

    part = "DATABASE_"

    url: SecretStr | None = Field(
        None,
        description="PostgreSQL 16 or newer, as postgresql://user:password@host/name; "
        "the embedded database when unset.",
    )
    pool_size: int = Field(
        10, ge=1, le=1000, description="Connections kept open; a few per core can be busy at once."
    )
    max_overflow: int = Field(
        20, ge=0, le=1000, description="Connections opened beyond the pool in a burst."
    )
    pool_timeout_seconds: float = Field(
        30, gt=0, le=300, description="Seconds to wait for a connection before a 503."
    )
    pool_recycle_seconds: int = Field(
        1800,
        ge=60,
        description="Age in seconds at which a connection is replaced, before firewalls drop it.",
    )
    pre_ping: bool = Field(
        True, description="Tests a connection before use, so that a restart costs nobody an error."
    )
    statement_cache_size: int = Field(
        100,
        ge=0,
        description="Prepared statements kept per connection, which saves planning them again; "
        "0 keeps none.",
    )
    prewarm_connections: int = Field(
        10,
        ge=0,
        description="Connections opened before the service says that it is ready, at most the "
        "pool's size, so that the first requests needn't wait for them.",
    )
    connect_timeout_seconds: float = Field(
        5, gt=0, le=60, description="Seconds to wait for a new connection."
    )
    statement_timeout_seconds: float = Field(
        30, ge=0, description="Seconds after which PostgreSQL ends a statement; 0 for never."
    )
    lock_timeout_seconds: float = Field(
        10, ge=0, description="Seconds that a statement waits for a lock; 0 for ever."
    )
    restart_wait_seconds: float = Field(
        4,
        ge=0,
        le=60,
        description="Seconds that a request waits for a restarting database before a 503; "
        "players give up on an answer after 5.",
    )


class SecuritySettings(Concern):
    """Tokens, sign-in and PIN."""

    part = "SECURITY_"

    secrets_file: Path | None = Field(
        None,
        description="File of the signing keys and the PINs' pepper; processes on one database "
        "share it. `secrets/keys.json` in the data folder when unset.",
    )
    access_token_seconds: int = Field(
        900, ge=30, le=86_400, description="Seconds that an access token is valid."
    )
    refresh_token_days: int = Field(
        30, ge=1, le=365, description="Days that an unused refresh token is valid."
    )
    secure_cookies: bool = Field(False, description="Marks cookies Secure; turn on behind TLS.")
    sign_ins_per_minute: int = Field(
        10, ge=1, description="Sign-in attempts a minute for one account."
    )
    sign_ins_per_minute_per_address: int = Field(
        60, ge=1, description="Sign-in attempts a minute from one address."
    )
    registrations_per_hour: int = Field(
        30, ge=1, description="Registrations an hour from one address."
    )


class OffloadSettings(Concern):
    """Executors that keep slow work off the event loop."""

    part = "OFFLOAD_"

    hashing_threads: int = Field(
        1,
        ge=1,
        le=64,
        description="Threads for password and PIN hashing; one leaves other cores to heartbeats.",
    )
    hashing_queue: int = Field(
        64, ge=1, description="Hashes that may wait before a 503; each takes about 50 ms."
    )


class CacheSettings(Concern):
    """In-process caches; the database stays the truth."""

    part = "CACHE_"

    config_ttl_seconds: float = Field(
        60, gt=0, description="Seconds that a profile's viewing-time configuration is remembered."
    )
    config_entries: int = Field(
        10_000,
        ge=1,
        description="Profiles whose configuration is remembered; the least recent goes.",
    )


class HeartbeatSettings(Concern):
    """How heartbeats are gathered into batches when many come at once."""

    part = "HEARTBEAT_"

    batching: bool = Field(
        True,
        description="Settles heartbeats that arrive while others are being settled together; "
        "without it each has a transaction of its own.",
    )
    batch_size: int = Field(
        1000, ge=1, le=1000, description="Heartbeats that one batch settles at most."
    )
    batches_in_flight: int = Field(
        2,
        ge=1,
        le=16,
        description="Batches that are settled at once, each on a connection of the pool; two, so "
        "that the database works while the service prepares the next.",
    )
    queue: int = Field(
        5000,
        ge=1,
        le=1_000_000,
        description="Heartbeats that may wait for a batch before a 503, which tells their players "
        "to come back after 5 to 35 seconds.",
    )


class JobsSettings(Concern):
    """Durable jobs: what is done apart from requests."""

    part = "JOBS_"

    run: bool = Field(
        True,
        description="Runs jobs inside the service; without it at least one `watchkeeper worker` "
        "must run beside it.",
    )
    concurrency: int = Field(
        2,
        ge=2,
        le=64,
        description="Jobs that one process runs at once, each on a connection of the pool; two, "
        "so that a long one holds nobody up.",
    )
    lost_after_seconds: float = Field(
        30,
        ge=1,
        le=3600,
        description="Seconds without a sign of life after which the job of a process that died "
        "is run by another.",
    )


class EventSettings(Concern):
    """Streams of events to players and browsers."""

    part = "EVENTS_"

    most_streams: int = Field(
        5000,
        ge=1,
        le=100_000,
        description="Streams that one process keeps open; more are answered 503. Each takes one "
        "open file and some 36 KiB of memory.",
    )
    keep_alive_seconds: float = Field(
        15,
        gt=0,
        le=20,
        description="Seconds without an event after which a comment is sent, so that proxies and "
        "players see that the stream lives; players wait for 45 s.",
    )


class PrivacySettings(Concern):
    """How long what is known about families is kept."""

    part = "PRIVACY_"

    detail_days: int = Field(
        90,
        ge=7,
        le=3650,
        description="Days that sessions, grants and decisions are kept; a week at least, so that "
        "the weekly report is whole.",
    )
    daily_totals_days: int = Field(
        365,
        ge=7,
        le=3650,
        description="Days that the daily totals of a profile are kept, at least as long as detail.",
    )
    audit_days: int = Field(
        365, ge=30, le=3650, description="Days that lines of the audit trail are kept."
    )

    @field_validator("daily_totals_days")
    @classmethod
    def _check_totals(cls, days: int, info: ValidationInfo) -> int:
        if days < info.data.get("detail_days", days):
            raise ValueError("must be at least the days that detail is kept")
        return days


class LoggingSettings(Concern):
    """Structured logs on standard error."""

    part = "LOG_"

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe level that is written."
    )
    format: Literal["auto", "json", "text"] = Field(
        "auto", description="`auto` writes text to a terminal and JSON elsewhere."
    )
