"""Memory and processor time of the service and its database, read from /proc.

Where there is no /proc (macOS) everything answers None, and the figures are left out.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """The part of /proc/PID/stat that benches need."""

    parent_pid: int
    cpu_seconds: float
    ended_children_cpu_seconds: float


def parse_stat(text: str, ticks_per_second: int) -> ProcessStat:
    """Read one line of /proc/PID/stat; the command's name may hold spaces and parentheses."""
    fields = text.rpartition(")")[2].split()
    user, system, children_user, children_system = (int(field) for field in fields[11:15])
    return ProcessStat(
        parent_pid=int(fields[1]),
        cpu_seconds=(user + system) / ticks_per_second,
        ended_children_cpu_seconds=(children_user + children_system) / ticks_per_second,
    )


def _find_stat(pid: int) -> ProcessStat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return parse_stat(text, os.sysconf("SC_CLK_TCK"))


def cpu_seconds_of(pid: int) -> float | None:
    """Processor time of one process; None when it can't be read."""
    stat = _find_stat(pid)
    return None if stat is None else stat.cpu_seconds


def cpu_seconds_of_family(pid: int) -> float | None:
    """Processor time of a process and of its children, those that ended included."""
    stat = _find_stat(pid)
    if stat is None:
        return None
    return (
        stat.cpu_seconds
        + stat.ended_children_cpu_seconds
        + sum(child.cpu_seconds for _, child in _all_stats() if child.parent_pid == pid)
    )


def _all_stats() -> Iterator[tuple[int, ProcessStat]]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (stat := _find_stat(int(entry.name))) is not None:
            yield int(entry.name), stat


def busy_cpu_seconds() -> float | None:
    """Processor time that everything on this machine has used; None when it can't be read."""
    try:
        first = (_PROC / "stat").read_text(encoding="utf-8").splitlines()[0]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, soft_irq = (int(f) for f in first.split()[1:8])
    ticks = user + nice + system + irq + soft_irq
    return float(ticks / os.sysconf("SC_CLK_TCK"))


def resident_mib(pid: int) -> float | None:
    """Resident memory of one process in MiB; None when it can't be read."""
    try:
        pages = int((_PROC / str(pid) / "statm").read_text(encoding="utf-8").split()[1])
    except OSError:
        return None
    return round(pages * os.sysconf("SC_PAGE_SIZE") / _MIB, 1)


def proportional_mib_of_family(pid: int) -> float | None:
    """Memory of a process and its children in MiB, shared pages divided among those that share.

    None when one of them can't be read by this user.
    """
    pids = [pid, *(child for child, stat in _all_stats() if stat.parent_pid == pid)]
    try:
        rollups = [(_PROC / str(one) / "smaps_rollup").read_text("utf-8") for one in pids]
    except OSError:
        return None
    kib = sum(parse_proportional_kib(rollup) for rollup in rollups)
    return round(kib * 1024 / _MIB, 1)


def parse_proportional_kib(rollup: str) -> int:
    """The Pss line of /proc/PID/smaps_rollup."""
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
