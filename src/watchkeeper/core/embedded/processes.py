"""Looking at other processes: which of them belong to our cluster."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HAS_PROC = sys.platform == "linux"


@dataclass(frozen=True, slots=True)
class Process:
    """A process of this machine; `command` is its command line or the title it gave itself."""

    pid: int
    uid: int
    command: str


def find_process(pid: int) -> Process | None:
    """The living process `pid`; a process that has ended and waits for its parent is gone."""
    if HAS_PROC:
        return _read_proc(pid)
    return next(_ask_ps("-p", str(pid)), None)


def list_processes() -> Iterator[Process]:
    """All living processes of this machine that this user can see."""
    if not HAS_PROC:
        yield from _ask_ps("-ax")
        return
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (process := _read_proc(int(entry.name))):
            yield process


def _read_proc(pid: int) -> Process | None:
    entry = Path(f"/proc/{pid}")
    try:
        # Empty for a process that has ended (and for the kernel's own threads).
        command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").strip()
        # The entry of a process that changed its user may belong to root; this file tells.
        status = (entry / "status").read_text(errors="replace")
    except OSError:
        return None
    if not command:
        return None
    uid = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1]
    return Process(pid, int(uid), os.fsdecode(command))


def _ask_ps(*selection: str) -> Iterator[Process]:
    answer = subprocess.run(  # noqa: S603
        ["/bin/ps", *selection, "-ww", "-o", "pid=,uid=,stat=,command="],
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )
    for line in answer.stdout.splitlines():
        pid, uid, state, command = line.split(maxsplit=3)
        if not state.startswith("Z"):
            yield Process(int(pid), int(uid), command)
