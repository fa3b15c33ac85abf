"""The stream of events: what is told, to whom, and when it ends (viewing time, section 6)."""

import pytest

from tests.harness.family import Family
from tests.harness.service import Service
from tests.harness.streams import reading


async def test_a_snapshot_comes_first_and_then_what_changes(
    service: Service, family: Family, child: str
) -> None:
    async with reading(service.app, family.token) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        assert stream.headers["x-accel-buffering"] == "no"
        snapshot = await stream.expects("snapshot")
        assert snapshot["profiles"] == [await family.balance(child)]
        assert snapshot["server_time"] == "2026-03-10T15:00:00.000Z"
        granted = await family.grant(child, 30)
        change = await stream.expects("balance_changed")
        assert change["balance"] == await family.balance(child)
        assert change["balance"]["remaining_minutes"] == 150
        assert change["profile_id"] == child
