"""The embedded PostgreSQL of one service: started, watched, restarted, stopped."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from watchkeeper.core.embedded.account import choose_account
from watchkeeper.core.embedded.cluster import prune_logs
from watchkeeper.core.embedded.errors import EmbeddedError
from watchkeeper.core.embedded.folder import DataFolder
from watchkeeper.core.embedded.lock import FileLock, lock_service
from watchkeeper.core.embedded.opening import (
    LOG_FILES_KEPT,
    Database,
    Progress,
    log_progress,
    open_database,
)
from watchkeeper.core.embedded.settings import EmbeddedPostgres

logger = logging.getLogger(__name__)

WATCH_EVERY = timedelta(milliseconds=250)
# The first restart is immediate; a server that can't stay up is tried again less and less often.
RESTART_PAUSES = tuple(timedelta(seconds=pause) for pause in (0, 0.5, 1, 2, 5, 10))
# A server that lived this long counts as one that stays up.
STEADY_AFTER = timedelta(seconds=5)
PRUNE_EVERY = timedelta(minutes=1)


@dataclass(slots=True)
class EmbeddedServer:
    """The embedded PostgreSQL of a running service.

    `dsn` is the service's URL and stays the same over restarts; `admin_dsn` is the superuser's,
    for maintenance and benches.
    """

    dsn: str
    admin_dsn: str = field(repr=False)
    _database: Database = field(repr=False)
    _lock: FileLock = field(repr=False)
    _on_restart: Callable[[], Awaitable[None]] | None = field(default=None, repr=False)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _change: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @classmethod
    async def start(
        cls,
        data_dir: Path,
        *,
        on_restart: Callable[[], Awaitable[None]] | None = None,
        on_progress: Progress = log_progress,
        settings: EmbeddedPostgres | None = None,
        durable: bool = True,
    ) -> "EmbeddedServer":
        """Have the database of `data_dir` running and the folder held against other services.

        `on_restart` is awaited after `watch` has replaced a dead server; `on_progress` gets lines
        for people while a first start takes its time; `durable=False` gives a fast cluster that a
        power cut may destroy, for tests, and is refused on a cluster that was made without it.
        Raises `EmbeddedError` (`DataDirInUse` when another service holds the folder).
        """
        settings = settings or EmbeddedPostgres(data_dir)
        settings = replace(settings, data_dir=data_dir, durable=durable and settings.durable)
        folder = DataFolder.at(data_dir)
        await asyncio.to_thread(folder.create, choose_account(folder.pgdata))
        lock = await lock_service(folder)
        try:
            database = await open_database(settings, on_progress)
        except BaseException:
            lock.release()
            raise
        return cls(
            dsn=database.passwords.service_dsn(database.socket_folder),
            admin_dsn=database.passwords.admin_dsn(database.socket_folder),
            _database=database,
            _lock=lock,
            _on_restart=on_restart,
        )

    @property
    def pid(self) -> int:
        """The process id of the server that runs at the moment."""
        return self._database.postmaster.pid

    async def stop(self) -> None:
        """Stop the server cleanly and let the folder go; `watch` ends by itself."""
        self._stopping.set()
        async with self._change:
            # A second call must not touch the server of whoever took the folder over meanwhile.
            if not self._lock.is_held:
                return
            try:
                await self._database.close()
            finally:
                self._lock.release()

    async def watch(self) -> None:
        """Replace a server that died, or whose socket was removed, until `stop` is called.

        A start that fails is tried again, with growing pauses, for as long as it takes.
        """
        rounds_to_prune = PRUNE_EVERY // WATCH_EVERY
        rounds = failures = steady_rounds = 0
        while not await self._is_stopped_within(WATCH_EVERY):
            rounds += 1
            if rounds % rounds_to_prune == 0:
                prune_logs(self._database.folder, keep=LOG_FILES_KEPT)
            if self._database.is_healthy():
                steady_rounds += 1
                continue
            if steady_rounds >= STEADY_AFTER // WATCH_EVERY:
                failures = 0
            steady_rounds = 0
            pause = RESTART_PAUSES[min(failures, len(RESTART_PAUSES) - 1)]
            failures += 1
            if not await self._is_stopped_within(pause):
                await self._replace_server()

    async def _is_stopped_within(self, pause: timedelta) -> bool:
        try:
            async with asyncio.timeout(pause.total_seconds()):
                return await self._stopping.wait()
        except TimeoutError:
            return self._stopping.is_set()

    async def _replace_server(self) -> None:
        async with self._change:
            if self._stopping.is_set() or not await self._restart():
                return
        if self._on_restart is not None:
            await self._on_restart()

    async def _restart(self) -> bool:
        database = self._database
        if database.postmaster.is_alive():
            logger.warning("PostgreSQL's socket was removed; it is restarted")
            await database.postmaster.stop()
        else:
            logger.warning("PostgreSQL (%d) has died; it is restarted", database.postmaster.pid)
        try:
            await database.start_again()
        except EmbeddedError as error:
            logger.error("PostgreSQL can't be restarted: %s", error)
            return False
        logger.info("PostgreSQL runs again (%d)", database.postmaster.pid)
        return True
