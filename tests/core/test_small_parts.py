"""Identifiers, cursors, wire shapes, named queries, secrets, summaries: the small parts."""

import base64
import json
import os
import stat
import uuid
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from watchkeeper.core.ids import new_id
from watchkeeper.core.metrics import DurationSummary, Metrics
from watchkeeper.core.pagination import read_cursor, write_cursor
from watchkeeper.core.problems import InvalidRequest
from watchkeeper.core.queries import Queries
from watchkeeper.core.schemas import Answer, Instant, PlainText, Request, minutes_of
from watchkeeper.core.secrets import Secrets, SecretsError, load_or_create_secrets

KEY = b"k" * 32


def test_ids_are_of_version_7_and_sort_by_time() -> None:
    first, second = new_id(), new_id()
    assert (first.version, first.variant) == (7, uuid.RFC_4122)
    assert first.int >> 80 <= second.int >> 80
    assert len({new_id() for _ in range(1000)}) == 1000


@given(st.lists(st.text() | st.integers() | st.none(), max_size=5))
def test_a_cursor_comes_back_as_it_was(position: list[object]) -> None:
    assert read_cursor(KEY, write_cursor(KEY, position)) == position


@given(st.text(max_size=200) | st.binary(max_size=60).map(lambda raw: raw.hex()))
def test_a_cursor_that_we_did_not_write_is_a_fault_of_its_field(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_cursor(KEY, text)
    assert caught.value.members["errors"][0]["field"] == "cursor"


def test_a_cursor_of_another_key_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        read_cursor(b"x" * 32, write_cursor(KEY, ["a"]))


class Shape(Request):
    name: PlainText
    count: int = 0


def test_requests_are_strict_and_plain() -> None:
    assert Shape(name=" Noa ").name == "Noa"
    for faulty in (
        {"name": "a\0b"},
        {"name": "a\nb"},
        {"name": "a\x85b"},
        {"name": "a", "count": "1"},
        {"name": "a", "more": 1},
    ):
        with pytest.raises(ValidationError):
            Shape.model_validate(faulty)


def test_instants_are_written_in_utc_with_milliseconds() -> None:
    class Said(Answer):
        at: Instant

    at = datetime(2026, 3, 10, 15, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=1)))
    assert Said(at=at).model_dump(mode="json") == {"at": "2026-03-10T14:00:00.123Z"}
    assert Said(at=at.astimezone(UTC)).model_dump() == {"at": at}
    assert issubclass(Said, BaseModel)


@pytest.mark.parametrize(("ms", "minutes"), [(0, 0.0), (90_000, 1.5), (1, 0.00002), (-60_000, -1)])
def test_minutes_on_the_wire(ms: int, minutes: float) -> None:
    assert minutes_of(ms) == minutes


def test_named_queries_are_sent_with_their_name_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "some_queries"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "queries.sql").write_text(
        "-- A file.\n-- name: one\n-- Says one. Parameters: :none.\nSELECT 1 -- kept\n\n"
        "-- name: two\nSELECT :x\n"
    )
    (package / "twice.sql").write_text("-- name: one\nSELECT 1\n-- name: one\nSELECT 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    queries = Queries("some_queries")
    assert set(queries.sources) == {"one", "two"}
    assert queries["one"].text == "/* one */ SELECT 1 -- kept"
    assert queries.sources["one"].startswith("-- Says one.")
    with pytest.raises(ValueError, match="twice"):
        Queries("some_queries", "twice.sql")


def test_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "keys.json"
    made = load_or_create_secrets(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["keys.json"]
    assert load_or_create_secrets(path) == made
    kid, key = made.signing_key
    assert made.verifying_key(kid) == key
    assert len(key) == len(made.pin_pepper) == 32
    assert repr(made) == f"Secrets(current_kid={kid!r})"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        json.dumps({"current": "a", "signing_keys": {"a": "AAAA"}, "pin_pepper": "AAAA"}),
        json.dumps(
            {
                "current": "b",
                "signing_keys": {"a": base64.b64encode(KEY).decode()},
                "pin_pepper": base64.b64encode(KEY).decode(),
            }
        ),
    ],
)
def test_damaged_secrets_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(SecretsError, match="keys"):
        load_or_create_secrets(path)


def test_secrets_that_others_can_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    load_or_create_secrets(path)
    path.chmod(0o640)
    with pytest.raises(SecretsError, match="chmod 600"):
        load_or_create_secrets(path)


def test_of_two_processes_that_make_secrets_one_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.json"
    winner: list[Secrets] = []
    real_fsync = os.fsync

    def other_process_first(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", real_fsync)
        winner.append(load_or_create_secrets(path))
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", other_process_first)
    assert load_or_create_secrets(path) == winner[0]


def test_a_summary_of_durations() -> None:
    summary = DurationSummary()
    assert (summary.average_ms, summary.max_ms, summary.p95_ms) == (0, 0, 0)
    for number in range(1, 101):
        summary.observe(number / 1000)
    assert (summary.total, summary.average_ms, summary.max_ms) == (100, 50.5, 100)
    assert summary.p95_ms == 95


def test_two_services_in_one_process_have_metrics_of_their_own() -> None:
    one, other = Metrics(), Metrics()
    one.database_operations.inc(3)
    assert b"watchkeeper_database_operations_total 3.0" in one.prometheus()
    assert b"watchkeeper_database_operations_total 0.0" in other.prometheus()
