"""kill -9 of the service under heartbeats: what was acknowledged is there, and players go on."""

import signal
from pathlib import Path

import httpx
import pytest

from tests.cli.commands import serving
from tests.system.crowd import NO_ANSWER, Crowd
from tests.system.test_database_restart import CONNECTIONS, QUIET

pytestmark = pytest.mark.system

ROUNDS = 3


async def test_nothing_acknowledged_is_lost_when_the_service_is_killed(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    port = "0"
    crowd: Crowd | None = None
    async with httpx.AsyncClient(limits=CONNECTIONS) as client:
        for _ in range(ROUNDS):
            async with serving("--data-dir", data_dir, "--port", port, **QUIET) as service:
                client.base_url = httpx.URL(service.ready["url"])
                port = str(client.base_url.port)
                crowd = crowd or await Crowd.gather(100, data_dir, client)
                # Sessions of the round before go on, by the same tokens.
                await crowd.all_beat()
                async with crowd.beating():
                    await crowd.are_accepted(300)
                    service.process.send_signal(signal.SIGKILL)
                    await service.process.wait()
            await crowd.assert_everything_acknowledged_is_kept(data_dir)
    assert crowd is not None
    outcomes = crowd.outcomes()
    assert outcomes.keys() == {"200 allowed", NO_ANSWER}, outcomes
    # Heartbeats were under way each time: otherwise the test shows nothing.
    assert outcomes[NO_ANSWER] >= ROUNDS
