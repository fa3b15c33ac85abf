"""Load-test households: made in bulk, marked, and without a way to sign in."""

from datetime import timedelta

from sqlalchemy import text

from tests.harness.budgets import query_budget
from tests.harness.family import API, bearer
from tests.harness.service import Service
from watchkeeper.core.database import UnitOfWork
from watchkeeper.demo.load_test import LoadTestMaker, LoadTestViewer


async def make(service: Service, viewers: int) -> list[LoadTestViewer]:
    floor = service.floor
    maker = LoadTestMaker(floor.database, floor.signer, floor.clock.now(), timedelta(hours=24))
    return [viewer async for made in maker.make(viewers) for viewer in made]


async def test_every_child_can_play_until_its_token_ends(service: Service) -> None:
    for viewer in await make(service, 3):
        body = {
            "profile_id": str(viewer.profile_id),
            "title_id": str(viewer.title_id),
            "device_id": "load",
            "device_type": "tv",
        }
        headers = bearer(viewer.access_token)
        answer = await service.client.post(
            f"{API}/viewing-time/heartbeat", json=body, headers=headers
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["remaining_minutes"] == 120
    service.clock.advance(hours=24)
    late = await service.client.post(f"{API}/viewing-time/heartbeat", json=body, headers=headers)
    assert late.status_code == 401


async def test_the_households_are_marked_and_nobody_can_sign_in(service: Service) -> None:
    await make(service, 5)

    async def read(unit: UnitOfWork) -> tuple[int, int, str]:
        row = (
            await unit.execute(
                text(
                    "SELECT (SELECT count(*) FROM accounts.households WHERE is_load_test),"
                    " (SELECT count(*) FROM accounts.profiles), (SELECT min(email::text)"
                    " FROM accounts.users)"
                )
            )
        ).one()
        return row[0], row[1], row[2]

    households, profiles, email = await service.database.run(read)
    assert (households, profiles) == (3, 5)
    login = {"email": email, "password": "!"}
    answer = await service.client.post(f"{API}/auth/login", json=login)
    assert answer.status_code in {401, 422}


async def test_many_cost_as_many_statements_as_few(service: Service) -> None:
    await make(service, 1)
    costs = []
    for viewers in (2, 400):
        with query_budget(at_most=8) as count:
            assert len(await make(service, viewers)) == viewers
        costs.append(count.operations)
    assert costs[0] == costs[1]
