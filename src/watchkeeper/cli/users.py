"""`watchkeeper users`: accounts of staff, and forgotten passwords."""

import asyncio
import secrets
import sys
from pathlib import Path

import typer
from email_validator import EmailNotValidError, validate_email

from watchkeeper.accounts.public import Accounts
from watchkeeper.accounts.rules import PASSWORD_LENGTHS
from watchkeeper.cli.database import command_settings, opened_floor
from watchkeeper.cli.failures import CommandFailedError
from watchkeeper.cli.terminal import say, say_json
from watchkeeper.core.auth import Role

_GENERATED_BYTES = 15


def create(
    data_dir: Path | None, email: str, role: str, *, password_stdin: bool, as_json: bool
) -> None:
    """Add an account with one staff role; the person signs in with `email`."""
    email = _checked_email(email)
    settings = command_settings(data_dir)
    password, is_generated = _choose_password(from_input=password_stdin)

    async def work() -> str:
        async with opened_floor(settings) as floor:
            users = Accounts(floor, settings.security).users
            now = floor.clock.now()
            return str(await users.create(email, password, [Role(role)], now))

    user_id = asyncio.run(work())
    shown = {"password": password} if is_generated else {}
    if as_json:
        say_json({"id": user_id, "email": email, "role": role, **shown})
        return
    say(f"{email} can sign in as {role}.")
    _show(shown)


def reset(data_dir: Path | None, email: str, *, password_stdin: bool, as_json: bool) -> None:
    """Store another password for the account of `email` and end its sign-ins."""
    settings = command_settings(data_dir)
    password, is_generated = _choose_password(from_input=password_stdin)

    async def work() -> None:
        async with opened_floor(settings) as floor:
            users = Accounts(floor, settings.security).users
            await users.reset_password(email, password, floor.clock.now())

    asyncio.run(work())
    shown = {"password": password} if is_generated else {}
    if as_json:
        say_json({"email": email, **shown})
        return
    say(f"{email} has a new password, and all its sign-ins have ended.")
    _show(shown)


def _show(shown: dict[str, str]) -> None:
    if shown:
        say(f"Password (shown only now): {shown['password']}")


def _choose_password(*, from_input: bool) -> tuple[str, bool]:
    """A password that keeps the rules, and whether it was made up here.

    It never is an argument: arguments can be read by everybody on the machine.
    """
    if from_input:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        return secrets.token_urlsafe(_GENERATED_BYTES), True
    shortest, longest = PASSWORD_LENGTHS
    if not shortest <= len(password) <= longest:
        raise CommandFailedError(f"A password has {shortest} to {longest} characters.")
    return password, False


def _checked_email(email: str) -> str:
    try:
        return validate_email(email, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise CommandFailedError(f"'{email}' isn't an e-mail address: {error}") from error
