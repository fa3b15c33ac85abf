"""`watchkeeper demo`."""

import asyncio
from pathlib import Path

from watchkeeper.accounts.public import ProfileCreated, has_demo_accounts
from watchkeeper.cli.database import command_settings, opened_floor
from watchkeeper.cli.failures import CommandFailedError
from watchkeeper.cli.terminal import note, say, say_json
from watchkeeper.core.events import Subscriptions
from watchkeeper.demo.accounts import GUARDIAN, PASSWORD, PIN, STAFF, sign_in_lines
from watchkeeper.demo.family import DatabaseNotEmptyError, DemoMade, make_demo
from watchkeeper.settings import Settings
from watchkeeper.viewing import report_subscribers
from watchkeeper.viewing.subscribers import open_viewing_account


def demo(data_dir: Path | None, *, as_json: bool) -> None:
    """Add the demo data to an empty database; where they are already, only say so."""
    made = asyncio.run(_demo(command_settings(data_dir)))
    if as_json:
        say_json(_document(made))
        return
    if made is None:
        say("The demo data are there already; nothing was changed.")
    else:
        say(f"Demo data were added: {made.titles} titles and {made.sessions} sessions.")
    say("Demo sign-ins:")
    for line in sign_in_lines():
        say(line)


async def _demo(settings: Settings) -> DemoMade | None:
    subscriptions = Subscriptions()
    subscriptions.on(ProfileCreated, open_viewing_account)
    report_subscribers.subscribe(subscriptions)
    async with opened_floor(settings, subscriptions) as floor:
        try:
            return await make_demo(floor, note)
        except DatabaseNotEmptyError:
            if await floor.database.run(has_demo_accounts):
                return None
            raise CommandFailedError(
                "The database isn't empty: demo data are only put into one that nobody uses. "
                "Choose another folder with --data-dir."
            ) from None


def _document(made: DemoMade | None) -> dict[str, object]:
    added = made and {
        "household_id": str(made.household_id),
        "profiles": {name: str(id_) for name, id_ in made.profile_ids.items()},
        "titles": made.titles,
        "sessions": made.sessions,
    }
    sign_ins = {"guardian": GUARDIAN, **STAFF}
    return {"added": added, "sign_ins": sign_ins, "password": PASSWORD, "pin": PIN}
