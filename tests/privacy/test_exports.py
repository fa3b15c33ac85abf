"""Exports: complete, without secrets, safe to open, and bounded however much there is."""

import csv
import io
import json
import zipfile
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.accounts.steps import problem, query
from tests.harness.budgets import query_budget
from tests.harness.family import Family
from tests.harness.service import Service
from tests.privacy.lived_in import LivedIn
from watchkeeper.core.personal_data import exported
from watchkeeper.core.problems import Overloaded
from watchkeeper.privacy.problems import ExportRunning
from watchkeeper.privacy.router import ExportResponse
from watchkeeper.privacy.service import AT_ONCE, Exports
from watchkeeper.privacy.tables import TABLES
from watchkeeper.privacy.types import ExportFormat, ExportSubject

HOUSEHOLD = "/households/export"


async def as_tables(family: Family, path: str) -> dict[str, list[dict[str, str]]]:
    """The CSV files of an export, by table."""
    response = await family.send("GET", path, params={"format": "csv"})
    assert response.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    assert archive.testzip() is None
    return {
        name.removesuffix(".csv"): list(
            csv.DictReader(io.StringIO(archive.read(name).decode(), newline=""))
        )
        for name in archive.namelist()
    }


async def whole(exports: Exports, subject: ExportSubject, service: Service) -> list[bytes]:
    """The pieces of a JSON export."""
    export = await exports.open("test", subject, ExportFormat.JSON, service.clock.now())
    try:
        return [piece async for piece in export]
    finally:
        export.close()


async def test_a_household_is_exported_whole(service: Service) -> None:
    others, home = await LivedIn.settle(service), await LivedIn.settle(service)
    response = await home.family.send("GET", HOUSEHOLD)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-disposition"] == (
        'attachment; filename="watchkeeper-household-2026-03-10.json"'
    )
    document = response.json()
    tables = document.pop("tables")
    assert document == {
        "format": "watchkeeper-export",
        "version": 1,
        "kind": "household",
        "id": home.family.household_id,
        "exported_at": service.clock.now().isoformat(timespec="milliseconds")[:-6] + "Z",
    }
    assert list(tables) == [table.name for table in TABLES]
    for table in TABLES:
        if table.is_view or table.name == "accounts.refresh_tokens":
            continue
        stored = await query(
            service,
            f"SELECT count(*) AS n FROM {table.name} WHERE household_id = CAST(:id AS uuid)",
            id=home.family.household_id,
        )
        assert len(tables[table.name]) == stored[0].n > 0, table.name
        for row in tables[table.name]:
            assert list(row) == table.columns.split()
    text = response.text.lower()
    mine = home.needles | home.noa.needles | home.leo.needles
    assert {needle for needle in mine if needle.lower() not in text} == set()
    theirs = others.needles | others.noa.needles | others.leo.needles
    assert {needle for needle in theirs if needle.lower() in text} == set()


async def test_no_secret_is_in_an_export(service: Service) -> None:
    home = await LivedIn.settle(service)
    text = (await home.family.send("GET", HOUSEHOLD)).text.lower()
    secrets = await query(
        service,
        """
        SELECT password_hash AS secret FROM accounts.users
        UNION ALL SELECT pin_hash FROM accounts.pins
        UNION ALL SELECT encode(token_hash, 'hex') FROM accounts.refresh_tokens
        UNION ALL SELECT encode(code_hash, 'hex') FROM accounts.pairing_codes
        UNION ALL SELECT encode(code_hash, 'hex') FROM accounts.invitations
        """,
    )
    assert len(secrets) > 8
    assert not [row for row in secrets if row.secret.lower() in text]


async def test_one_childs_export_says_nothing_of_the_other(service: Service) -> None:
    home = await LivedIn.settle(service)
    response = await home.family.send("GET", f"/profiles/{home.noa.id}/export")
    document = response.json()
    assert (document["kind"], document["id"]) == ("profile", home.noa.id)
    assert list(document["tables"]) == [table.name for table in exported(TABLES, UUID(home.noa.id))]
    text = response.text.lower()
    # A screen that was never paired is the household's; sessions name it by its own word.
    unpaired = await query(service, "SELECT id FROM accounts.devices WHERE last_profile_id IS NULL")
    wanted = home.noa.needles - {str(row.id) for row in unpaired}
    assert {one for one in wanted if one.lower() not in text} == set()
    assert {one for one in home.leo.needles if one.lower() in text} == set()
    assert {row["name"] for row in document["tables"]["viewing.watched_titles"]} >= {
        next(one for one in home.noa.needles if one.startswith("film-"))
    }


async def test_as_csv_it_is_the_same(service: Service) -> None:
    home = await LivedIn.settle(service)
    for path in (HOUSEHOLD, f"/profiles/{home.noa.id}/export"):
        before = (await home.family.send("GET", path)).json()["tables"]
        tables = await as_tables(home.family, path)
        assert list(tables) == list(before)
        for name, rows in before.items():
            if name == "accounts.audit":  # the first export is in the second one's
                continue
            assert len(tables[name]) == len(rows), name
        sessions = tables["viewing.sessions"]
        assert {row["id"] for row in sessions} == {row["id"] for row in before["viewing.sessions"]}
        assert sessions[0]["counted_ms"] == str(before["viewing.sessions"][0]["counted_ms"])


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "|cmd", "%0A"])
async def test_no_cell_is_a_formula(service: Service, text: str) -> None:
    family = await Family.register(service)
    child = await family.add_profile("Noa")
    await family.grant(child, -15, reason=text)
    (grant,) = (await as_tables(family, HOUSEHOLD))["viewing.grants"]
    assert grant["reason"] == f"'{text.strip()}"
    # A number is none, and stays one.
    assert grant["minutes"] == "-15"
    assert (await family.call("GET", HOUSEHOLD))["tables"]["viewing.grants"][0]["reason"] == (
        text.strip()
    )


