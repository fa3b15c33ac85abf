"""Structured logs: one event a line, JSON for programs and readable text on a terminal."""

import hashlib
import logging
import sys
from typing import Any

import structlog

from watchkeeper.core.config import LoggingSettings

_SECRET_PARTS = {"password", "pin", "token", "secret", "authorization", "cookie", "pepper"}
_SECRET_NAMES = {"code", "pairing_code", "dsn", "database_url"}
_PERSONAL_NAMES = {"household_id", "profile_id", "user_id", "email"}
_QUIETER = ("uvicorn.access", "httpx", "httpcore", "asyncio", "pgqueuer")


def pseudonym(value: object) -> str:
    """A short name for an identifier, the same in every line and no way back to it.

    Identifiers are random, so they can't be guessed and tried; e-mail addresses could be, and
    belong in no log line at all: for them this is the last line of defence.
    """
    return hashlib.blake2s(str(value).encode(), digest_size=6, person=b"wk-log").hexdigest()


def hide_secrets(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    """Blank what a key calls a secret and pseudonymise what it calls personal.

    The last line of defence, not the first.
    """
    return {key: _shown(key, value) for key, value in event.items()}


def _shown(key: str, value: Any) -> Any:
    name = key.lower()
    if name in _SECRET_NAMES or _SECRET_PARTS.intersection(name.replace("-", "_").split("_")):
        return "[hidden]"
    if name in _PERSONAL_NAMES and value is not None:
        return pseudonym(value)
    if isinstance(value, dict):
        return {inner: _shown(str(inner), one) for inner, one in value.items()}
    return value


def _on_one_line(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    """Escape control characters, so that no caller can write lines of our log."""
    return {
        key: value.encode("unicode_escape").decode("ascii")
        if isinstance(value, str) and key != "exception" and not value.isprintable()
        else value
        for key, value in event.items()
    }


def configure_logging(settings: LoggingSettings) -> None:
    """Send structlog's and the standard library's records to standard error in one format."""
    as_text = settings.format == "text" or (settings.format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_text_processors() if as_text else _json_processors()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    for name in _QUIETER:
        logging.getLogger(name).setLevel("WARNING")


def _text_processors() -> list[Any]:
    is_terminal = sys.stderr.isatty()
    return [
        _on_one_line,
        structlog.dev.ConsoleRenderer(
            colors=is_terminal, exception_formatter=structlog.dev.plain_traceback
        ),
    ]


def _json_processors() -> list[Any]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
