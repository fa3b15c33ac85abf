"""Who PostgreSQL runs as: this user, or an unprivileged one when root starts the service."""

import os
import pwd
import re
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from watchkeeper.core.embedded import drop_privileges
from watchkeeper.core.embedded.binaries import Binaries
from watchkeeper.core.embedded.errors import (
    AccountUnusable,
    DataDirUnusable,
    os_errors_explained,
)

# Tried in this order: an own user if the administrator made one, else users that most systems have.
UNPRIVILEGED_USERS = ("watchkeeper", "postgres", "nobody")

CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAP_SETPCAP = 8
# What root needs to run a server as another user: give it its folders, become it, signal it, and
# use its socket (CHOWN, DAC_OVERRIDE, KILL, SETGID, SETUID). Containers may lack any of them.
ROOTS_CAPABILITIES = frozenset({0, CAP_DAC_OVERRIDE, 5, 6, 7})


@dataclass(frozen=True, slots=True)
class Account:
    """An operating system user; `is_other` when this process must change to it (it is root)."""

    name: str
    uid: int
    gid: int
    is_other: bool

    def may(self, path: Path, wanted: int) -> bool:
        """Whether the mode bits of `path` allow `wanted` (4 read, 2 write, 1 execute)."""
        status = path.stat()
        if status.st_uid == self.uid:
            granted = status.st_mode >> 6
        elif status.st_gid == self.gid:
            granted = status.st_mode >> 3
        else:
            granted = status.st_mode
        return granted & wanted == wanted

    def can_reach(self, path: Path) -> bool:
        """Whether every folder above `path` lets this user pass."""
        return all(self.may(folder, 1) for folder in path.parents)


def choose_account(pgdata: Path) -> Account:
    """The user for the cluster in `pgdata`, which may not exist yet.

    An existing cluster keeps its owner, because PostgreSQL insists on it. Raises
    `AccountUnusable` when root finds nobody to run it, `DataDirUnusable` for a cluster of
    somebody else.
    """
    with os_errors_explained(pgdata):
        owner = pgdata.stat().st_uid if pgdata.exists() else None
    own_uid = os.geteuid()
    if own_uid != 0:
        if owner not in (None, own_uid):
            raise DataDirUnusable(
                f"The database in '{pgdata}' belongs to the user {_name(owner)}: "
                "start Watchkeeper as that user, or give another folder with --data-dir."
            )
        return Account(_name(own_uid), own_uid, os.getegid(), is_other=False)
    if owner:
        return Account(_name(owner), owner, _group(owner, pgdata), is_other=True)
    return _first_unprivileged()


def _first_unprivileged() -> Account:
    for name in UNPRIVILEGED_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid, is_other=True)
    raise AccountUnusable(
        "PostgreSQL doesn't run as root, and this system has none of the users "
        f"{', '.join(UNPRIVILEGED_USERS)}: add one (useradd --system watchkeeper), "
        "or start Watchkeeper as an ordinary user."
    )


def _name(uid: int | None) -> str:
    try:
        return pwd.getpwuid(uid or 0).pw_name
    except KeyError:
        return str(uid)


def _group(uid: int, pgdata: Path) -> int:
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return pgdata.stat().st_gid


@dataclass(frozen=True, slots=True)
class Runner:
    """Builds the command lines of PostgreSQL's programs for one account.

    `capability` is what the programs need beyond the account's own rights, None for nothing.
    """

    account: Account
    binaries: Binaries
    capability: int | None

    def command(self, program: str, arguments: Sequence[str]) -> list[str]:
        """The command line that runs `program` as the account."""
        target = [str(self.binaries.program(program)), *arguments]
        if not self.account.is_other:
            return target
        return [
            sys.executable,
            "-I",
            "-S",
            drop_privileges.__file__,
            str(self.account.uid),
            str(self.account.gid),
            "none" if self.capability is None else str(self.capability),
            *target,
        ]


def prepare_runner(account: Account, binaries: Binaries, pgdata: Path) -> Runner:
    """Find out whether the account can reach the programs and its cluster by itself.

    Raises `AccountUnusable` with what to do when it can't and the system grants no way.
    """
    if not account.is_other:
        return Runner(account, binaries, None)
    granted = _granted_capabilities()
    if not granted >= ROOTS_CAPABILITIES:
        raise AccountUnusable(
            f"PostgreSQL doesn't run as root, and this system doesn't let root run it as "
            f"{account.name}: start Watchkeeper as an ordinary user."
        )
    blocked = [path for path in (*binaries.samples, pgdata) if not account.can_reach(path)]
    blocked += [path for path in binaries.samples if not account.may(path, 4)]
    can_execute = account.may(binaries.program("postgres"), 1)
    if can_execute and not blocked:
        return Runner(account, binaries, None)
    # Reading is all that is needed. A program that others may not execute (installed under a
    # strict umask), and containers that don't grant the narrow capability, take the wider one.
    wanted = [CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE] if can_execute else [CAP_DAC_OVERRIDE]
    for capability in wanted:
        if {capability, CAP_SETPCAP} <= granted:
            return Runner(account, binaries, capability)
    place = blocked[0] if blocked else binaries.program("postgres")
    raise AccountUnusable(
        f"PostgreSQL doesn't run as root, and the user {account.name} can't reach '{place}': "
        "move Watchkeeper and its data folder to a place that this user can enter (for instance "
        "below /opt and /var/lib), or start Watchkeeper as an ordinary user."
    )


def _granted_capabilities() -> set[int]:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        # Only Linux divides root's rights; elsewhere root has them all but can't hand one on.
        return set(ROOTS_CAPABILITIES)
    found = re.search(r"^CapPrm:\s*([0-9a-f]+)$", status, re.MULTILINE)
    mask = int(found[1], 16) if found else 0
    return {number for number in range(64) if mask >> number & 1}


def ensure_private_folder(path: Path, account: Account) -> None:
    """Make `path` a folder of mode 0700 that belongs to `account`, or check that it is one.

    The folder is held open between the checks and the changes, so that nobody can put something
    else in its place: it may lie in /tmp. Raises `DataDirUnusable` for somebody else's folder.
    """
    with os_errors_explained(path):
        path.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            status = os.fstat(descriptor)
            if status.st_uid not in (account.uid, os.geteuid()):
                raise DataDirUnusable(
                    f"The folder '{path}' belongs to the user {_name(status.st_uid)} and not to "
                    f"{account.name}: remove it, or give it to {account.name}."
                )
            if stat.S_IMODE(status.st_mode) != 0o700:
                os.fchmod(descriptor, 0o700)
            if status.st_uid != account.uid:
                os.fchown(descriptor, account.uid, account.gid)
        finally:
            os.close(descriptor)
