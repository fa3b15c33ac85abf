"""Limits on calls, counted in the database and so the same for every process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import httpx
import pytest

from tests.accounts.steps import post, problem, query, sign_in
from tests.harness.clock import ManualClock
from tests.harness.family import PASSWORD, Family
from tests.harness.service import Service, quick_settings, running_service
from watchkeeper.accounts.repository.rate_limits import Limit, take_call
from watchkeeper.core.config import SecuritySettings
from watchkeeper.core.database import UnitOfWork

TOO_MANY = (429, "core/too-many-requests")


@asynccontextmanager
async def _two_processes(url: str) -> AsyncIterator[tuple[Service, Service]]:
    """Two services on one database, with the limits that they have by default."""
    clock, settings = ManualClock(), quick_settings(security=SecuritySettings())
    async with (
        running_service(url, clock=clock, settings=settings) as one,
        running_service(url, clock=clock, settings=settings) as other,
    ):
        yield one, other


async def test_ten_sign_ins_a_minute_for_one_account_over_all_processes(
    database_url: str,
) -> None:
    async with _two_processes(database_url) as (one, other):
        family = await Family.register(one, with_pin=False)
        answers = await asyncio.gather(
            *(sign_in((one, other)[number % 2], family.email.upper(), "no") for number in range(14))
        )
        assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 4
        refused = await sign_in(one, family.email, PASSWORD)
        assert problem(refused) == TOO_MANY
        assert refused.headers["retry-after"] == "60"
        someone_else = await Family.register(other, with_pin=False)
        assert (await sign_in(other, someone_else.email)).status_code == 200
        one.clock.advance(seconds=60)
        assert (await sign_in(other, family.email)).status_code == 200


async def test_sixty_sign_ins_a_minute_from_one_address(database_url: str) -> None:
    async with _two_processes(database_url) as (one, other):
        answers = [
            await post(
                (one, other)[number % 2],
                "/auth/login",
                {"email": f"nobody{number}@example.com", "password": "no"},
            )
            for number in range(61)
        ]
        assert [answer.status_code for answer in answers] == [401] * 60 + [429]
        assert problem(answers[-1]) == TOO_MANY
        elsewhere = httpx.ASGITransport(one.app, client=("192.0.2.9", 1))
        async with httpx.AsyncClient(transport=elsewhere, base_url="http://w.test") as client:
            body = {"email": "nobody@example.com", "password": "no"}
            assert (await client.post("/api/v1/auth/login", json=body)).status_code == 401


async def test_registrations_of_an_hour_from_one_address(database_url: str) -> None:
    settings = quick_settings(security=SecuritySettings(registrations_per_hour=3))
    async with running_service(database_url, settings=settings) as service:
        for _ in range(3):
            await Family.register(service, with_pin=False)
        body = {
            "email": "one-too-many@example.com",
            "password": PASSWORD,
            "household_name": "Rivera",
            "timezone": "UTC",
        }
        refused = await post(service, "/auth/register", body)
        assert problem(refused) == TOO_MANY
        assert refused.headers["retry-after"] == "3600"
        service.clock.advance(hours=1)
        assert (await post(service, "/auth/register", body)).status_code == 201


@pytest.mark.parametrize("gap_seconds", [0, 7, 13])
async def test_no_minute_holds_more_calls_than_the_limit(
    service: Service, gap_seconds: int
) -> None:
    limit, admitted = Limit("test", 4, timedelta(minutes=1)), []
    for _ in range(20):
        now = service.clock.advance(seconds=gap_seconds)

        async def take(unit: UnitOfWork) -> datetime | None:
            return await take_call(unit, limit, "somebody", now)  # noqa: B023 - run at once

        next_at = await service.database.run(take)
        if next_at is None:
            admitted.append(now)
        else:
            assert next_at > now
    for at in admitted:
        assert sum(at <= other < at + timedelta(minutes=1) for other in admitted) <= 4
    expected = 4 if gap_seconds == 0 else 4 * ((20 * gap_seconds) // 60)
    assert len(admitted) >= expected


async def test_limits_leave_no_addresses_behind_and_clean_up(service: Service) -> None:
    await sign_in(service, "ada@example.com")
    rows = await query(service, "SELECT to_jsonb(r)::text AS all FROM accounts.rate_limits r")
    assert len(rows) == 2
    for row in rows:
        assert "ada" not in row.all
        assert "127.0.0.1" not in row.all
    service.clock.advance(minutes=2)
    await sign_in(service, "leo@example.com")
    assert len(await query(service, "SELECT 1 FROM accounts.rate_limits")) == 2
