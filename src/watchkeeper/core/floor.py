"""Everything a domain stands on, opened and closed as one."""

import asyncio
from dataclasses import dataclass, field

import structlog

from watchkeeper.core.auth import TokenSigner
from watchkeeper.core.background import BackgroundTasks
from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.metrics import Metrics
from watchkeeper.core.offload import Executor
from watchkeeper.core.realtime import Listener
from watchkeeper.core.secrets import Secrets

log = structlog.get_logger(__name__)

_LISTENER_WAIT_SECONDS = 5.0


@dataclass(slots=True)
class Floor:
    """The parts of `core` that one service shares."""

    clock: Clock
    database: Database
    metrics: Metrics
    secrets: Secrets
    signer: TokenSigner
    hashing: Executor
    listener: Listener
    background: BackgroundTasks = field(default_factory=BackgroundTasks)

    async def open(self) -> None:
        """Connect to the database and begin to listen.

        Without a listening connection within 5 s it goes on: `/readyz` says so until there is one.
        """
        await self.database.open()
        self.background.start("listener", self.listener.run)
        self.background.start("clock", self.database.keep_clock)
        try:
            async with asyncio.timeout(_LISTENER_WAIT_SECONDS):
                await self.listener.connected.wait()
        except TimeoutError:
            log.warning("listener.late", waited_seconds=_LISTENER_WAIT_SECONDS)

    async def close(self) -> None:
        """End the background tasks and close every connection; also after a failed `open`."""
        await self.background.stop()
        self.hashing.close()
        await self.database.close()
