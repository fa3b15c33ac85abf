"""The weekly report over HTTP: complete weeks, honest averages, a flat cost."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.harness.budgets import query_budget
from tests.harness.cluster import Cluster
from tests.harness.family import Family
from tests.harness.service import Service, running_service
from tests.viewing.rows import (
    EXEMPT,
    MADRID,
    Home,
    Piece,
    Watched,
    add_titles,
    at,
    day_states,
    draw_days,
    write_viewing,
)
from watchkeeper.viewing.history_schemas import (
    ChildReportAnswer,
    DailyTotalAnswer,
    WeeklyReportResponse,
    report_as_csv,
)
from watchkeeper.viewing.repository import ProfileKey

REPORT = "/parental-controls/weekly-report"
NO_WEEKS = (
    *("", "2026-47", "2026-W00", "2026-W54", "2025-W53", "0000-W01", "9999-W52", "2026-W5"),
    *("2026-w05", "W47", "٢٠٢٦-W٠٥", "2026-W47 ", "x" * 1000),
)


@pytest.fixture(scope="module")
async def shared(cluster: Cluster) -> AsyncIterator[Service]:
    async with cluster.database() as url, running_service(url) as service:
        yield service


@pytest.fixture
async def home(shared: Service) -> Home:
    return await Home.settle(shared)


async def report_of(home: Home, **wanted: str) -> Any:
    return await home.family.call("GET", REPORT, params=wanted)


class TestWhatItShows:
    async def test_the_last_seven_dates_with_nothing_watched(self, home: Home) -> None:
        report = await report_of(home)
        assert (report["period_start"], report["period_end"]) == ("2026-03-04", "2026-03-10")
        (child,) = report["profiles"]
        assert (child["profile_id"], child["profile_name"]) == (str(home.key.profile_id), "Noa")
        assert [total["date"] for total in child["daily_totals"]] == [
            f"2026-03-{day:02}" for day in range(4, 11)
        ]
        assert [total["limit_minutes"] for total in child["daily_totals"]] == [
            120, 120, 120, 180, 180, 120, 120,
        ]  # fmt: skip
        assert child["average_daily_minutes"] == 0
        assert child["average_limit_usage_percent"] == 0
        assert child["most_watched"] == []

    async def test_an_iso_week(self, home: Home) -> None:
        report = await report_of(home, week="2026-W01")
        assert (report["period_start"], report["period_end"]) == ("2025-12-29", "2026-01-04")

    async def test_sums_averages_and_titles(self, home: Home) -> None:
        film, lesson = uuid4(), uuid4()
        await add_titles(home.database, {film: ("A film", None), lesson: ("A lesson", None)})
        monday = at("2026-03-09 17:00")
        await home.write(
            [
                Watched(monday, (Piece(film, 3600), Piece(lesson, 5400, EXEMPT))),
                Watched(at("2026-03-08 17:00"), (Piece(film, 60),)),
                Watched(at("2026-03-03 17:00"), (Piece(film, 90_000),)),  # ends on the 4th
                Watched(at("2026-03-10 14:00"), (Piece(film, 300),), is_open=True),
            ],
        )
        (child,) = (await report_of(home))["profiles"]
        minutes = {
            total["date"][-2:]: (total["counted_minutes"], total["educational_minutes"])
            for total in child["daily_totals"]
        }
        # The long session passed the reset at 05:00 UTC and ran on until 18:00.
        assert minutes["04"] == (13 * 60, 0)
        assert minutes["08"] == (1, 0)
        assert minutes["09"] == (60, 90)
        assert minutes["10"] == (5, 0)
        counted = 13 * 60 + 1 + 60 + 5
        assert child["average_daily_minutes"] == pytest.approx(counted / 7, abs=1e-4)
        percents = [100 * used / 120 for used in (780, 1, 60, 5)]
        assert child["average_limit_usage_percent"] == pytest.approx(sum(percents) / 7, abs=0.01)
        assert child["most_watched"] == [
            {"title": "A film", "total_minutes": counted},
            {"title": "A lesson", "total_minutes": 90},
        ]

    async def test_only_the_five_most_watched_and_all_unknown_ones_as_one(self, home: Home) -> None:
        titles = [uuid4() for _ in range(6)]
        await add_titles(home.database, {one: (f"Film {n}", None) for n, one in enumerate(titles)})
        known = tuple(Piece(one, 60 * (n + 1)) for n, one in enumerate(titles))
        unknown = (Piece(uuid4(), 90), Piece(uuid4(), 120), Piece(None, 30))
        await home.write([Watched(at("2026-03-09 17:00"), (*known, *unknown))])
        (child,) = (await report_of(home))["profiles"]
        ranked = [(one["title"], one["total_minutes"]) for one in child["most_watched"]]
        assert ranked == [
            ("Film 5", 6),
            ("Film 4", 5),
            ("Film 3", 4),
            ("Unknown title", 4),
            ("Film 2", 3),
        ]

    async def test_unlimited_days_are_left_out_of_the_percentage(self, home: Home) -> None:
        child_id = str(home.key.profile_id)
        await home.family.settings(child_id, weekday_limit_minutes=None, weekend_limit_minutes=60)
        await home.write([])
        (child,) = (await report_of(home))["profiles"]
        assert [total["limit_minutes"] for total in child["daily_totals"]] == [
            None, None, None, 60, 60, None, None,
        ]  # fmt: skip
        assert child["average_limit_usage_percent"] == 0
        await home.family.settings(child_id, weekend_limit_minutes=None)
        (child,) = (await report_of(home))["profiles"]
        assert child["average_limit_usage_percent"] is None

    async def test_a_day_that_was_lifted_is_left_out_of_the_percentage(self, home: Home) -> None:
        child_id = str(home.key.profile_id)
        await home.family.player(child_id).play(600)
        (before,) = (await report_of(home))["profiles"]
        assert before["average_limit_usage_percent"] == pytest.approx(100 * 10 / 120 / 7, abs=0.01)
        await home.family.grant(child_id, None)
        (after,) = (await report_of(home))["profiles"]
        assert after["average_limit_usage_percent"] == 0

    async def test_adults_and_other_households_are_not_in_it(self, home: Home) -> None:
        await home.family.add_profile("Carmen", is_child=False)
        await home.family.add_profile("Leo")
        other = await Home.settle(home.family.service)
        await other.write([Watched(at("2026-03-09 17:00"), (Piece(None, 60),))])
        report = await report_of(home)
        assert [child["profile_name"] for child in report["profiles"]] == ["Leo", "Noa"]
        assert all(child["average_daily_minutes"] == 0 for child in report["profiles"])

    async def test_a_household_without_children_has_an_empty_report(self, service: Service) -> None:
        family = await Family.register(service)
        report = await family.call("GET", REPORT)
        assert report == {
            "period_start": "2026-03-04",
            "period_end": "2026-03-10",
            "profiles": [],
        }

    async def test_a_week_that_is_none_is_refused(self, home: Home) -> None:
        for path, week in product((REPORT, f"{REPORT}.csv"), NO_WEEKS):
            response = await home.family.send("GET", path, params={"week": week})
            assert response.status_code == 422, (path, week)
            assert response.json()["errors"][0]["field"] == "week", week


class TestCsv:
    async def test_the_daily_totals_one_line_a_child_and_date(self, home: Home) -> None:
        await home.family.settings(str(home.key.profile_id), weekend_limit_minutes=None)
        await home.write([Watched(at("2026-03-09 17:00"), (Piece(None, 90),))])
        await home.family.add_profile("Åsa, “the” second")
        response = await home.family.send("GET", f"{REPORT}.csv")
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/csv; charset=utf-8"
        assert "viewing-time-2026-03-04-2026-03-10.csv" in response.headers["content-disposition"]
        lines = list(csv.DictReader(io.StringIO(response.content.decode("utf-8"))))
        assert len(lines) == 14
        assert [line for line in lines if line["profile_name"] == "Noa"][5] == {
            "profile_id": str(home.key.profile_id),
            "profile_name": "Noa",
            "date": "2026-03-09",
            "counted_minutes": "1.5",
            "educational_minutes": "0.0",
            "limit_minutes": "120",
        }
        assert lines[-1]["profile_name"] == "Åsa, “the” second"
        assert {line["limit_minutes"] for line in lines if line["profile_name"] == "Noa"} == {
            "120", "",
        }  # fmt: skip

    @pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@sum", " =1", "\t=1", "|calc", "%x"])
    def test_a_name_is_never_a_formula(self, name: str) -> None:
        total = DailyTotalAnswer(
            date=at("2026-03-09 00:00").date(),
            counted_minutes=1,
            educational_minutes=0,
            forgiven_minutes=0,
            limit_minutes=None,
        )
        child = ChildReportAnswer(
            profile_id=uuid4(),
            profile_name=name,
            daily_totals=[total],
            average_daily_minutes=0,
            average_limit_usage_percent=None,
            most_watched=[],
        )
        report = WeeklyReportResponse(
            period_start=total.date, period_end=total.date, profiles=[child]
        )
        (line,) = csv.DictReader(io.StringIO(report_as_csv(report)))
        assert line["profile_name"] == f"'{name}"


class TestCost:
    async def test_ten_children_cost_as_many_statements_as_one(self, home: Home) -> None:
        film = uuid4()
        service = home.family.service
        now = service.clock.now()
        spent: list[int] = []
        family = await Family.register(service)
        days = draw_days(MADRID, now - timedelta(days=30), now)
        for number in range(10):
            profile_id = await family.add_profile(f"Child {number}")
            sessions = [
                Watched(day.starts_at + timedelta(hours=hour), (Piece(film, 600),))
                for day in days[:-1]
                for hour in range(5, 10)
            ]
            key = ProfileKey(UUID(family.household_id), UUID(profile_id))
            await write_viewing(service.database, key, day_states(days, sessions), sessions)
            if number in {0, 9}:
                with query_budget(at_most=4) as count:
                    report = await family.call("GET", REPORT)
                spent.append(count.operations)
                assert len(report["profiles"]) == number + 1
        assert spent[0] == spent[1]
        averages = {round(child["average_daily_minutes"], 3) for child in report["profiles"]}
        assert averages == {round(6 * 50 / 7, 3)}
