"""The database for commands beside the service: its running server, or one for the moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from watchkeeper.core.embedded.account import choose_account
from watchkeeper.core.embedded.errors import DataDirInUse
from watchkeeper.core.embedded.folder import DataFolder
from watchkeeper.core.embedded.lock import FileLock, lock_holder, try_lock, try_lock_service
from watchkeeper.core.embedded.opening import Database, Progress, log_progress, open_database
from watchkeeper.core.embedded.passwords import find_passwords
from watchkeeper.core.embedded.postmaster import PidFile, find_postmaster
from watchkeeper.core.embedded.settings import EmbeddedPostgres
from watchkeeper.core.embedded.waiting import holds_within

# A service that is just starting answers within this time, also on its first start.
ATTACH_LIMIT = timedelta(seconds=60)


async def find_running(data_dir: Path) -> str | None:
    """The URL of the embedded database that runs on `data_dir`; None when none takes connections.

    Raises `EmbeddedError` when the folder or its passwords can't be read by this user.
    """
    return await asyncio.to_thread(_find_running, DataFolder.at(data_dir))


def _find_running(folder: DataFolder) -> str | None:
    if not folder.path.exists():
        return None
    account = choose_account(folder.pgdata)
    if find_postmaster(folder, account) is None:
        return None
    noted = PidFile.find(folder)
    passwords = find_passwords(folder)
    if noted is None or noted.status != "ready" or passwords is None:
        return None
    return passwords.service_dsn(noted.socket_folder)


@asynccontextmanager
async def attached(data_dir: Path, *, on_progress: Progress = log_progress) -> AsyncIterator[str]:
    """The URL of the database for the time of a command.

    A running server is used; else one is started and stopped afterwards, unless a service or
    another command uses it by then. Raises `EmbeddedError`.
    """
    folder = DataFolder.at(data_dir)
    await asyncio.to_thread(folder.create, choose_account(folder.pgdata))
    mine = await _share_commands_lock(folder)
    started: list[Database] = []
    try:
        yield await _find_or_start(folder, started, on_progress)
    finally:
        mine.release()
        await asyncio.shield(_stop_if_last(folder, started))


async def _share_commands_lock(folder: DataFolder) -> FileLock:
    taken: list[FileLock] = []

    def is_taken() -> bool:
        lock = try_lock(folder, folder.commands_lock, shared=True)
        taken.extend([lock] if lock else [])
        return bool(taken)

    if not await holds_within(is_taken, ATTACH_LIMIT):
        raise DataDirInUse(folder.path, None)
    return taken[0]


async def _find_or_start(folder: DataFolder, started: list[Database], on_progress: Progress) -> str:
    """Whoever gets the service's lock starts the server; the others wait for it to appear."""
    held: list[FileLock] = []
    found: list[str] = []

    def is_decided() -> bool:
        lock = try_lock_service(folder, "command")
        if lock is not None:
            held.append(lock)
            return True
        dsn = _find_running(folder)
        found.extend([dsn] if dsn else [])
        return bool(found)

    await holds_within(is_decided, ATTACH_LIMIT)
    if found:
        return found[0]
    if not held:
        raise DataDirInUse(folder.path, lock_holder(folder)[0])
    try:
        database = await open_database(EmbeddedPostgres(folder.path), on_progress)
        started.append(database)
        return database.passwords.service_dsn(database.socket_folder)
    finally:
        held[0].release()


async def _stop_if_last(folder: DataFolder, started: list[Database]) -> None:
    """Stop a server that nobody needs any more: no other command, and no service."""
    commands = try_lock(folder, folder.commands_lock)
    service = try_lock_service(folder, "command") if commands else None
    try:
        if service is not None:
            await _stop(folder, started)
        else:
            for database in started:
                database.postmaster.leave_running()
    finally:
        for lock in (service, commands):
            if lock is not None:
                lock.release()


async def _stop(folder: DataFolder, started: list[Database]) -> None:
    for database in started:
        await database.close()
    # The one that started the server may have gone first and left it to us.
    running = find_postmaster(folder, choose_account(folder.pgdata))
    if running is not None:
        await running.stop()
