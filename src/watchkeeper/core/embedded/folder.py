"""What lies where in the data folder, and how the folder is made."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from watchkeeper.core.embedded.account import Account
from watchkeeper.core.embedded.errors import DataDirUnusable, os_errors_explained

# PostgreSQL keeps paths in 1 024 bytes and silently cuts longer ones; the deepest file of a
# cluster needs about 100 of them.
MAX_PATH_BYTES = 900


def default_data_dir() -> Path:
    """The platform's folder for the user's data, used when no data folder is given."""
    return platformdirs.user_data_path("watchkeeper", appauthor=False)


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The data folder; `path` is absolute and free of symbolic links."""

    path: Path

    @classmethod
    def at(cls, data_dir: Path) -> "DataFolder":
        """Name the folder without touching it.

        Raises `DataDirUnusable` for a path that PostgreSQL can't hold, or that is no folder.
        """
        try:
            expanded = data_dir.expanduser()
        except RuntimeError as error:
            raise DataDirUnusable(f"'{data_dir}' names a user that doesn't exist.") from error
        with os_errors_explained(data_dir):
            path = expanded.resolve()
            if path.exists() and not path.is_dir():
                raise DataDirUnusable(f"'{path}' is a file, and a data folder is wanted.")
        encoded = os.fsencode(path)
        if len(encoded) > MAX_PATH_BYTES or b"\n" in encoded or b"\r" in encoded:
            raise DataDirUnusable(
                f"The path of the data folder '{path}' is longer than {MAX_PATH_BYTES} bytes or "
                "holds a line break: give another folder with --data-dir."
            )
        return cls(path)

    @property
    def pgdata(self) -> Path:
        """The cluster; exists only when complete."""
        return self.path / "postgres"

    @property
    def logs(self) -> Path:
        """PostgreSQL's own log files."""
        return self.path / "log"

    @property
    def secrets(self) -> Path:
        """The passwords of the database's roles."""
        return self.path / "secrets"

    @property
    def service_lock(self) -> Path:
        """Held by the one service, or shortly by a command that starts or stops the database."""
        return self.path / "service.lock"

    @property
    def commands_lock(self) -> Path:
        """Shared by the commands that use the database at the moment."""
        return self.path / "commands.lock"

    @property
    def state(self) -> Path:
        """What was already done to the cluster (`cluster.ClusterState`)."""
        return self.path / "postgres.json"

    @property
    def key(self) -> str:
        """Names the folder in places outside it: 16 hexadecimal digits made from its path."""
        return hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]

    @property
    def cluster_name(self) -> str:
        """Stands in the titles of PostgreSQL's processes, by which they are recognised."""
        return f"watchkeeper-{self.key}"

    def create(self, account: Account) -> None:
        """Make the folder unless it exists; an existing one keeps its owner and mode.

        It is private (0700). When root makes it, the group of PostgreSQL's user may pass through
        (0710), because the cluster inside belongs to that user.
        """
        with os_errors_explained(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self.path.mkdir(mode=0o700)
            except FileExistsError:
                return
            if account.is_other:
                os.chown(self.path, -1, account.gid)
                self.path.chmod(0o710)

    def write_private(self, path: Path, text: str) -> None:
        """Write a file of mode 0600 completely or not at all, owned like the data folder."""
        with os_errors_explained(path):
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
            try:
                with os.fdopen(descriptor, "w") as file:
                    file.write(text)
                    file.flush()
                    self.own(file.fileno())
                    os.fsync(file.fileno())
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            sync_folder(path.parent)

    def own(self, descriptor: int) -> None:
        """Give a file that root made to the data folder's owner, who may start the service next."""
        if os.geteuid() == 0:
            status = self.path.stat()
            os.fchown(descriptor, status.st_uid, status.st_gid)


def sync_folder(path: Path) -> None:
    """Make a rename inside `path` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
