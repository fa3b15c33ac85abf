"""Settings: what is read, and that every fault is one line that names its variable."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from watchkeeper.core.config import DatabaseSettings, ServerSettings
from watchkeeper.settings import CONCERNS, Settings, SettingsError, known_variables, load_settings


def faults_of(environment: dict[str, str], **overrides: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environment, **overrides)
    assert str(caught.value).splitlines() == caught.value.faults
    return caught.value.faults


def test_without_variables_everything_has_its_default() -> None:
    assert load_settings({"PATH": "/bin"}) == Settings()
    database = Settings().database
    assert (database.pool_size, database.max_overflow) == (10, 20)
    assert (database.pool_timeout_seconds, database.pool_recycle_seconds) == (30, 1800)
    assert (database.statement_cache_size, database.pre_ping) == (100, True)


def test_only_the_given_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHKEEPER_PORT", "9999")
    assert load_settings({}).server.port == 8000
    assert ServerSettings().port == 8000


def test_variables_are_converted() -> None:
    settings = load_settings(
        {
            "WATCHKEEPER_PORT": "9000",
            "WATCHKEEPER_DEBUG": "true",
            "WATCHKEEPER_DATA_DIR": "/var/lib/watch keeper",
            "WATCHKEEPER_DATABASE_POOL_TIMEOUT_SECONDS": "2.5",
            "WATCHKEEPER_LOG_FORMAT": "json",
            "WATCHKEEPER_ALLOWED_HOSTS": " tv.example.com, *.home.arpa ,",
            "WATCHKEEPER_HOST": "",
        }
    )
    assert settings.server.port == 9000
    assert settings.server.debug is True
    assert settings.server.data_dir == Path("/var/lib/watch keeper")
    assert settings.server.allowed_hosts == ("tv.example.com", "*.home.arpa")
    assert settings.server.host == "127.0.0.1"
    assert settings.database.pool_timeout_seconds == 2.5
    assert settings.logging.format == "json"


def test_the_command_line_wins() -> None:
    settings = load_settings({"WATCHKEEPER_PORT": "9000"}, port=9001, host=None)
    assert (settings.server.port, settings.server.host) == (9001, "127.0.0.1")
    assert faults_of({}, port=70_000, data_dir=Path("/x")) == [
        "--port: Input should be less than or equal to 65535 (it is 70000)"
    ]


def test_every_fault_is_one_line_with_its_variable() -> None:
    faults = faults_of(
        {
            "WATCHKEEPER_PORT": "many",
            "WATCHKEEPER_CORS_ORIGINS": "https://ok.example.com, example.com",
            "WATCHKEEPER_DATABASE_POOL_SIZE": "0",
            "WATCHKEEPER_LOG_LEVEL": "loud",
            "WATCHKEEPER_POOL_SIZE": "3",
            "watchkeeper_port": "1",
        }
    )
    assert [fault.split(":")[0] for fault in faults] == [
        "WATCHKEEPER_PORT",
        "WATCHKEEPER_CORS_ORIGINS",
        "WATCHKEEPER_DATABASE_POOL_SIZE",
        "WATCHKEEPER_LOG_LEVEL",
        "WATCHKEEPER_POOL_SIZE",
        "watchkeeper_port",
    ]
    assert "'example.com' isn't an origin such as https://tv.example.com" in faults[1]
    assert faults[-2] == "WATCHKEEPER_POOL_SIZE: there is no such setting"


@pytest.mark.parametrize("name", sorted(known_variables()))
def test_no_setting_takes_anything(name: str) -> None:
    """Every setting that isn't free text refuses nonsense with a line about itself."""
    free = {"HOST", "DATA_DIR", "SECURITY_SECRETS_FILE", "ALLOWED_HOSTS", "TRUSTED_PROXIES"}
    if name.removeprefix("WATCHKEEPER_") in free:
        assert load_settings({name: "text"})
        return
    (fault,) = faults_of({name: "no-thing"})
    assert fault.startswith(f"{name}: ")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:hunter2@host/name",
        "postgresql://user:hunter2@host",
        "hunter2",
        "postgresql://user:hunter2@host/name?sslmode=sometimes",
        "postgresql://user:hunter2@host/name?passfile=x",
    ],
)
def test_secrets_are_never_printed(url: str) -> None:
    (fault,) = faults_of({"WATCHKEEPER_DATABASE_URL": url})
    assert fault.startswith("WATCHKEEPER_DATABASE_URL: ")
    assert "hunter2" not in fault
    good = load_settings({"WATCHKEEPER_DATABASE_URL": "postgresql://u:hunter2@h/n"})
    assert "hunter2" not in f"{good!r} {good.database}"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"RUN_MIGRATIONS": "true"}, True),
        ({"WATCHKEEPER_RUN_MIGRATIONS": "1"}, True),
        ({"RUN_MIGRATIONS": "true", "WATCHKEEPER_RUN_MIGRATIONS": "false"}, False),
        ({"RUN_MIGRATIONS": "", "WATCHKEEPER_RUN_MIGRATIONS": ""}, False),
    ],
)
def test_migrations_run_only_when_asked_for(environment: dict[str, str], expected: bool) -> None:
    assert load_settings(environment).server.run_migrations is expected


def test_a_wrong_flag_is_named_as_it_was_given() -> None:
    (fault,) = faults_of({"RUN_MIGRATIONS": "perhaps"})
    assert fault.startswith("RUN_MIGRATIONS: ")


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("https://TV.example.com:443", ("https://tv.example.com",)),
        ("http://localhost:5173,http://[::1]:80", ("http://localhost:5173", "http://[::1]")),
    ],
)
def test_origins_are_parsed_once_into_what_browsers_send(
    text: str, origins: tuple[str, ...]
) -> None:
    assert load_settings({"WATCHKEEPER_CORS_ORIGINS": text}).server.cors_origins == origins


@pytest.mark.parametrize(
    "text",
    ["*", "https://*.example.com", "https://a/", "https://a/b", "ftp://a", "https://u:p@a",
     "http://a:99999", "null"],
)  # fmt: skip
def test_what_is_no_origin_is_a_fault(text: str) -> None:
    assert faults_of({"WATCHKEEPER_CORS_ORIGINS": text})[0].startswith("WATCHKEEPER_CORS_ORIGINS")


def test_settings_are_frozen_and_know_their_fields() -> None:
    with pytest.raises(ValidationError):
        setattr(DatabaseSettings(), "pool_size", 3)  # noqa: B010 - the type checker knows too
    with pytest.raises(ValidationError):
        DatabaseSettings(pool=3)  # type: ignore[call-arg]


def test_every_setting_says_what_it_is_for() -> None:
    for concern in CONCERNS.values():
        for name, field in concern.model_fields.items():
            assert field.description, concern.variable(name)
            assert field.description.endswith("."), concern.variable(name)
