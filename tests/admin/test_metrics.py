"""The administrators' metrics: the contract's fields, this process's figures, nobody else."""

from typing import Any

import pytest

from tests.accounts.steps import staff_token
from tests.harness.family import API, Family, bearer
from tests.harness.service import Service
from watchkeeper.core.auth import Role

METRICS = f"{API}/admin/metrics"


@pytest.fixture
async def admin_token(service: Service) -> str:
    return await staff_token(service, Role.ADMIN)


async def read_metrics(service: Service, token: str) -> Any:
    response = await service.client.get(METRICS, headers=bearer(token))
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_fresh_process_has_done_nothing(service: Service, admin_token: str) -> None:
    metrics = await read_metrics(service, admin_token)
    assert metrics.pop("uptime_seconds") >= 0
    assert metrics == {
        "heartbeat": {
            "total_processed": 0,
            "avg_db_ops_per_heartbeat": 0,
            "avg_duration_ms": 0,
            "max_duration_ms": 0,
            "p95_duration_ms": 0,
        },
        "config_cache": {
            "hit_rate": 0,
            "total_hits": 0,
            "total_misses": 0,
            "total_invalidations": 0,
            "current_size": 0,
            "max_size": service.app.state.settings.cache.config_entries,
        },
        "weekly_report": {"total_generated": 0, "avg_query_count": 0, "p95_duration_ms": 0},
    }


async def test_work_is_counted(service: Service, admin_token: str) -> None:
    family = await Family.register(service)
    profile_id = await family.add_profile("Noa")
    before = (await read_metrics(service, admin_token))["config_cache"]
    await family.player(profile_id).play(40, every=10)  # five heartbeats within a minute
    await family.call("GET", "/parental-controls/weekly-report")
    await family.send("GET", "/parental-controls/weekly-report.csv")
    metrics = await read_metrics(service, admin_token)

    beats = metrics["heartbeat"]
    assert beats["total_processed"] == 5
    assert 0 < beats["avg_db_ops_per_heartbeat"] <= 3
    assert 0 < beats["avg_duration_ms"] <= beats["max_duration_ms"]
    assert 0 < beats["p95_duration_ms"] <= beats["max_duration_ms"]

    cache = metrics["config_cache"]
    assert (cache["total_hits"] - before["total_hits"]) == 4
    assert (cache["total_misses"] - before["total_misses"]) == 1
    assert 0 < cache["hit_rate"] < 1
    assert cache["current_size"] == 1

    reports = metrics["weekly_report"]
    assert reports["total_generated"] == 2
    assert 0 < reports["avg_query_count"] <= 4
    assert reports["p95_duration_ms"] > 0


async def test_a_change_of_settings_is_an_invalidation(service: Service, admin_token: str) -> None:
    family = await Family.register(service)
    profile_id = await family.add_profile("Noa")
    await family.player(profile_id).beat()
    before = (await read_metrics(service, admin_token))["config_cache"]["total_invalidations"]
    await family.settings(profile_id, weekday_limit_minutes=60)
    after = (await read_metrics(service, admin_token))["config_cache"]["total_invalidations"]
    assert after > before


async def test_only_administrators_read_them(service: Service) -> None:
    family = await Family.register(service)
    child = await family.pair(await family.add_profile("Noa"))
    assert (await service.client.get(METRICS)).status_code == 401
    tokens = [family.token, child.token]
    tokens += [await staff_token(service, role) for role in (Role.AGENT, Role.SUPERVISOR)]
    for token in tokens:
        response = await service.client.get(METRICS, headers=bearer(token))
        assert response.status_code == 403, response.text
        assert response.json()["type"].endswith("core/forbidden")
