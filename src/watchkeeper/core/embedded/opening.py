"""From a folder to a running server: prepared, made if new, adopted or started, provisioned."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import asyncpg

from watchkeeper.core.embedded.account import (
    Account,
    Runner,
    choose_account,
    ensure_private_folder,
    prepare_runner,
)
from watchkeeper.core.embedded.binaries import find_binaries
from watchkeeper.core.embedded.cluster import (
    ClusterState,
    create_cluster,
    has_cluster,
    prune_logs,
    set_superuser_password,
    take_over,
)
from watchkeeper.core.embedded.errors import (
    DatabaseNotStarted,
    DataDirUnusable,
    os_errors_explained,
)
from watchkeeper.core.embedded.folder import DataFolder
from watchkeeper.core.embedded.passwords import Passwords, create_passwords, find_passwords
from watchkeeper.core.embedded.postmaster import (
    START_LIMIT,
    PidFile,
    Postmaster,
    find_postmaster,
    start_postmaster,
    was_started_with,
)
from watchkeeper.core.embedded.provision import CONNECTION_ERRORS, provision
from watchkeeper.core.embedded.settings import EmbeddedPostgres
from watchkeeper.core.embedded.socket_folder import (
    SOCKET_NAME,
    discard_socket_folder,
    ensure_socket_folder,
)
from watchkeeper.core.embedded.waiting import holds_within

logger = logging.getLogger(__name__)

LOG_FILES_KEPT = 5
PROBE_LIMIT = timedelta(seconds=5)
HUNG_LIMIT = timedelta(seconds=1)

Progress = Callable[[str], None]


def log_progress(line: str) -> None:
    """Say what a start is busy with, in the log."""
    logger.info("%s", line)


@dataclass(slots=True)
class Database:
    """A prepared folder and the server on it, without the question of who holds the lock."""

    folder: DataFolder
    runner: Runner
    settings: EmbeddedPostgres
    passwords: Passwords
    socket_folder: Path
    postmaster: Postmaster

    async def start_again(self) -> None:
        """Bring a server up after the last one ended; raises `EmbeddedError`."""
        await asyncio.to_thread(ensure_socket_folder, self.folder, self.runner.account)
        arguments = self.settings.arguments(self.folder, self.socket_folder)
        self.postmaster = await start_postmaster(
            self.folder, self.runner, self.socket_folder, arguments
        )

    async def close(self) -> None:
        """Stop the server cleanly."""
        await self.postmaster.stop()
        discard_socket_folder(self.folder, self.socket_folder)

    def is_healthy(self) -> bool:
        """Whether the server runs and can be reached through its socket."""
        return self.postmaster.is_alive() and (self.socket_folder / SOCKET_NAME).exists()


async def open_database(settings: EmbeddedPostgres, on_progress: Progress) -> Database:
    """Make the cluster if there is none, and adopt or start its server.

    The caller holds the service's lock. Raises `EmbeddedError`.
    """
    folder = DataFolder.at(settings.data_dir)
    account = choose_account(folder.pgdata)
    runner, socket_folder = await asyncio.to_thread(_prepare, folder, account)
    passwords = await _ensure_cluster(folder, runner, settings, on_progress)
    settings = _like_the_cluster(settings, folder)
    prune_logs(folder, keep=LOG_FILES_KEPT)
    arguments = settings.arguments(folder, socket_folder)
    postmaster = await _adopt(folder, account, arguments)
    if postmaster is None:
        postmaster = await start_postmaster(folder, runner, socket_folder, arguments)
    try:
        await _probe(folder, passwords.admin_dsn(socket_folder, "postgres"))
        await provision(folder, socket_folder, passwords)
    except BaseException:
        await asyncio.shield(postmaster.stop())
        raise
    return Database(folder, runner, settings, passwords, socket_folder, postmaster)


def _prepare(folder: DataFolder, account: Account) -> tuple[Runner, Path]:
    folder.create(account)
    runner = prepare_runner(account, find_binaries(), folder.pgdata)
    ensure_private_folder(folder.logs, account)
    return runner, ensure_socket_folder(folder, account)


async def _ensure_cluster(
    folder: DataFolder, runner: Runner, settings: EmbeddedPostgres, on_progress: Progress
) -> Passwords:
    is_there = has_cluster(folder, runner.binaries.major)
    passwords = find_passwords(folder)
    if not is_there:
        on_progress("Creating the database (first start only) ...")
        passwords = passwords or create_passwords(folder)
        await create_cluster(folder, runner, passwords, durable=settings.durable)
        return passwords
    await asyncio.to_thread(take_over, folder, runner.account)
    if passwords is None:
        logger.warning("The database's passwords were lost; new ones are set")
        running = find_postmaster(folder, runner.account)
        if running is not None:
            await running.stop()
        passwords = create_passwords(folder)
        await set_superuser_password(folder, runner, passwords)
    return passwords


def _like_the_cluster(settings: EmbeddedPostgres, folder: DataFolder) -> EmbeddedPostgres:
    """A cluster stays what it was made as: for a service, or for tests."""
    durable = ClusterState.read(folder).durable
    if durable and not settings.durable:
        raise DataDirUnusable(
            f"The database in '{folder.pgdata}' holds real data and isn't run without fsync: "
            "give an empty folder."
        )
    if not durable and settings.durable:
        logger.warning("The database was made for tests: a power cut can destroy it")
    return replace(settings, durable=durable)


async def _adopt(folder: DataFolder, account: Account, arguments: list[str]) -> Postmaster | None:
    """Use the server that a killed service left, if it is sound and set up as we would do it."""
    found = find_postmaster(folder, account)
    if found is None:
        return None
    if not was_started_with(folder, arguments):
        logger.info("The running PostgreSQL (%d) has other settings; it is restarted", found.pid)
        await found.stop()
        return None

    def is_decided() -> bool:
        noted = PidFile.find(folder)
        return noted is None or noted.status != "starting" or not found.is_alive()

    await holds_within(is_decided, START_LIMIT)
    noted = PidFile.find(folder)
    if noted is None or noted.status != "ready" or not found.is_alive():
        await found.stop()
        return None
    passwords = find_passwords(folder)
    assert passwords is not None
    try:
        await _probe(folder, passwords.admin_dsn(noted.socket_folder, "postgres"))
    except DatabaseNotStarted as error:
        logger.warning("The running PostgreSQL (%d) is replaced: %s", found.pid, error)
        await found.stop(HUNG_LIMIT)
        return None
    logger.info("Using the PostgreSQL that is already running (%d)", found.pid)
    return found


async def _probe(folder: DataFolder, dsn: str) -> None:
    """Connect once and make sure that it is our cluster that answers.

    Raises `DataDirUnusable` when our password is refused, `DatabaseNotStarted` for any other
    reason.
    """
    try:
        async with asyncio.timeout(PROBE_LIMIT.total_seconds()):
            connection = await asyncpg.connect(dsn)
            try:
                served = await connection.fetchval("SHOW data_directory")
            finally:
                await connection.close()
    except asyncpg.InvalidPasswordError as error:
        raise DataDirUnusable(
            f"The passwords in '{folder.secrets}' aren't the database's: delete its files whose "
            "names begin with 'postgres', and the next start sets new ones."
        ) from error
    except CONNECTION_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise DatabaseNotStarted(f"PostgreSQL doesn't answer: {reason}") from error
    with os_errors_explained(folder.pgdata):
        if not folder.pgdata.samefile(served):
            raise DatabaseNotStarted(f"PostgreSQL serves '{served}', not '{folder.pgdata}'.")
