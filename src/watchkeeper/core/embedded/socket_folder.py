"""The private folder of the server's socket, short enough for the system's limit on its path."""

import contextlib
import os
import re
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

from watchkeeper.core.embedded.account import Account, ensure_private_folder
from watchkeeper.core.embedded.errors import DataDirUnusable
from watchkeeper.core.embedded.folder import DataFolder
from watchkeeper.core.embedded.settings import PORT

SOCKET_NAME = f".s.PGSQL.{PORT}"
# 107 bytes on Linux, 103 on macOS; one limit, so that a folder's place doesn't depend on it.
MAX_SOCKET_PATH_BYTES = 103
# Other characters have a meaning in one of the forms that a database URL is written in.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")


def ensure_socket_folder(folder: DataFolder, account: Account) -> Path:
    """Make or check the socket's folder and return it; the same one at every start.

    It lies in the data folder when the path is short and plain and the disk can hold sockets,
    else below /run (root) or /tmp under a name made from the data folder's path.
    Raises `DataDirUnusable` when somebody else owns a folder of that name.
    """
    candidates = list(_candidates(folder))
    for candidate in candidates:
        if len(os.fsencode(candidate / SOCKET_NAME)) > MAX_SOCKET_PATH_BYTES:
            continue
        ensure_private_folder(candidate, account)
        if _can_hold_sockets(candidate):
            return candidate
    raise DataDirUnusable(
        f"None of {', '.join(map(str, candidates))} can hold the database's socket: "
        "give another data folder with --data-dir."
    )


def discard_socket_folder(folder: DataFolder, socket_folder: Path) -> None:
    """Remove a folder outside the data folder when no server needs it any more."""
    if folder.path not in socket_folder.parents:
        with contextlib.suppress(OSError):  # Not empty, or cleaned up by somebody else.
            socket_folder.rmdir()


def _candidates(folder: DataFolder) -> Iterator[Path]:
    inside = folder.path / "run"
    if _PLAIN_PATH.fullmatch(str(inside)):
        yield inside
    if os.geteuid() == 0 and os.access("/run", os.W_OK):
        yield Path("/run", folder.cluster_name)
    yield Path("/tmp", folder.cluster_name)  # noqa: S108


def _can_hold_sockets(folder: Path) -> bool:
    """Some shared folders of virtual machines can't; only trying tells."""
    trial = folder / f".{secrets.token_hex(3)}"
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.bind(str(trial))
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            trial.unlink()
    return True
