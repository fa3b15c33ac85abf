"""The server process: starting it, recognising one that runs, ending it."""

import logging
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, cast

from watchkeeper.core.embedded.account import Account, Runner
from watchkeeper.core.embedded.errors import (
    DatabaseNotStarted,
    DataDirUnusable,
    os_errors_explained,
)
from watchkeeper.core.embedded.folder import DataFolder
from watchkeeper.core.embedded.processes import find_process, list_processes
from watchkeeper.core.embedded.programs import clean_environment, find_reason
from watchkeeper.core.embedded.waiting import holds_within

logger = logging.getLogger(__name__)

# Recovery replays at most `max_wal_size`, and a slow disk takes minutes for it.
START_LIMIT = timedelta(minutes=5)
# A fast stop writes a checkpoint; a system that shuts down doesn't wait much longer.
STOP_LIMIT = timedelta(seconds=30)
QUIT_LIMIT = timedelta(seconds=5)

# Servers that this process left to others. The objects are kept, because Python warns about one
# that goes away before its process does.
_left_running: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, slots=True)
class PidFile:
    """What a server says about itself in `postmaster.pid`."""

    pid: int
    socket_folder: Path
    status: str

    @classmethod
    def find(cls, folder: DataFolder) -> "PidFile | None":
        """Read the file; None when there is none, or it is only half written."""
        with os_errors_explained(folder.pgdata):
            try:
                lines = (folder.pgdata / "postmaster.pid").read_text().splitlines()
            except (FileNotFoundError, NotADirectoryError):
                return None
        try:
            return cls(int(lines[0]), Path(lines[4]), lines[7].strip())
        except (IndexError, ValueError):
            return None


@dataclass(slots=True)
class Postmaster:
    """A running server: our child when `child` is set, else one that was found running."""

    pid: int
    folder: DataFolder
    account: Account
    child: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def is_alive(self) -> bool:
        """Whether the process still runs and is still the server."""
        if self.child is not None:
            return self.child.poll() is None
        return _is_postmaster(self.pid, self.folder, self.account)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if self.is_alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def leave_running(self) -> None:
        """Stop caring about the process: somebody else uses it, or it is ending by itself."""
        if self.child is not None and self.child.poll() is None:
            _left_running.append(self.child)

    async def stop(self, patience: timedelta = STOP_LIMIT) -> None:
        """Stop the server fast and cleanly; one that doesn't obey is killed, which loses nothing.

        The processes that it leaves are ended too.
        """
        for number, limit in (
            (signal.SIGINT, patience),
            (signal.SIGQUIT, QUIT_LIMIT),
            (signal.SIGKILL, QUIT_LIMIT),
        ):
            self.send(number)
            if await holds_within(lambda: not self.is_alive(), limit):
                break
            logger.warning("PostgreSQL (%d) didn't stop on %s", self.pid, number.name)
        await end_orphans(self.folder, self.account)


def _is_postmaster(pid: int, folder: DataFolder, account: Account) -> bool:
    process = find_process(pid)
    return (
        process is not None
        and process.uid == account.uid
        and f"cluster_name={folder.cluster_name} " in process.command
    )


def find_postmaster(folder: DataFolder, account: Account) -> Postmaster | None:
    """The server that runs on the folder, started by whomever; None when there is none."""
    noted = PidFile.find(folder)
    if noted is None or not _is_postmaster(noted.pid, folder, account):
        return None
    return Postmaster(noted.pid, folder, account)


def was_started_with(folder: DataFolder, arguments: Sequence[str]) -> bool:
    """Whether the running server's command line is the one that we would use."""
    with os_errors_explained(folder.pgdata):
        try:
            noted = (folder.pgdata / "postmaster.opts").read_text().rstrip("\n")
        except FileNotFoundError:
            return False
    return noted.endswith("".join(f' "{argument}"' for argument in arguments))


async def end_orphans(folder: DataFolder, account: Account) -> None:
    """End what a killed server left: processes that still hold its shared memory.

    Most end by themselves; one in the middle of a long query doesn't notice for its duration.
    """
    prefix = f"postgres: {folder.cluster_name}: "

    def orphans() -> list[int]:
        return [
            process.pid
            for process in list_processes()
            if process.uid == account.uid and process.command.startswith(prefix)
        ]

    for number in (signal.SIGQUIT, signal.SIGKILL):
        for pid in orphans():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        if await holds_within(lambda: not orphans(), timedelta(seconds=1)):
            return


