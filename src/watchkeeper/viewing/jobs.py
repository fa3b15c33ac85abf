"""Background work of viewing time: closing sessions that fell silent."""

from datetime import timedelta
from uuid import UUID

import structlog

from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.jobs import Job, Jobs
from watchkeeper.viewing.repository import QUERIES, ProfileKey
from watchkeeper.viewing.service.heartbeats import Heartbeats

log = structlog.get_logger(__name__)

SILENCE_EVERY = timedelta(minutes=1)
AT_MOST = 500
# The shortest silence that closes a session: max(300 s, grace + 60 s) with any grace.
_SHORTEST_SILENCE = timedelta(seconds=300)


def add_jobs(jobs: Jobs, floor: Floor, heartbeats: Heartbeats) -> None:
    """Register the durable jobs of viewing time."""
    jobs.register(
        Job(
            "viewing.close-silent",
            lambda _: close_silent_sessions(floor, heartbeats),
            every=SILENCE_EVERY,
        )
    )


async def close_silent_sessions(floor: Floor, heartbeats: Heartbeats) -> int:
    """Close up to `AT_MOST` sessions of which nothing was heard; returns how many.

    A late heartbeat closes its session by the same rule, so answers don't depend on this job: it
    keeps history and the index of open sessions tidy. It may run twice, or twice at once: each
    session is closed under its profile's lock, and the second run finds it closed.
    """
    silent_since = floor.clock.now() - _SHORTEST_SILENCE

    async def find(unit: UnitOfWork) -> list[tuple[UUID, UUID, UUID, str]]:
        rows = await unit.execute(
            QUERIES["list_silent_sessions"], {"silent_since": silent_since, "at_most": AT_MOST}
        )
        return [(row.household_id, row.profile_id, row.id, row.device_id) for row in rows]

    closed = 0
    for household_id, profile_id, session_id, device_id in await floor.database.run(find):
        key = ProfileKey(household_id, profile_id)
        closed += await heartbeats.close_silent(key, device_id, session_id)
    if closed:
        log.info("sessions.closed_silent", sessions=closed)
    return closed
