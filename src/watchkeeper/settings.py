"""All settings of the service, read from the environment and put together here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr, ValidationError

from watchkeeper.core.config import (
    PREFIX,
    CacheSettings,
    Concern,
    DatabaseSettings,
    EventSettings,
    HeartbeatSettings,
    JobsSettings,
    LoggingSettings,
    OffloadSettings,
    PrivacySettings,
    SecuritySettings,
    ServerSettings,
)
from watchkeeper.core.urls import DatabaseUrlError, parse_database_url

# Deployment platforms have a habit of calling it this.
_RUN_MIGRATIONS_ALIAS = "RUN_MIGRATIONS"


class SettingsError(Exception):
    """Settings that can't be used; `faults` holds one line for each."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


@dataclass(frozen=True, slots=True)
class Settings:
    """One frozen object per concern; made without arguments it holds the defaults."""

    server: ServerSettings = field(default_factory=ServerSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    offload: OffloadSettings = field(default_factory=OffloadSettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    heartbeats: HeartbeatSettings = field(default_factory=HeartbeatSettings)
    jobs: JobsSettings = field(default_factory=JobsSettings)
    events: EventSettings = field(default_factory=EventSettings)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)


CONCERNS: dict[str, type[Concern]] = {
    "server": ServerSettings,
    "database": DatabaseSettings,
    "security": SecuritySettings,
    "offload": OffloadSettings,
    "cache": CacheSettings,
    "heartbeats": HeartbeatSettings,
    "jobs": JobsSettings,
    "events": EventSettings,
    "privacy": PrivacySettings,
    "logging": LoggingSettings,
}


def load_settings(environment: Mapping[str, str], **server_overrides: Any) -> Settings:
    """Read every setting; `server_overrides` come from the command line and win.

    An empty variable counts as unset. Raises `SettingsError` with one line per fault, so that
    all can be mended at once; the value of a secret is in none of them.
    """
    faults: list[str] = []
    parts: dict[str, Any] = {}
    overrides = {name: value for name, value in server_overrides.items() if value is not None}
    for name, concern in CONCERNS.items():
        given = _given(concern, environment) | (overrides if concern is ServerSettings else {})
        try:
            parts[name] = concern(**given)
        except ValidationError as error:
            faults += _lines(concern, error, environment, overrides)
    faults += _unknown(environment)
    faults += _database_url_faults(parts.get("database"))
    if faults:
        raise SettingsError(faults)
    return Settings(**parts)


def known_variables() -> set[str]:
    """The environment variables of all settings."""
    return {
        concern.variable(name) for concern in CONCERNS.values() for name in concern.model_fields
    }


def _given(concern: type[Concern], environment: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for name in concern.model_fields:
        text = environment.get(_source(concern, name, environment), "").strip()
        if text:
            values[name] = text
    return values


def _source(concern: type[Concern], name: str, environment: Mapping[str, str]) -> str:
    """The variable that a setting is read from."""
    variable = concern.variable(name)
    if variable == f"{PREFIX}{_RUN_MIGRATIONS_ALIAS}" and not environment.get(variable):
        return _RUN_MIGRATIONS_ALIAS if environment.get(_RUN_MIGRATIONS_ALIAS) else variable
    return variable


def _lines(
    concern: type[Concern],
    error: ValidationError,
    environment: Mapping[str, str],
    overrides: Mapping[str, Any],
) -> list[str]:
    lines = []
    for fault in error.errors():
        name = str(fault["loc"][0])
        is_override = concern is ServerSettings and name in overrides
        where = f"--{name.replace('_', '-')}" if is_override else ""
        message = fault["msg"].removeprefix("Value error, ")
        value = "" if _is_secret(concern, name) else f" (it is {fault['input']!r})"
        lines.append(f"{where or _source(concern, name, environment)}: {message}{value}")
    return lines


def _is_secret(concern: type[Concern], name: str) -> bool:
    return SecretStr.__name__ in str(concern.model_fields[name].annotation)


def _unknown(environment: Mapping[str, str]) -> list[str]:
    known = known_variables()
    return [
        f"{name}: there is no such setting"
        for name in sorted(environment)
        if name.upper().startswith(PREFIX) and name not in known
    ]


def _database_url_faults(database: DatabaseSettings | None) -> list[str]:
    if database is None or database.url is None:
        return []
    try:
        parse_database_url(database.url.get_secret_value())
    except DatabaseUrlError as error:
        return [f"{DatabaseSettings.variable('url')}: {error}"]
    return []
