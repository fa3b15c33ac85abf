"""The demo family: made once, believable, and as consistent as real life."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.harness.cluster import Cluster
from tests.harness.family import API, bearer
from tests.harness.service import Service, running_service
from tests.harness.sums import assert_sums_agree
from watchkeeper.core.database import UnitOfWork
from watchkeeper.demo.accounts import GUARDIAN, PASSWORD, PIN
from watchkeeper.demo.family import DatabaseNotEmptyError, DemoMade, make_demo
from watchkeeper.demo.schedule import DAYS


def quiet(_line: str) -> None:
    """Nobody watches."""


async def rows(service: Service, statement: str) -> list[Any]:
    async def read(unit: UnitOfWork) -> list[Any]:
        return list(await unit.execute(text(statement)))

    return await service.database.run(read)


@pytest.fixture(scope="module")
async def service(cluster: Cluster) -> AsyncIterator[Service]:
    """One service for all tests here: they only read what the demo made."""
    async with cluster.database() as url, running_service(url) as service:
        yield service


@pytest.fixture(scope="module")
async def made(service: Service) -> DemoMade:
    return await make_demo(service.floor, quiet)


async def guardian(service: Service) -> dict[str, str]:
    """The headers of the demo's guardian, elevated by the PIN."""
    client = service.client
    login = {"email": GUARDIAN, "password": PASSWORD}
    signed_in = await client.post(f"{API}/auth/login", json=login)
    headers = bearer(signed_in.json()["access_token"])
    verified = await client.post(
        f"{API}/parental-controls/pin/verify", json={"pin": PIN}, headers=headers
    )
    assert verified.status_code == 200, verified.text
    return headers


async def test_slices_days_and_sessions_agree(service: Service, made: DemoMade) -> None:
    for name, profile_id in made.profile_ids.items():
        sums = await assert_sums_agree(service.database, str(profile_id))
        assert sums.days_counted > 0, name
        assert sums.open_sessions == 0


async def test_the_history_lies_in_the_past_and_fills_its_days(
    service: Service, made: DemoMade
) -> None:
    now = service.clock.now()
    (span,) = await rows(
        service,
        "SELECT min(started_at) AS first, max(ended_at) AS last, max(last_accepted_at) AS heard"
        " FROM viewing.sessions",
    )
    assert span.last < now
    assert span.heard < now
    assert now - timedelta(days=DAYS + 1) < span.first < now - timedelta(days=DAYS - 2)
    for day in await rows(service, "SELECT * FROM viewing.days"):
        assert day.counted_ms + day.exempt_ms <= (day.ends_at - day.starts_at) / timedelta(
            milliseconds=1
        )
    overlapping = await rows(
        service,
        "SELECT a.id FROM viewing.sessions a JOIN viewing.sessions b ON a.profile_id ="
        " b.profile_id AND a.id <> b.id AND a.is_child AND tstzrange(a.started_at, a.ended_at)"
        " && tstzrange(b.started_at, b.ended_at)",
    )
    assert overlapping == []


async def test_it_is_believable(service: Service, made: DemoMade) -> None:
    """Every child watches most days, learns something, meets its limit, and gets more once."""
    (titles,) = await rows(
        service,
        "SELECT count(*) AS count, count(*) FILTER (WHERE is_educational) AS educational,"
        " bool_and(cardinality(tags) > 0 AND duration_seconds > 0) AS have_all"
        " FROM catalogue.titles",
    )
    assert (titles.count, titles.have_all) == (40, True)
    assert 8 <= titles.educational <= 16
    for name in ("Noa", "Leo"):
        (days,) = await rows(
            service,
            "SELECT count(*) FILTER (WHERE counted_ms > 0) AS watched,"
            " count(*) FILTER (WHERE exempt_ms > 0) AS learned,"
            " count(*) FILTER (WHERE counted_ms >= limit_minutes * 60000) AS exhausted,"
            " count(*) FILTER (WHERE granted_minutes > 0) AS granted,"
            " max(counted_ms - (limit_minutes + granted_minutes) * 60000) AS overrun_ms"
            f" FROM viewing.days WHERE profile_id = '{made.profile_ids[name]}'",
        )
        assert days.watched >= 20
        assert days.learned >= 10
        assert days.exhausted >= 1
        assert days.granted >= 1
        # Nobody watches on for more than a heartbeat after the end.
        assert days.overrun_ms <= 60_000
    (grants,) = await rows(service, "SELECT count(*) AS count FROM viewing.grants")
    assert grants.count >= 2


async def test_people_see_it(service: Service, made: DemoMade) -> None:
    headers = await guardian(service)
    profiles = await service.client.get(f"{API}/profiles", headers=headers)
    assert [(one["name"], one["is_child"]) for one in profiles.json()["profiles"]] == [
        ("Noa", True),
        ("Leo", True),
        ("Carmen", False),
    ]
    now = service.clock.now()
    history = await service.client.get(
        f"{API}/parental-controls/profiles/{made.profile_ids['Noa']}/history",
        params={
            "from_date": (now - timedelta(days=10)).date().isoformat(),
            "to_date": now.date().isoformat(),
        },
        headers=headers,
    )
    assert history.status_code == 200, history.text
    sessions = [one for day in history.json()["days"] for one in day["sessions"]]
    assert len(sessions) > 5
    assert {one["device_name"] for one in sessions} <= {"Living-room TV", "Noa's tablet"}
    assert "Unknown title" not in history.text
    report = await service.client.get(f"{API}/parental-controls/weekly-report", headers=headers)
    assert report.status_code == 200
    assert {"Noa", "Leo"} <= {one["profile_name"] for one in report.json()["profiles"]}


async def test_a_second_time_adds_nothing(service: Service, made: DemoMade) -> None:
    before = await rows(service, "SELECT count(*) FROM viewing.sessions")
    with pytest.raises(DatabaseNotEmptyError):
        await make_demo(service.floor, quiet)
    assert await rows(service, "SELECT count(*) FROM viewing.sessions") == before


async def test_it_is_the_same_every_time(
    service: Service, made: DemoMade, cluster: Cluster
) -> None:
    """On another database, at another hour of the same day: the same past."""
    content = (
        "SELECT p.name AS who, s.started_at, s.ended_at, s.counted_ms, s.exempt_ms,"
        " s.device_name, t.name AS last_title FROM viewing.sessions s"
        " JOIN accounts.profiles p ON p.id = s.profile_id"
        " JOIN catalogue.titles t ON t.id = s.title_id"
        " WHERE s.started_at < '2026-03-10' ORDER BY 1, 2"
    )
    async with cluster.database() as url, running_service(url) as other:
        other.clock.set(datetime(2026, 3, 10, 20, 30, tzinfo=UTC))
        await make_demo(other.floor, quiet)
        assert await rows(other, content) == await rows(service, content)
