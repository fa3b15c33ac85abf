"""Running PostgreSQL's programs to their end."""

import asyncio
import os
from collections.abc import Sequence
from datetime import timedelta

from watchkeeper.core.embedded.account import Runner
from watchkeeper.core.embedded.errors import DatabaseNotStarted

PROGRAM_LIMIT = timedelta(minutes=10)


def clean_environment() -> dict[str, str]:
    """The programs' environment: nothing of the caller's (PGDATA, PGPORT, LANG …) reaches them."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


async def run_program(
    runner: Runner, program: str, arguments: Sequence[str], *, given: str = ""
) -> str:
    """Run a program with `given` as its input and return what it wrote.

    Raises `DatabaseNotStarted` with the program's own reason when it fails. A program whose
    caller is cancelled is killed.
    """
    # A session of its own keeps Ctrl-C in a terminal away from it.
    process = await asyncio.create_subprocess_exec(
        *runner.command(program, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=clean_environment(),
        start_new_session=True,
        cwd="/",
    )
    try:
        async with asyncio.timeout(PROGRAM_LIMIT.total_seconds()):
            output, _ = await process.communicate(given.encode())
    except TimeoutError as error:
        raise DatabaseNotStarted(
            f"PostgreSQL's {program} didn't finish within {PROGRAM_LIMIT}."
        ) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = output.decode(errors="replace")
    if process.returncode != 0:
        raise DatabaseNotStarted(f"PostgreSQL's {program} failed: {find_reason(text)}")
    return text


def find_reason(text: str) -> str:
    """The line of PostgreSQL's output that says why it gave up, with its hint."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if "No space left on device" in text:
        return "the disk is full: make room and start again."
    for mark in ("PANIC:", "FATAL:", "error:", "ERROR:"):
        for position, line in enumerate(lines):
            if mark in line:
                reason = line.split(mark, 1)[1].strip()
                hints = [part for part in lines[position + 1 : position + 4] if "HINT:" in part]
                return " ".join([reason, *(hint.split("HINT:", 1)[1].strip() for hint in hints)])
    return lines[-1] if lines else "it gave no reason."
