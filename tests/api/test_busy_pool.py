"""Many requests at once over HTTP: the pool lasts, and one that doesn't says so (07, Database)."""

import asyncio
from collections import Counter

from sqlalchemy import text

from tests.harness.cluster import Cluster
from tests.harness.family import Family
from tests.harness.service import quick_settings, running_service
from watchkeeper.core.config import DatabaseSettings
from watchkeeper.core.database import UnitOfWork


async def test_fifty_concurrent_requests_never_exhaust_the_pool(database_url: str) -> None:
    settings = quick_settings(database=DatabaseSettings())
    async with running_service(database_url, settings=settings) as service:
        family = await Family.register(service)
        children = [await family.add_profile(f"Child {number}") for number in range(10)]
        players = [family.player(child) for child in children]
        outcomes: Counter[int] = Counter()
        for _ in range(4):
            answers = await asyncio.gather(
                *(player.send() for player in players),
                *(family.send("GET", f"/viewing-time/balance/{child}") for child in children),
                *(family.send("GET", f"/parental-controls/profiles/{children[0]}/viewing-time")
                  for _ in range(10)),
                *(family.send("GET", "/parental-controls/weekly-report") for _ in range(10)),
                *(family.send("GET", "/titles") for _ in range(10)),
            )  # fmt: skip
            outcomes.update(answer.status_code for answer in answers)
        assert outcomes == {200: 200}
        pool = service.database.engine.pool
        assert pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_an_exhausted_pool_is_a_clear_refusal_and_no_decision(cluster: Cluster) -> None:
    tight = DatabaseSettings(
        pool_size=1, max_overflow=0, pool_timeout_seconds=0.05, prewarm_connections=1
    )
    free, is_held = asyncio.Event(), asyncio.Event()

    async def hold(unit: UnitOfWork) -> None:
        await unit.execute(text("SELECT 1"))
        is_held.set()
        await free.wait()

    async with (
        cluster.database() as url,
        running_service(url, settings=quick_settings(database=tight)) as service,
    ):
        family = await Family.register(service)
        player = family.player(await family.add_profile("Noa"))
        before = await player.play(30)
        holding = asyncio.create_task(service.database.run(hold))
        await is_held.wait()
        refused = await asyncio.gather(player.send(), family.send("GET", "/profiles"))
        for response in refused:
            assert response.status_code == 503
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["type"] == "core/pool-exhausted"
            assert "connections are in use" in response.json()["detail"]
            assert int(response.headers["retry-after"]) > 0
            assert "enforcement" not in response.json()
        free.set()
        await holding
        assert (await player.beat())["used_minutes"] == before["used_minutes"]
