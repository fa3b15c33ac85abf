"""Retention: what is old is forgotten, and nothing that people are shown gets smaller by it."""

import asyncio
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from tests.accounts.steps import query
from tests.harness.family import Family
from tests.harness.service import Service, running_service
from tests.viewing.rows import BEGIN, COUNTED, EXEMPT, Home, Piece, Watched, add_titles
from watchkeeper.core.config import PrivacySettings
from watchkeeper.core.database import UnitOfWork
from watchkeeper.privacy import jobs
from watchkeeper.privacy.jobs import apply_retention, count_too_old
from watchkeeper.settings import SettingsError, load_settings

SETTINGS = PrivacySettings()
DETAIL_FROM = date(2025, 12, 10)  # 90 days before 2026-03-10
LONG = 380
FILM, LESSON = uuid4(), uuid4()


@pytest.fixture
async def home(service: Service) -> Home:
    """A child who watched every day for more than a year, with grants and decisions."""
    home = await Home.settle(service)
    await add_titles(home.database, {FILM: ("A film", None), LESSON: ("A lesson", None)})
    watched = [
        Watched(
            BEGIN - timedelta(days=back, hours=1),
            (Piece(FILM, 1800, COUNTED), Piece(LESSON, 600, EXEMPT)),
        )
        for back in range(LONG)
    ]
    # One goes on past the reset at six in the morning of the edge itself.
    watched.append(
        Watched(datetime.fromisoformat("2025-12-10T04:30:00+00:00"), (Piece(FILM, 3600),))
    )
    await home.write(watched)
    await _add_grants_and_decisions(home)
    return home


async def _add_grants_and_decisions(home: Home) -> None:
    async def work(unit: UnitOfWork) -> None:
        await unit.execute(
            text(
                "INSERT INTO viewing.grants (household_id, id, profile_id, day_starts_at, minutes,"
                " channel, created_at) SELECT household_id, gen_random_uuid(), profile_id,"
                " starts_at, 15, 'remote', starts_at FROM viewing.days"
            )
        )
        await unit.execute(
            text(
                "INSERT INTO viewing.decisions SELECT household_id, profile_id,"
                " row_number() OVER (ORDER BY starts_at), starts_at, gen_random_uuid(), 'tv',"
                " 'allowed', NULL, 0 FROM viewing.days ORDER BY starts_at DESC LIMIT 120"
            )
        )

    await home.database.run(work)


async def history(home: Home) -> dict[str, Any]:
    """All of a year and more, by date."""
    days: dict[str, Any] = {}
    wanted = {"from_date": "2025-02-10", "to_date": "2026-03-10"}
    while True:
        page = await home.read(**wanted)
        days |= {day["date"]: day for day in page["days"]}
        if page["next_cursor"] is None:
            return days
        wanted = {"cursor": page["next_cursor"]}


async def count(service: Service, table: str) -> int:
    """How many rows a table has."""
    rows = await query(service, f"SELECT count(*) AS n FROM {table}")
    return int(rows[0].n)


async def test_old_detail_goes_and_the_daily_totals_stay(service: Service, home: Home) -> None:
    before = await history(home)
    report = await home.family.call("GET", "/parental-controls/weekly-report")
    forgotten = await apply_retention(service.floor, SETTINGS)
    after = await history(home)
    assert forgotten["viewing.sessions"] > 280
    assert forgotten["viewing.slices"] > 500
    year_ago = (BEGIN - timedelta(days=365)).date().isoformat()
    for day, shown in after.items():
        was = before[day]
        if day < year_ago:
            continue
        # Nothing that is shown got smaller.
        assert shown["total_counted_minutes"] == was["total_counted_minutes"], day
        assert shown["total_educational_minutes"] == was["total_educational_minutes"], day
        if day >= DETAIL_FROM.isoformat():
            assert shown["sessions"] == was["sessions"] != [], day
        else:
            assert shown["sessions"] == [], day
            assert shown["total_counted_minutes"] >= 30, day
    assert await home.family.call("GET", "/parental-controls/weekly-report") == report
    assert after["2025-02-24"]["total_counted_minutes"] == 0, "more than a year ago"


async def test_an_older_week_keeps_its_totals_in_the_report(service: Service, home: Home) -> None:
    path = "/parental-controls/weekly-report?week=2025-W40"
    (before,) = (await home.family.call("GET", path))["profiles"]
    await apply_retention(service.floor, SETTINGS)
    (after,) = (await home.family.call("GET", path))["profiles"]
    assert before.pop("most_watched")
    assert after.pop("most_watched") == []
    assert after == before


async def test_within_the_detail_slices_and_days_still_agree(service: Service, home: Home) -> None:
    await apply_retention(service.floor, SETTINGS)
    (row,) = await query(
        service,
        """
        WITH kept AS (SELECT min(day_starts_at) AS since FROM viewing.pub_slices)
        SELECT kept.since,
               (SELECT sum(credited_ms) FROM viewing.pub_slices) AS slices,
               (SELECT sum(counted_ms + exempt_ms) FROM viewing.days
                WHERE starts_at >= kept.since) AS days,
               (SELECT min(day_starts_at) FROM viewing.grants) AS grants,
               (SELECT min(decided_at) FROM viewing.decisions) AS decisions
        FROM kept
        """,
    )
    assert row.slices == row.days
    # The day of the edge is kept as a whole: it begins at six in Madrid.
    assert row.since == datetime.fromisoformat("2025-12-10T05:00:00+00:00")
    assert row.grants == row.decisions == row.since


