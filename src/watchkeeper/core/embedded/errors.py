"""What can keep the embedded database from running, each as one sentence for the terminal.

EmbeddedError
├── DataDirInUse        another service or command holds the folder
├── DataDirUnusable     the folder can't be used: rights, disk, foreign content, path
├── WrongVersion        the cluster belongs to another major version of PostgreSQL
├── AccountUnusable     no unprivileged user can run PostgreSQL for root
└── DatabaseNotStarted  PostgreSQL itself gave up; its own reason is part of the sentence
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class EmbeddedError(Exception):
    """The embedded database can't run; the message is meant for people, without a traceback."""


class DataDirInUse(EmbeddedError):  # noqa: N818
    """Another process holds the data folder."""

    def __init__(self, data_dir: Path, pid: int | None) -> None:
        holder = f"by process {pid}" if pid else "by another process"
        super().__init__(
            f"The data folder '{data_dir}' is already used {holder}: stop that one first, "
            "or give another folder with --data-dir."
        )
        self.pid = pid


class DataDirUnusable(EmbeddedError):  # noqa: N818
    """The folder, or something in it, can't be used."""


class WrongVersion(EmbeddedError):  # noqa: N818
    """The cluster was made by another major version of PostgreSQL."""

    def __init__(self, pgdata: Path, *, found: str, wanted: int) -> None:
        is_newer = found.isdecimal() and int(found) > wanted
        advice = (
            "install the newer Watchkeeper that it belongs to"
            if is_newer
            else "export it with the Watchkeeper that made it and import the export here"
        )
        super().__init__(
            f"The database in '{pgdata}' was made by PostgreSQL {found}, and this Watchkeeper "
            f"brings PostgreSQL {wanted}: {advice}."
        )


class AccountUnusable(EmbeddedError):  # noqa: N818
    """PostgreSQL doesn't run as root, and no other user can be used for it."""


class DatabaseNotStarted(EmbeddedError):  # noqa: N818
    """PostgreSQL ended, or didn't answer in time."""


_SENTENCES = {
    errno.ENOSPC: "The disk that holds '{path}' is full: make room and start again.",
    errno.EDQUOT: "The disk quota for '{path}' is used up: make room and start again.",
    errno.EROFS: "'{path}' is on a read-only disk: give another folder with --data-dir.",
    errno.EACCES: "'{path}' can't be used by this user: change its owner or rights, "
    "or give another folder with --data-dir.",
    errno.EPERM: "'{path}' can't be used by this user: change its owner or rights, "
    "or give another folder with --data-dir.",
    errno.ENOTDIR: "'{path}' can't be used as a folder, because a file of that name is in the way.",
    errno.EEXIST: "'{path}' can't be used as a folder, because a file of that name is in the way.",
    errno.ENAMETOOLONG: "The path '{path}' is too long for this system.",
}


def describe_os_error(error: OSError, path: Path) -> str:
    """One sentence for a failed file operation on `path`, or on the file that the error names."""
    place = error.filename if isinstance(error.filename, str) else str(path)
    fallback = "'{path}' can't be used ({reason})."
    sentence = _SENTENCES.get(error.errno or 0, fallback)
    return sentence.format(path=place, reason=error.strerror or error)


@contextmanager
def os_errors_explained(path: Path) -> Iterator[None]:
    """Turn `OSError` from work on `path` into `DataDirUnusable`."""
    try:
        yield
    except OSError as error:
        raise DataDirUnusable(describe_os_error(error, path)) from error