async def test_every_row_is_there_whatever_the_size_of_a_page(service: Service) -> None:
    home = await LivedIn.settle(service)
    subject = ExportSubject(UUID(home.family.household_id))
    documents = []
    for rows in (1, 2, 500):
        pieces = await whole(Exports(service.floor, page_rows=rows), subject, service)
        document = json.loads(b"".join(pieces))["tables"]
        del document["accounts.audit"]
        documents.append(document)
    assert documents[0] == documents[1] == documents[2]


async def _watch_a_lot(service: Service, family: Family, child: str, sessions: int) -> None:
    await query(
        service,
        """
        INSERT INTO viewing.decisions
        SELECT CAST(:household AS uuid), CAST(:profile AS uuid), n, CAST(:at AS timestamptz),
               gen_random_uuid(), 'tv', 'allowed', NULL, n
        FROM generate_series(1, :sessions) AS n
        """,
        household=family.household_id,
        profile=child,
        at=service.clock.now(),
        sessions=sessions,
    )


async def test_it_is_read_and_written_piece_by_piece(service: Service) -> None:
    family = await Family.register(service)
    child = await family.add_profile("Noa")
    await _watch_a_lot(service, family, child, 20_000)
    exports = Exports(service.floor)
    subject = ExportSubject(UUID(family.household_id), UUID(child))
    pieces = await whole(exports, subject, service)
    assert max(len(piece) for piece in pieces) < 200_000 < sum(len(piece) for piece in pieces)
    assert len(json.loads(b"".join(pieces))["tables"]["viewing.decisions"]) == 20_000

    export = await exports.open("test", subject, ExportFormat.CSV, service.clock.now())
    pool: Any = service.database.engine.pool
    with query_budget(at_most=12) as cost:
        number = 0
        async for _ in export:
            # Whoever reads slowly holds no connection meanwhile.
            assert pool.checkedout() == 0
            number += 1
            if number == 12:
                break
    assert cost.operations > 1
    export.close()


async def test_one_export_of_a_household_at_a_time(service: Service) -> None:
    family, other = await Family.register(service), await Family.register(service)
    exports: Exports = service.app.state.exports
    subject = ExportSubject(UUID(family.household_id))
    running = await exports.open("test", subject, ExportFormat.JSON, service.clock.now())
    refused = await family.send("GET", HOUSEHOLD)
    assert problem(refused) == (429, "privacy/export-running")
    assert refused.headers["retry-after"] == "10"
    assert (await other.send("GET", HOUSEHOLD)).status_code == 200
    running.close()
    assert (await family.send("GET", HOUSEHOLD)).status_code == 200


async def test_only_so_many_exports_at_once(service: Service) -> None:
    exports: Exports = service.app.state.exports
    now = service.clock.now()
    families = [await Family.register(service, with_pin=False) for _ in range(AT_ONCE + 1)]
    subjects = [ExportSubject(UUID(family.household_id)) for family in families]
    running = [await exports.open("x", one, ExportFormat.JSON, now) for one in subjects[:AT_ONCE]]
    with pytest.raises(Overloaded):
        await exports.open("x", subjects[-1], ExportFormat.JSON, now)
    with pytest.raises(ExportRunning):
        await exports.open("x", subjects[0], ExportFormat.JSON, now)
    for one in running:
        one.close()
    (await exports.open("x", subjects[-1], ExportFormat.JSON, now)).close()


async def test_a_caller_who_goes_away_gives_the_place_back(service: Service) -> None:
    family = await Family.register(service)
    exports: Exports = service.app.state.exports
    subject = ExportSubject(UUID(family.household_id))
    export = await exports.open("test", subject, ExportFormat.CSV, service.clock.now())

    async def send(_message: Any) -> None:
        raise OSError("gone")

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    with pytest.raises(Exception):  # noqa: B017, PT011 - however the framework wraps it
        await ExportResponse(export)(
            {"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send
        )
    assert (await family.send("GET", HOUSEHOLD)).status_code == 200


async def test_what_isnt_there_takes_no_place(service: Service) -> None:
    family, other = await Family.register(service), await Family.register(service)
    child = await other.add_profile("Mia")
    for profile_id in (child, str(uuid4())):
        refused = await family.send("GET", f"/profiles/{profile_id}/export")
        assert problem(refused) == (404, "core/not-found")
    assert (await family.send("GET", HOUSEHOLD)).status_code == 200


async def test_an_export_leaves_a_line(service: Service) -> None:
    family = await Family.register(service)
    child = await family.add_profile("Noa")
    await family.send("GET", f"/profiles/{child}/export", params={"format": "csv"})
    await family.send("GET", HOUSEHOLD)
    newest = (await family.call("GET", "/households/audit"))["entries"][:2]
    assert [(one["action"], one["after"]) for one in newest] == [
        ("household.exported", {"format": "json"}),
        ("profile.exported", {"format": "csv"}),
    ]
    assert newest[1]["subject"]["name"] == "Noa"