async def test_a_dry_run_says_what_would_go_and_a_second_run_finds_nothing(
    service: Service, home: Home
) -> None:
    rows = await count(service, "viewing.slices")
    would = await count_too_old(service.floor, SETTINGS)
    assert await count(service, "viewing.slices") == rows
    assert await apply_retention(service.floor, SETTINGS) == would
    assert await apply_retention(service.floor, SETTINGS) == {}
    assert await count_too_old(service.floor, SETTINGS) == {}
    assert home.key.profile_id


async def test_in_small_batches_and_by_two_at_once_it_comes_to_the_same(
    service: Service, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "AT_MOST", 7)
    monkeypatch.setattr(jobs, "AT_ONCE", 1)
    for name in ("Leo", "Mia"):
        await home.family.add_profile(name)
    would = await count_too_old(service.floor, SETTINGS)
    async with running_service(service.database_url, clock=service.clock) as second:
        runs = await asyncio.gather(
            *(apply_retention(one.floor, SETTINGS) for one in (service, second))
        )
    total = {table: sum(run.get(table, 0) for run in runs) for table in would}
    assert total == would
    assert await count_too_old(service.floor, SETTINGS) == {}


async def test_open_sessions_and_the_newest_day_are_never_touched(service: Service) -> None:
    family = await Family.register(service)
    child = await family.add_profile("Noa")
    player = family.player(child)
    await player.play(120)
    await query(
        service, "UPDATE viewing.sessions SET started_at = started_at - interval '200 days'"
    )
    service.clock.advance(hours=24 * 500)
    forgotten = await apply_retention(service.floor, SETTINGS)
    assert "viewing.sessions" not in forgotten
    assert "viewing.days" not in forgotten
    assert await count(service, "viewing.days") == 1
    # And whoever comes back after all that time plays on.
    await family.sign_in()
    fresh = family.player(child)
    answer = await fresh.play(60)
    assert answer["used_minutes"] == 1
    rows = await query(
        service,
        "SELECT a.ends_at = b.starts_at AS touch FROM viewing.days a JOIN viewing.days b "
        "ON b.starts_at = (SELECT min(starts_at) FROM viewing.days WHERE starts_at > a.starts_at)",
    )
    assert rows
    assert all(row.touch for row in rows)


async def test_a_session_over_the_edge_stays_with_what_lies_behind_it(
    service: Service, home: Home
) -> None:
    await apply_retention(service.floor, SETTINGS)
    rows = await query(
        service,
        "SELECT s.started_at, count(p.*) AS slices, sum(p.credited_ms) AS kept_ms "
        "FROM viewing.sessions s LEFT JOIN viewing.slices p ON p.session_id = s.id "
        "WHERE s.started_at < '2025-12-10T05:00:00Z' GROUP BY s.id, s.started_at",
    )
    assert [(row.slices, row.kept_ms) for row in rows] == [(1, 1_800_000)]
    edge = (await history(home))["2025-12-10"]
    assert edge["total_counted_minutes"] == sum(
        one["duration_minutes"] for one in edge["sessions"] if not one["is_educational"]
    )


async def test_lines_of_the_trail_have_a_time_of_their_own(service: Service) -> None:
    family = await Family.register(service)
    service.clock.advance(hours=24 * 100)
    await family.sign_in()
    await family.add_profile("Noa")
    lines = await count(service, "accounts.audit")
    assert await apply_retention(service.floor, SETTINGS) == {}
    service.clock.advance(hours=24 * 266)
    forgotten = await apply_retention(service.floor, SETTINGS)
    assert forgotten == {"accounts.audit": lines - 1}
    await family.sign_in()
    kept = (await family.call("GET", "/households/audit"))["entries"]
    assert [one["action"] for one in kept] == ["profile.created"]


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"WATCHKEEPER_PRIVACY_DETAIL_DAYS": "6"}, "WATCHKEEPER_PRIVACY_DETAIL_DAYS"),
        (
            {
                "WATCHKEEPER_PRIVACY_DETAIL_DAYS": "90",
                "WATCHKEEPER_PRIVACY_DAILY_TOTALS_DAYS": "30",
            },
            "WATCHKEEPER_PRIVACY_DAILY_TOTALS_DAYS",
        ),
        ({"WATCHKEEPER_PRIVACY_AUDIT_DAYS": "1"}, "WATCHKEEPER_PRIVACY_AUDIT_DAYS"),
    ],
)
def test_times_that_make_no_sense_are_refused(variables: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(variables)
    assert refused.value.faults[0].startswith(f"{named}: ")
    assert len(refused.value.faults) == 1
