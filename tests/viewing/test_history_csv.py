"""A history as CSV: every line of every page, at once, and harmless to spreadsheets."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.harness.budgets import query_budget
from tests.harness.cluster import Cluster
from tests.harness.service import Service, running_service
from tests.viewing.rows import EXEMPT, Home, Piece, Watched, add_titles, at
from watchkeeper.core.spreadsheets import csv_lines

NAMES = ["date", "started_at", "title", "duration_minutes", "is_educational", "device_type",
         "device_name"]  # fmt: skip


@pytest.fixture(scope="module")
async def shared(cluster: Cluster) -> AsyncIterator[Service]:
    async with cluster.database() as url, running_service(url) as service:
        yield service


@pytest.fixture
async def home(shared: Service) -> Home:
    return await Home.settle(shared)


async def lines_of(home: Home, **wanted: Any) -> list[dict[str, str]]:
    response = await home.family.send("GET", f"{home.path}.csv", params=wanted)
    assert response.status_code == 200, response.text
    reader = csv.DictReader(io.StringIO(response.content.decode("utf-8"), newline=""))
    assert reader.fieldnames == NAMES
    return list(reader)


async def test_one_line_a_session_and_title(home: Home) -> None:
    film, lesson = uuid4(), uuid4()
    await add_titles(home.database, {film: ('A "film", dubbed', None), lesson: ("Åsa's", None)})
    start = at("2026-03-09 17:00")
    pieces = (Piece(film, 1830), Piece(lesson, 60, EXEMPT))
    await home.write([Watched(start, pieces, device_name="Sofa")])
    response = await home.family.send("GET", f"{home.path}.csv")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert "history-2026-03-04-2026-03-10.csv" in response.headers["content-disposition"]
    lines = await lines_of(home)
    assert lines[::-1] == [
        {
            "date": "2026-03-09",
            "started_at": "2026-03-09T17:00:00.000Z",
            "title": 'A "film", dubbed',
            "duration_minutes": "30.5",
            "is_educational": "false",
            "device_type": "tv",
            "device_name": "Sofa",
        },
        {
            "date": "2026-03-09",
            "started_at": "2026-03-09T17:30:30.000Z",
            "title": "Åsa's",
            "duration_minutes": "1.0",
            "is_educational": "true",
            "device_type": "tv",
            "device_name": "Sofa",
        },
    ]


async def test_without_viewing_there_are_names_only(home: Home) -> None:
    assert await lines_of(home) == []


async def test_all_pages_follow_one_another(home: Home) -> None:
    """Ninety dates are three pages; the lines are those of the pages, in their order."""
    begin = at("2025-12-15 17:00")
    sessions = [
        Watched(begin + timedelta(days=day, minutes=10 * number), (Piece(None, 60),))
        for day in range(80)
        for number in range(2)
    ]
    await home.write(sessions)
    wanted = {"from_date": "2025-12-01", "to_date": "2026-03-10"}
    shown = []
    cursor: dict[str, str] = {}
    while True:
        page = await home.read(**wanted, **cursor)
        shown += [one["started_at"] for day in page["days"] for one in day["sessions"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    # One statement knows the caller; each of the four pages needs two.
    with query_budget(at_most=9):
        lines = await lines_of(home, **wanted)
    assert [line["started_at"] for line in lines] == shown
    assert len(lines) == 160
    assert {line["title"] for line in lines} == {"Unknown title"}


async def test_names_are_never_formulas(home: Home) -> None:
    title = uuid4()
    await add_titles(home.database, {title: ("=HYPERLINK(1)", None)})
    start = at("2026-03-09 17:00")
    await home.write([Watched(start, (Piece(title, 60),), device_name="@sofa")])
    (line,) = await lines_of(home)
    assert (line["title"], line["device_name"]) == ("'=HYPERLINK(1)", "'@sofa")


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "  =1", "\t=1", "\r", "\n1", "＝1", "|a"])
def test_texts_that_begin_formulas_are_marked(text: str) -> None:
    ((cell,),) = csv.reader(io.StringIO(csv_lines([[text]]), newline=""))
    assert cell == f"'{text}"


def test_other_cells_are_left_alone() -> None:
    assert csv_lines([["a=b", -1.5, None, "", 'x"y', "1\n2"]]) == 'a=b,-1.5,,,"x""y","1\n2"\r\n'


async def test_what_is_no_range_is_refused_before_the_first_line(home: Home) -> None:
    for wanted, field in (
        ({"from_date": "2026-03-10", "to_date": "2026-03-09"}, "from_date"),
        ({"from_date": "2025-02-03", "to_date": "2026-03-10"}, "from_date"),
        ({"to_date": "tomorrow"}, "to_date"),
        ({"cursor": "x"}, "cursor"),
    ):
        response = await home.family.send("GET", f"{home.path}.csv", params=wanted)
        assert response.status_code == 422, wanted
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["errors"][0]["field"] == field
