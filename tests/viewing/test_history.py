"""History over HTTP: what it shows, page by page, and what it refuses."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.harness.cluster import Cluster
from tests.harness.family import API, Family, bearer
from tests.harness.service import Service, running_service
from tests.harness.sums import assert_sums_agree
from tests.viewing.rows import COUNTED, EXEMPT, Home, Piece, Watched, add_titles, at
from watchkeeper.viewing.rules.instants import to_ms

NO_RANGES: tuple[tuple[dict[str, str], str], ...] = (
    ({"from_date": "2026-03-10", "to_date": "2026-03-09"}, "from_date"),
    ({"from_date": "2026-03-11"}, "from_date"),  # tomorrow, until today
    ({"from_date": "2025-02-03", "to_date": "2026-03-10"}, "from_date"),  # 401 days
    ({"from_date": "10/03/2026"}, "from_date"),
    ({"from_date": "2026-02-30"}, "from_date"),
    ({"from_date": "1767225600"}, "from_date"),
    ({"from_date": "2026-03-09T00:00:00"}, "from_date"),
    ({"to_date": "0001-01-01"}, "to_date"),
    ({"to_date": "9999-12-31"}, "to_date"),
    ({"to_date": "٢٠٢٦-٠٣-١٠"}, "to_date"),
    ({"to_date": ""}, "to_date"),
    ({"since": "2026-03-09"}, "since"),
)


@pytest.fixture(scope="module")
async def shared(cluster: Cluster) -> AsyncIterator[Service]:
    async with cluster.database() as url, running_service(url) as service:
        yield service


@pytest.fixture
async def home(shared: Service) -> Home:
    return await Home.settle(shared)


def day_of(page: Any, date: str) -> Any:
    (day,) = [day for day in page["days"] if day["date"] == date]
    return day


class TestWhatItShows:
    async def test_seven_dates_that_end_today_are_shown_by_default(self, home: Home) -> None:
        page = await home.read()
        assert (page["from_date"], page["to_date"]) == ("2026-03-04", "2026-03-10")
        assert [day["date"] for day in page["days"]] == [
            f"2026-03-{day:02}" for day in range(10, 3, -1)
        ]
        assert page["days"][0] == {
            "date": "2026-03-10",
            "total_counted_minutes": 0,
            "total_educational_minutes": 0,
            "sessions": [],
        }
        assert page["next_cursor"] is None

    async def test_before_the_reset_hour_today_is_still_yesterday(self, home: Home) -> None:
        home.family.service.clock.set(at("2026-03-11 04:59"))  # 05:59 in Madrid
        await home.family.sign_in()
        assert (await home.read())["to_date"] == "2026-03-10"

    async def test_a_range_that_is_open_on_one_side(self, home: Home) -> None:
        assert (await home.read(from_date="2026-03-09"))["to_date"] == "2026-03-10"
        assert (await home.read(to_date="2026-02-02"))["from_date"] == "2026-01-27"

    async def test_a_session_with_all_that_is_said_about_it(self, home: Home) -> None:
        film = uuid4()
        await add_titles(home.database, {film: ("A film", None)})
        start = at("2026-03-09 17:00")
        await home.write([Watched(start, (Piece(film, 1830),), device_name="Living room")])
        assert day_of(await home.read(), "2026-03-09") == {
            "date": "2026-03-09",
            "total_counted_minutes": 30.5,
            "total_educational_minutes": 0,
            "sessions": [
                {
                    "title": "A film",
                    "started_at": "2026-03-09T17:00:00.000Z",
                    "duration_minutes": 30.5,
                    "device_type": "tv",
                    "device_name": "Living room",
                    "is_educational": False,
                }
            ],
        }

    async def test_a_session_with_several_titles_appears_once_a_title(self, home: Home) -> None:
        film, lesson = uuid4(), uuid4()
        await add_titles(home.database, {film: ("A film", None), lesson: ("A lesson", None)})
        pieces = (
            Piece(film, 600),
            Piece(lesson, 300, EXEMPT),
            Piece(film, 60),
            Piece(lesson, 30, COUNTED),  # the exemption was turned off in between
        )
        await home.write([Watched(at("2026-03-09 17:00"), pieces)])
        day = day_of(await home.read(), "2026-03-09")
        assert [
            (one["title"], one["started_at"][11:16], one["duration_minutes"], one["is_educational"])
            for one in day["sessions"]
        ] == [
            ("A lesson", "17:16", 0.5, False),
            ("A lesson", "17:10", 5, True),
            ("A film", "17:00", 11, False),
        ]
        assert (day["total_counted_minutes"], day["total_educational_minutes"]) == (11.5, 5)

    async def test_a_session_over_a_reset_appears_in_both_days_with_its_share(
        self, home: Home
    ) -> None:
        await home.write([Watched(at("2026-03-09 04:50"), (Piece(None, 1500),))])  # 05:50 Madrid
        both = await home.read(from_date="2026-03-08", to_date="2026-03-09")
        assert [day["total_counted_minutes"] for day in both["days"]] == [15, 10]
        after = await home.read(from_date="2026-03-09", to_date="2026-03-09")
        (session,) = after["days"][0]["sessions"]
        assert session["started_at"] == "2026-03-09T05:00:00.000Z"
        assert session["duration_minutes"] == 15

    async def test_a_session_that_skips_a_day_appears_where_it_was_watched(
        self, home: Home
    ) -> None:
        """One that was paused for longer than the first day of the range carries over too."""
        start = at("2026-03-07 20:00")
        whole_day = Watched(start, (Piece(None, 60), Piece(uuid4(), 2 * 86_400)))
        await home.write([whole_day])
        page = await home.read(from_date="2026-03-09", to_date="2026-03-09")
        assert page["days"][0]["total_counted_minutes"] == 15 * 60 + 1

    async def test_a_session_that_still_runs_shows_what_it_was_credited(self, home: Home) -> None:
        await home.write([Watched(at("2026-03-10 14:00"), (Piece(None, 90),), is_open=True)])
        day = day_of(await home.read(), "2026-03-10")
        assert day["total_counted_minutes"] == 1.5
        assert day["sessions"][0]["duration_minutes"] == 1.5

    async def test_a_session_without_credit_shows_where_it_began(self, home: Home) -> None:
        film = uuid4()
        await add_titles(home.database, {film: ("A film", None)})
        await home.write([Watched(at("2026-03-09 17:00"), title_id=film)])
        page = await home.read()
        (session,) = day_of(page, "2026-03-09")["sessions"]
        assert (session["title"], session["duration_minutes"]) == ("A film", 0)
        assert sum(len(day["sessions"]) for day in page["days"]) == 1

    async def test_a_title_that_the_household_may_not_know_has_no_name(self, home: Home) -> None:
        other = await Home.settle(home.family.service)
        theirs, own = uuid4(), uuid4()
        titles = {
            theirs: ("What the neighbours have", other.key.household_id),
            own: ("Our own film", home.key.household_id),
        }
        await add_titles(home.database, titles)
        pieces = (Piece(theirs, 60), Piece(own, 60), Piece(uuid4(), 60), Piece(None, 60))
        await home.write([Watched(at("2026-03-09 17:00"), pieces)])
        names = [one["title"] for one in day_of(await home.read(), "2026-03-09")["sessions"]]
        assert names == ["Unknown title", "Unknown title", "Our own film", "Unknown title"]

    async def test_a_device_is_called_what_it_is_called_now(self, home: Home) -> None:
        """A renamed device is recognised; one that was forgotten keeps its last name."""
        profile_id = str(home.key.profile_id)
        await home.family.player(profile_id, "set-top").beat()
        start = at("2026-03-09 17:00")
        await home.write(
            [
                Watched(start, (Piece(None, 60),), device_id="set-top", device_name="Old name"),
                Watched(
                    start + timedelta(hours=1),
                    (Piece(None, 60),),
                    device_id="sold",
                    device_name="The sold one",
                ),
            ]
        )
        names = [one["device_name"] for one in day_of(await home.read(), "2026-03-09")["sessions"]]
        assert names == ["The sold one", "TV"]

    async def test_adults_have_a_history_too(self, home: Home) -> None:
        adult = await home.family.add_profile("Carmen", is_child=False)
        await home.family.player(adult).play(60)
        page = await home.family.call("GET", f"/parental-controls/profiles/{adult}/history")
        assert day_of(page, "2026-03-10")["total_counted_minutes"] == 1


class TestPages:
    async def test_a_long_range_comes_in_pages_of_whole_dates(self, home: Home) -> None:
        sessions = [
            Watched(at("2026-03-09 17:00") - timedelta(days=back), (Piece(None, 60 + back),))
            for back in range(90)
        ]
        await home.write(sessions)
        dates, minutes, pages = [], 0.0, 0
        page = await home.read(from_date="2025-12-01", to_date="2026-03-10")
        while True:
            pages += 1
            dates += [day["date"] for day in page["days"]]
            minutes += sum(day["total_counted_minutes"] for day in page["days"])
            if page["next_cursor"] is None:
                break
            page = await home.read(cursor=page["next_cursor"])
            assert (page["from_date"], page["to_date"]) == ("2025-12-01", "2026-03-10")
        assert (len(dates), pages) == (100, 4)
        assert dates == sorted(set(dates), reverse=True)
        assert minutes == pytest.approx(sum(60 + back for back in range(90)) / 60, abs=1e-3)

    async def test_a_day_with_very_many_sessions_is_never_split(self, home: Home) -> None:
        start = at("2026-03-09 08:00")
        sessions = [
            Watched(start + timedelta(seconds=30 * n), (Piece(None, 10),)) for n in range(700)
        ]
        sessions.append(Watched(at("2026-03-08 08:00"), (Piece(None, 10),)))
        await home.write(sessions)
        page = await home.read(from_date="2026-03-01", to_date="2026-03-10")
        assert [day["date"] for day in page["days"]] == ["2026-03-10", "2026-03-09"]
        assert len(page["days"][1]["sessions"]) == 700
        rest = await home.read(cursor=page["next_cursor"])
        assert [day["date"] for day in rest["days"]][:1] == ["2026-03-08"]
        assert len(rest["days"]) == 8

    async def test_a_cursor_keeps_its_range_when_the_day_turns(self, home: Home) -> None:
        first = await home.read(from_date="2026-01-01")
        home.family.service.clock.set(at("2026-03-11 12:00"))
        await home.family.sign_in()
        second = await home.read(cursor=first["next_cursor"])
        assert second["to_date"] == first["to_date"] == "2026-03-10"
        assert second["days"][0]["date"] == "2026-02-07"

    async def test_cursors_of_others_are_refused(self, home: Home) -> None:
        cursor = (await home.read(from_date="2026-01-01"))["next_cursor"]
        brother = await home.family.add_profile("Leo")
        for path, wanted in (
            (f"/parental-controls/profiles/{brother}/history", {"cursor": cursor}),
            (home.path, {"cursor": cursor[:-2] + "AA"}),
            (home.path, {"cursor": "not a cursor"}),
            (home.path, {"cursor": ""}),
        ):
            response = await home.family.send("GET", path, params=wanted)
            assert response.status_code == 422, (path, wanted, response.text)
            assert response.json()["errors"][0]["field"] == "cursor"

    async def test_a_cursor_with_another_range_is_refused(self, home: Home) -> None:
        cursor = (await home.read(from_date="2026-01-01"))["next_cursor"]
        same = await home.read(cursor=cursor, from_date="2026-01-01", to_date="2026-03-10")
        assert same["days"]
        for field in ("from_date", "to_date"):
            response = await home.family.send(
                "GET", home.path, params={"cursor": cursor, field: "2026-02-01"}
            )
            assert response.status_code == 422
            assert response.json()["errors"][0]["field"] == field


class TestRefusals:
    async def test_dates_that_make_no_range_are_named(self, home: Home) -> None:
        for wanted, field in NO_RANGES:
            response = await home.family.send("GET", home.path, params=wanted)
            assert response.status_code == 422, (wanted, response.text)
            assert response.json()["errors"][0]["field"] == field, wanted

    async def test_a_range_of_400_days_is_the_longest(self, home: Home) -> None:
        page = await home.read(from_date="2025-02-04", to_date="2026-03-10")
        assert page["days"]

    async def test_profiles_of_others_and_unknown_ones_are_not_found(self, home: Home) -> None:
        other = await Home.settle(home.family.service)
        for profile_id in (other.key.profile_id, uuid4()):
            path = f"/parental-controls/profiles/{profile_id}/history"
            assert (await home.family.send("GET", path)).status_code == 404
        malformed = await home.family.send("GET", "/parental-controls/profiles/noa/history")
        assert malformed.status_code == 422
        assert malformed.json()["errors"][0]["field"] == "profile_id"

    async def test_only_an_elevated_guardian_reads(self, home: Home) -> None:
        report = "/parental-controls/weekly-report"
        paths = (home.path, report, f"{report}.csv")
        child = await home.family.pair(str(home.key.profile_id))
        client = home.family.service.client
        for path in paths:
            assert (await client.get(f"{API}{path}")).status_code == 401
            by_child = await client.get(f"{API}{path}", headers=bearer(child.token))
            assert by_child.status_code == 403
        await home.family.call("POST", "/parental-controls/pin/lock")
        for path in paths:
            locked = await home.family.send("GET", path)
            assert locked.status_code == 403
            assert locked.json()["type"].endswith("accounts/pin-required")
            assert locked.json()["has_pin"] is True


class TestThroughHeartbeats:
    async def test_what_was_played_is_what_is_shown(self, shared: Service) -> None:
        """Two devices, two titles and a reset, with counters, until the sums are compared."""
        service = shared
        service.clock.set(at("2026-03-09 04:40"))
        family = await Family.register(service)
        profile_id = await family.add_profile("Noa")
        await family.settings(profile_id, weekday_limit_minutes=480, weekend_limit_minutes=480)
        other = {"title_ref": {"source": "test", "id": "other", "name": "Another film"}}
        await family.player(profile_id, counting=True).play(600)
        tablet = family.player(profile_id, "tablet", counting=True, device_type="tablet")
        await tablet.play(900)
        tablet.title = other
        await tablet.play(300)
        await tablet.end()
        await family.sign_in()
        page = await family.call("GET", f"/parental-controls/profiles/{profile_id}/history")
        sums = await assert_sums_agree(service.database, profile_id)
        shown = sum(day["total_counted_minutes"] for day in page["days"])
        assert shown == pytest.approx(int(sums.slices_counted) / 60_000, abs=1e-4)
        assert shown == pytest.approx(30, abs=1)
        today, yesterday = page["days"][0], page["days"][1]
        assert {one["title"] for one in today["sessions"]} == {"A film", "Another film"}
        assert {one["device_type"] for one in yesterday["sessions"]} == {"tv", "tablet"}
        reset = to_ms(at("2026-03-09 05:00"))
        assert all(
            to_ms(at(one["started_at"][:19].replace("T", " "))) >= reset
            for one in today["sessions"]
        )
