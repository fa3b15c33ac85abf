"""What a figure was measured on, without which it means nothing."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

_REPOSITORY = Path(__file__).resolve().parent.parent
_LIBRARIES = ("watchkeeper", "fastapi", "sqlalchemy", "asyncpg", "pydantic", "uvicorn", "uvloop")


def describe_machine() -> dict[str, Any]:
    """Processor, memory, kernel, and how busy the machine was with other things."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_mib": _memory_mib(),
        "system": platform.platform(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def describe_versions() -> dict[str, str]:
    """Python and the libraries that a heartbeat passes through."""
    return {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}


def describe_commit() -> dict[str, Any]:
    """The commit that was measured; None outside a git clone or before its first commit."""
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {"id": commit, "has_changes": None if changes is None else bool(changes)}


def measured_at() -> str:
    """Date and time for the results; the only clock of the bench that isn't monotonic."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def settings_of(environment: dict[str, str]) -> dict[str, str]:
    """The service's settings that were changed; those that may hold secrets are only named."""
    secret = ("URL", "SECRET", "PASSWORD", "TOKEN")
    return {
        name: "(set)" if any(part in name for part in secret) else value
        for name, value in sorted(environment.items())
        if name.startswith("WATCHKEEPER_")
    }


def _cpu_model() -> str:
    for line in _lines_of("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_mib() -> int | None:
    for line in _lines_of("/proc/meminfo"):
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) // 1024
    return None


def _lines_of(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ("git", *arguments), cwd=_REPOSITORY, capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
