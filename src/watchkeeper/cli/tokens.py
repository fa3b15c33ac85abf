"""`watchkeeper tokens`."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

from watchkeeper.cli.database import command_settings, opened_floor
from watchkeeper.cli.terminal import Progress, say
from watchkeeper.demo.load_test import LoadTestMaker, LoadTestViewer
from watchkeeper.settings import Settings


def print_tokens(data_dir: Path | None, *, viewers: int, hours: int) -> None:
    """Add `viewers` load-test children and print a JSON line for each."""
    asyncio.run(_print_tokens(command_settings(data_dir), viewers, timedelta(hours=hours)))


async def _print_tokens(settings: Settings, viewers: int, valid_for: timedelta) -> None:
    async with opened_floor(settings) as floor:
        maker = LoadTestMaker(floor.database, floor.signer, floor.clock.now(), valid_for)
        progress = Progress("Load-test children", viewers)
        done = 0
        async for made in maker.make(viewers):
            say("\n".join(_line(viewer) for viewer in made))
            done += len(made)
            progress.reached(done)
        progress.finish()


def _line(viewer: LoadTestViewer) -> str:
    return json.dumps(
        {
            "access_token": viewer.access_token,
            "profile_id": str(viewer.profile_id),
            "title_id": str(viewer.title_id),
        }
    )