def clear_traces(folder: DataFolder, account: Account, socket_folder: Path) -> None:
    """Let a new server start after a killed one; only called when none runs.

    PostgreSQL refuses to start when the process id that the old one noted is in use, and after a
    restart of the machine or of a container it often is, by anything. With our own id in its
    place it goes on, but still looks whether the old server's shared memory is in use.
    """
    pid_file = folder.pgdata / "postmaster.pid"
    with os_errors_explained(pid_file):
        _rewrite_pid(pid_file, account)
    for leftover in socket_folder.glob(".s.PGSQL.*"):
        with os_errors_explained(leftover):
            leftover.unlink(missing_ok=True)


def _rewrite_pid(pid_file: Path, account: Account) -> None:
    try:
        # Root writes into a folder of another user here, who must not lead it astray by a link.
        descriptor = os.open(pid_file, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "r+") as file:
        status = os.fstat(descriptor)
        if status.st_uid != account.uid or status.st_nlink != 1:
            raise DataDirUnusable(f"'{pid_file}' isn't PostgreSQL's own file: remove it.")
        _, _, rest = file.read().partition("\n")
        file.seek(0)
        file.write(f"{os.getpid()}\n{rest}")
        file.truncate()


async def start_postmaster(
    folder: DataFolder, runner: Runner, socket_folder: Path, arguments: Sequence[str]
) -> Postmaster:
    """Start a server and wait until it takes connections.

    Raises `DatabaseNotStarted` with PostgreSQL's own reason.
    """
    await end_orphans(folder, runner.account)
    clear_traces(folder, runner.account, socket_folder)
    with _first_words(folder) as first_words:
        postmaster = _spawn(folder, runner, arguments, first_words)
        try:
            await _wait_until_ready(postmaster)
        except BaseException:
            postmaster.send(signal.SIGINT)
            postmaster.leave_running()
            raise
        if not postmaster.is_alive():
            reason = _find_start_reason(folder, first_words)
            raise DatabaseNotStarted(f"PostgreSQL didn't start: {reason}")
    return postmaster


async def _wait_until_ready(postmaster: Postmaster) -> None:
    """Wait until the server takes connections or has ended."""

    def is_decided() -> bool:
        noted = PidFile.find(postmaster.folder)
        is_ready = noted is not None and noted.pid == postmaster.pid and noted.status == "ready"
        return is_ready or not postmaster.is_alive()

    if await holds_within(is_decided, timedelta(seconds=3)):
        return
    logger.info("The database is recovering from a crash; this can take minutes ...")
    if not await holds_within(is_decided, START_LIMIT):
        await postmaster.stop(QUIT_LIMIT)
        raise DatabaseNotStarted(f"PostgreSQL wasn't ready within {START_LIMIT}.")


def _first_words(folder: DataFolder) -> BinaryIO:
    """A file without a name for what PostgreSQL says before its log files are open."""
    with os_errors_explained(folder.path):
        return cast("BinaryIO", tempfile.TemporaryFile(dir=folder.path))


def _spawn(
    folder: DataFolder, runner: Runner, arguments: Sequence[str], output: BinaryIO
) -> Postmaster:
    # A session of its own keeps Ctrl-C in a terminal away from it: the service stops it.
    child = subprocess.Popen(  # noqa: S603
        runner.command("postgres", arguments),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=clean_environment(),
        start_new_session=True,
        close_fds=True,
        cwd="/",
    )
    return Postmaster(child.pid, folder, runner.account, child)


def _find_start_reason(folder: DataFolder, first_words: BinaryIO) -> str:
    """PostgreSQL's last words: before its log files were open, or in the newest of them."""
    first_words.seek(0)
    newest = sorted(folder.logs.glob("postgresql-*.log"))[-1:]
    texts = [
        content[-20_000:].decode(errors="replace")
        for content in (first_words.read(), *(path.read_bytes() for path in newest))
    ]
    for text in texts:
        if "FATAL:" in text or "PANIC:" in text:
            return find_reason(text)
    return find_reason(texts[0])
