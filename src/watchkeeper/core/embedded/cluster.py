"""Making the cluster, once, and knowing what was done to it since."""

import contextlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from watchkeeper.core.embedded.account import Account, Runner, ensure_private_folder
from watchkeeper.core.embedded.errors import DataDirUnusable, WrongVersion, os_errors_explained
from watchkeeper.core.embedded.folder import DataFolder, sync_folder
from watchkeeper.core.embedded.passwords import Passwords
from watchkeeper.core.embedded.programs import run_program
from watchkeeper.core.embedded.settings import SUPERUSER

STAGING_PREFIX = ".postgres-new-"


@dataclass(frozen=True, slots=True)
class ClusterState:
    """What was done to the cluster; kept beside it in the data folder.

    `provisioned` counts the steps of `provision`; `durable` is False for clusters of tests.
    """

    durable: bool
    provisioned: int

    @classmethod
    def read(cls, folder: DataFolder) -> "ClusterState":
        """The noted state. Without a readable note everything is done again, which is harmless."""
        try:
            document = json.loads(folder.state.read_text())
            return cls(bool(document["durable"]), int(document["provisioned"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return cls(durable=True, provisioned=0)
        except OSError as error:
            raise DataDirUnusable(f"'{folder.state}' can't be read ({error.strerror}).") from error

    def write(self, folder: DataFolder) -> None:
        """Note the state, surviving a power cut."""
        folder.write_private(folder.state, json.dumps(asdict(self)) + "\n")


def has_cluster(folder: DataFolder, major: int) -> bool:
    """Whether there is a complete cluster of our version.

    Raises `WrongVersion` for another version and `DataDirUnusable` for other content.
    """
    with os_errors_explained(folder.pgdata):
        if not folder.pgdata.exists():
            return False
        version_file = folder.pgdata / "PG_VERSION"
        if not version_file.exists():
            if any(folder.pgdata.iterdir()):
                raise DataDirUnusable(
                    f"'{folder.pgdata}' holds files that aren't a PostgreSQL database: move them "
                    "away, or give another folder with --data-dir."
                )
            folder.pgdata.rmdir()
            return False
        found = version_file.read_text().strip()
    if found != str(major):
        raise WrongVersion(folder.pgdata, found=found, wanted=major)
    return True


async def create_cluster(
    folder: DataFolder, runner: Runner, passwords: Passwords, *, durable: bool
) -> None:
    """Make the cluster in a folder of its own and put it in place when it is complete.

    So a start that was killed in the middle leaves nothing that looks like a cluster.
    """
    staging = make_staging(folder, runner.account)
    try:
        pgdata = staging / "pgdata"
        password_file = staging / "password"
        _write_for(runner.account, password_file, passwords.superuser + "\n")
        options = [
            *("--pgdata", str(pgdata), "--username", SUPERUSER, "--pwfile", str(password_file)),
            # Every connection needs its role's password, also on the socket: nothing is trusted.
            *("--auth-local", "scram-sha-256", "--auth-host", "reject"),
            # The same order of text on every machine, whatever its own language is.
            *("--encoding", "UTF8", "--locale", "C"),
            *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            *("--data-checksums", "--no-instructions"),
        ]
        await run_program(runner, "initdb", [*options, *([] if durable else ["--no-sync"])])
        ClusterState(durable=durable, provisioned=0).write(folder)
        with os_errors_explained(folder.pgdata):
            pgdata.rename(folder.pgdata)
            sync_folder(folder.path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def make_staging(folder: DataFolder, account: Account) -> Path:
    """A new empty folder for the making of a cluster; what a killed start left is removed."""
    with os_errors_explained(folder.path):
        for leftover in folder.path.glob(f"{STAGING_PREFIX}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=folder.path))
    ensure_private_folder(staging, account)
    return staging


def _write_for(account: Account, path: Path, text: str) -> None:
    """Write a private file that the account can read."""
    with os_errors_explained(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            if account.is_other:
                os.fchown(descriptor, account.uid, account.gid)


def take_over(folder: DataFolder, account: Account) -> None:
    """Give a cluster that root restored from a backup to the user that PostgreSQL runs as.

    Its logs go along: PostgreSQL appends to the one of this very second, if there is one.
    """
    with os_errors_explained(folder.pgdata):
        if not account.is_other or folder.pgdata.stat().st_uid == account.uid:
            return
        _give_away(folder.logs, account)
        _give_away(folder.pgdata, account)
        os.chown(folder.pgdata, account.uid, account.gid)
        folder.pgdata.chmod(0o700)


def _give_away(tree: Path, account: Account) -> None:
    """Change the owner of all that is in a folder, if there is such a folder."""
    # From the inside out, so that a folder is given away after all that is in it.
    for parent, folders, files in os.walk(tree, topdown=False):
        for name in (*folders, *files):
            # Links are given away themselves, never what they point to.
            os.chown(Path(parent, name), account.uid, account.gid, follow_symlinks=False)


async def set_superuser_password(folder: DataFolder, runner: Runner, passwords: Passwords) -> None:
    """Set the superuser's password in a stopped cluster, for instance when its file was lost."""
    statement = f"ALTER ROLE {SUPERUSER} PASSWORD '{passwords.superuser}';\n"
    await run_program(
        runner, "postgres", ["--single", "-D", str(folder.pgdata), "postgres"], given=statement
    )
    state = ClusterState.read(folder)
    ClusterState(durable=state.durable, provisioned=0).write(folder)


def prune_logs(folder: DataFolder, *, keep: int) -> None:
    """Delete all but the newest `keep` log files; their names sort by time."""
    with contextlib.suppress(OSError):  # An administrator's clean-up at the same time is fine.
        for old in sorted(folder.logs.glob("postgresql-*.log"))[:-keep]:
            old.unlink(missing_ok=True)
