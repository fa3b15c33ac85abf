"""`watchkeeper purge`: forget what is old now, or delete a household."""

import asyncio
import sys
from pathlib import Path
from uuid import UUID

import typer

from watchkeeper.accounts.public import Accounts, find_household
from watchkeeper.accounts.types import Receipt
from watchkeeper.cli.database import command_settings, opened_floor
from watchkeeper.cli.failures import CommandFailedError
from watchkeeper.cli.terminal import say, say_json
from watchkeeper.core.events import Subscriptions
from watchkeeper.core.floor import Floor
from watchkeeper.privacy.jobs import apply_retention, count_too_old
from watchkeeper.privacy.subjects import find_household as find_household_named
from watchkeeper.privacy.subscribers import follow_deletions
from watchkeeper.settings import Settings


def purge(
    data_dir: Path | None, *, household: str | None, is_sure: bool, is_dry: bool, as_json: bool
) -> None:
    """Apply the time limits now; with `household`, delete that instead and print the receipt."""
    settings = command_settings(data_dir)
    if household is not None:
        if is_dry:
            raise CommandFailedError("A deletion has no dry run: it's all of the household.")
        receipt = asyncio.run(_delete(settings, household, is_sure=is_sure))
        _say_receipt(receipt, as_json=as_json)
        return
    counts = asyncio.run(_forget(settings, is_dry=is_dry))
    if as_json:
        say_json({"dry_run": is_dry, "rows_by_table": counts})
        return
    done = "would be forgotten" if is_dry else "forgotten"
    for table, count in sorted(counts.items()):
        say(f"{table}: {count:,} rows {done}")
    if not counts:
        say("Nothing is older than the settings allow.")


async def _forget(settings: Settings, *, is_dry: bool) -> dict[str, int]:
    async with opened_floor(settings) as floor:
        forget = count_too_old if is_dry else apply_retention
        return await forget(floor, settings.privacy)


async def _delete(settings: Settings, named: str, *, is_sure: bool) -> Receipt:
    subscriptions = Subscriptions()
    follow_deletions(subscriptions)
    async with opened_floor(settings, subscriptions) as floor:
        household_id = await floor.database.run(lambda unit: find_household_named(unit, named))
        if not is_sure:
            await _ask(floor, household_id)
        deletions = Accounts(floor, settings.security).deletions
        return await deletions.erase_household(household_id, floor.clock.now())


async def _ask(floor: Floor, household_id: UUID) -> None:
    """Let a person at a terminal confirm; elsewhere the command line has to say so."""
    if not sys.stdin.isatty():
        raise CommandFailedError("Nobody can be asked here: say --yes to delete the household.")
    household = await floor.database.run(lambda unit: find_household(unit, household_id))
    if household is None:
        raise CommandFailedError(f"There is no household {household_id}.")
    question = f"Delete the household '{household.name}' and all that is kept about it?"
    if not await asyncio.to_thread(typer.confirm, question, err=True):
        raise CommandFailedError("Nothing was deleted.")


def _say_receipt(receipt: Receipt, *, as_json: bool) -> None:
    document = {
        "id": receipt.id,
        "kind": receipt.kind,
        "deleted_at": receipt.deleted_at.isoformat(),
        "rows_by_table": receipt.rows_by_table,
    }
    if as_json:
        say_json(document)
        return
    say(f"Receipt {receipt.id}: a household was deleted on {document['deleted_at']}.")
    for table, count in receipt.rows_by_table.items():
        say(f"{table}: {count:,} rows")
