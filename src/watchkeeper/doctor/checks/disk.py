"""Whether there is room to grow."""

import asyncio
import shutil
from pathlib import Path

from watchkeeper.doctor.findings import Finding, Verdict, well
from watchkeeper.doctor.subject import Subject

NAME = "disk"
_MEBIBYTE = 2**20
_TOO_LITTLE_BYTES = 256 * _MEBIBYTE
_LITTLE_BYTES = 1024 * _MEBIBYTE


async def check_disk(subject: Subject) -> Finding:
    """The database's size and the room in the data folder's file system. Cost: 2 statements.

    What an external database has left is its machine's to watch.
    """
    (row,) = await subject.read("database_size")
    if not subject.is_embedded:
        return well(NAME, f"The database has {_shown(row.size_bytes)}; its disk isn't seen here.")
    return judge_room(await asyncio.to_thread(_free_bytes, subject.data_dir), row.size_bytes)


def judge_room(free_bytes: int, size_bytes: int) -> Finding:
    """Fault below 256 MB, warning below 1 GB or a tenth of the database's size."""
    state = f"The database has {_shown(size_bytes)}, and {_shown(free_bytes)} are free."
    advice = (
        "Make room on the file system of the data folder, or move the folder to a larger one and "
        "start with --data-dir."
    )
    if free_bytes < _TOO_LITTLE_BYTES:
        return Finding(NAME, Verdict.FAULT, state, advice=advice)
    if free_bytes < max(_LITTLE_BYTES, size_bytes // 10):
        return Finding(NAME, Verdict.WARNING, state, advice=advice)
    return well(NAME, state)


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _shown(size_bytes: int) -> str:
    return f"{size_bytes / _MEBIBYTE:,.0f} MB"
