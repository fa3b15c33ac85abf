"""A process that runs one job and never ends it: something for tests to kill.

Usage: job_process.py DATABASE_URL, as a module. It writes a line when it has begun the job.
"""

import asyncio
import sys

from tests.core.conftest import opened
from tests.harness.jobs import working
from watchkeeper.core.jobs import Job, Payload


async def run(url: str) -> None:
    async def hang(payload: Payload) -> None:
        print(payload["number"], flush=True)
        await asyncio.Event().wait()

    async with opened(url) as database, working(database, Job("count", hang)):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
