"""Logs: one event a line, and no secret in any."""

import json
import subprocess
import sys
from uuid import UUID

import pytest

from watchkeeper.core.logging import hide_secrets, pseudonym

SCRIPT = """
import logging, sys, structlog
from watchkeeper.core.config import LoggingSettings
from watchkeeper.core.logging import configure_logging
configure_logging(LoggingSettings(level="info", format=sys.argv[1]))
structlog.contextvars.bind_contextvars(request_id="abc12345")
log = structlog.get_logger("watchkeeper.test")
log.debug("unwanted")
log.info("request", path="/a\\nforged line", access_token="hunter2", status=200)
logging.getLogger("other.library").warning("plain %s", "record", extra={"password": "hunter2"})
logging.getLogger("uvicorn.access").info("unwanted")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
"""


def written(kind: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, kind],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == ""
    return result.stderr


def test_json_is_one_document_a_line() -> None:
    lines = [json.loads(line) for line in written("json").splitlines()]
    assert [line["event"] for line in lines] == ["request", "plain record", "failed"]
    assert all(line["request_id"] == "abc12345" for line in lines)
    assert all({"timestamp", "level", "logger"} <= set(line) for line in lines)
    assert lines[0]["path"] == "/a\nforged line"
    assert lines[0]["access_token"] == "[hidden]"
    assert "ZeroDivisionError" in lines[2]["exception"]


def test_text_is_readable_and_cannot_be_forged() -> None:
    text = written("text")
    assert "request" in text
    assert "\nforged" not in text
    assert "ZeroDivisionError: division by zero" in text
    assert "\x1b" not in text, "colours are for terminals"


@pytest.mark.parametrize("kind", ["json", "text"])
def test_secrets_and_unwanted_lines_are_not_written(kind: str) -> None:
    text = written(kind)
    assert "hunter2" not in text
    assert "unwanted" not in text


def test_what_a_key_calls_secret_is_hidden_at_any_depth() -> None:
    event = {
        "pin": "1234",
        "new_password": "x",
        "Set-Cookie": "x",
        "code": "ABC123",
        "body": {"refresh_token": "x", "name": "kept"},
        "status_code": 200,
        "spinning": "kept",
    }
    assert hide_secrets(None, "info", event) == {
        "pin": "[hidden]",
        "new_password": "[hidden]",
        "Set-Cookie": "[hidden]",
        "code": "[hidden]",
        "body": {"refresh_token": "[hidden]", "name": "kept"},
        "status_code": 200,
        "spinning": "kept",
    }


def test_households_go_by_a_pseudonym() -> None:
    household = UUID(int=7)
    shown = hide_secrets(None, "info", {"household_id": household, "user_id": None})
    assert shown == {"household_id": pseudonym(household), "user_id": None}
    assert pseudonym(household) == pseudonym(str(household))
    assert pseudonym(household) != pseudonym(UUID(int=8))
    assert len(pseudonym(household)) == 12
