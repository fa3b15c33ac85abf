"""`watchkeeper migrate`."""

import asyncio
from pathlib import Path

from watchkeeper.cli.database import command_settings, database_url
from watchkeeper.cli.terminal import say, say_json
from watchkeeper.core.schema import migrate as migrate_database
from watchkeeper.settings import Settings


def migrate(data_dir: Path | None, *, as_json: bool) -> None:
    """Migrate the database that the settings name, and say from where to where."""
    before, after = asyncio.run(_migrate(command_settings(data_dir)))
    if as_json:
        say_json({"before": before, "after": after})
    elif before == after:
        say(f"The database is at revision {after} already.")
    else:
        say(f"The database was brought from revision {before or 'none'} to {after}.")


async def _migrate(settings: Settings) -> tuple[str | None, str | None]:
    async with database_url(settings) as url:
        return await migrate_database(url)
