"""Advisory locks on files of the data folder; the kernel drops them however a process ends."""

import fcntl
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from watchkeeper.core.embedded.errors import DataDirInUse, os_errors_explained
from watchkeeper.core.embedded.folder import DataFolder
from watchkeeper.core.embedded.waiting import holds_within

Role = Literal["service", "command"]

# Commands hold the service's lock only while they start or stop the database; the first start on
# a slow disk takes the longest.
COMMAND_PATIENCE = timedelta(seconds=60)


@dataclass(slots=True)
class FileLock:
    """A held lock. The file stays when it is released: removing it would let two hold it."""

    descriptor: int | None

    @property
    def is_held(self) -> bool:
        """False once it was released."""
        return self.descriptor is not None

    def release(self) -> None:
        """Let go; a second time does nothing."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def try_lock(folder: DataFolder, path: Path, *, shared: bool = False) -> FileLock | None:
    """Take the lock on `path` if it is free, without waiting."""
    with os_errors_explained(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            folder.own(descriptor)
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
    return FileLock(descriptor)


def try_lock_service(folder: DataFolder, role: Role) -> FileLock | None:
    """Take the service's lock if it is free, and note the process id and role in it."""
    lock = try_lock(folder, folder.service_lock)
    if lock is not None and lock.descriptor is not None:
        with os_errors_explained(folder.service_lock):
            os.ftruncate(lock.descriptor, 0)
            os.pwrite(lock.descriptor, f"{os.getpid()}\n{role}\n".encode(), 0)
    return lock


async def lock_service(folder: DataFolder) -> FileLock:
    """Take the lock for the service, waiting for commands but not for another service.

    Raises `DataDirInUse`, which names the holder's process id.
    """
    taken: list[FileLock] = []

    def is_decided() -> bool:
        lock = try_lock_service(folder, "service")
        if lock is not None:
            taken.append(lock)
            return True
        return lock_holder(folder)[1] == "service"

    await holds_within(is_decided, COMMAND_PATIENCE)
    if not taken:
        raise DataDirInUse(folder.path, lock_holder(folder)[0])
    return taken[0]


def lock_holder(folder: DataFolder) -> tuple[int | None, str]:
    """Process id and role that the last holder of the service's lock noted."""
    try:
        lines = folder.service_lock.read_text().split()
        return int(lines[0]), lines[1]
    except (OSError, ValueError, IndexError):
        return None, ""
