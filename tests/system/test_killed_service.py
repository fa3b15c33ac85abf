"""kill -9 of the service under heartbeats: what was acknowledged is there, and players go on."""

import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.cli.commands import Serving, serving
from tests.system.crowd import NO_ANSWER, Crowd
from tests.system.test_database_restart import QUIET

pytestmark = pytest.mark.system

ROUNDS = 3


async def _kill_under_heartbeats(service: Serving, crowd: Crowd) -> None:
    await crowd.all_beat()
    async with crowd.beating():
        await crowd.are_accepted(300)
        service.process.send_signal(signal.SIGKILL)
        await service.process.wait()


async def test_nothing_acknowledged_is_lost_when_the_service_is_killed(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    async with AsyncExitStack() as stack:
        async with serving("--data-dir", data_dir, **QUIET) as service:
            url = service.ready["url"]
            crowd = await stack.enter_async_context(Crowd.gathered(100, data_dir, url))
            await _kill_under_heartbeats(service, crowd)
        await crowd.assert_everything_acknowledged_is_kept(data_dir)
        for _ in range(ROUNDS - 1):
            port = url.rpartition(":")[2]
            async with serving("--data-dir", data_dir, "--port", port, **QUIET) as service:
                # Sessions of the round before go on, by the same tokens.
                await _kill_under_heartbeats(service, crowd)
            await crowd.assert_everything_acknowledged_is_kept(data_dir)
    outcomes = crowd.outcomes()
    assert outcomes.keys() == {"200 allowed", NO_ANSWER}, outcomes
    # Heartbeats were under way each time: otherwise the test shows nothing.
    assert outcomes[NO_ANSWER] >= ROUNDS
