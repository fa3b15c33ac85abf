"""`watchkeeper export`: what is kept about a household or a child, as a file."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from watchkeeper.cli.database import command_settings, opened_floor
from watchkeeper.cli.failures import CommandFailedError
from watchkeeper.cli.terminal import note, say, say_json
from watchkeeper.privacy.service import Exports
from watchkeeper.privacy.subjects import find_subject
from watchkeeper.privacy.types import ExportFormat, ExportSubject
from watchkeeper.settings import Settings

_SAY_EVERY_BYTES = 10_000_000


def export(
    data_dir: Path | None,
    *,
    household: str,
    child: str | None,
    form: str,
    output: Path,
    as_json: bool,
) -> None:
    """Write the export to `output`, which must not exist; readable for its owner alone."""
    settings = command_settings(data_dir)
    if output.exists():
        raise CommandFailedError(f"'{output}' exists already; choose another name.")
    subject, size = asyncio.run(_export(settings, household, child, ExportFormat(form), output))
    if as_json:
        say_json(
            {
                "kind": subject.kind,
                "id": subject.id,
                "format": form,
                "output": str(output),
                "bytes": size,
            }
        )
        return
    say(f"{output}: the {subject.kind}'s data, {size:,} bytes.")


async def _export(
    settings: Settings, household: str, child: str | None, form: ExportFormat, output: Path
) -> tuple[ExportSubject, int]:
    async with opened_floor(settings) as floor:
        subject = await floor.database.run(lambda unit: find_subject(unit, household, child))
        exports = Exports(floor)
        try:
            running = await exports.open("cli", subject, form, floor.clock.now())
            size = said = 0
            with _written_whole(output) as file:
                async for piece in running:
                    file.write(piece)
                    size += len(piece)
                    if size - said >= _SAY_EVERY_BYTES:
                        said = size
                        note(f"Export: {size:,} bytes so far")
            return subject, size
        finally:
            exports.close()


@contextmanager
def _written_whole(output: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name when it is whole, and not at all when anything fails.

    `mkstemp` makes it with mode 0600, beside its place so that the last step is a link.
    """
    number, name = tempfile.mkstemp(dir=output.parent, prefix=".export-")
    beside = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        try:
            # Unlike a rename, a link never replaces what somebody put there meanwhile.
            output.hardlink_to(beside)
        except FileExistsError as error:
            raise CommandFailedError(f"'{output}' exists already; choose another name.") from error
    finally:
        beside.unlink()
