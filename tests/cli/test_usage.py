"""Help, wrong use, and faults that are told in a line."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import run
from watchkeeper import __version__

COMMANDS = (
    *("serve", "worker", "migrate", "demo", "tokens", "export", "purge"),
    *("users create", "users reset-password", "doctor", "simulate"),
)


async def test_the_version() -> None:
    ended = await run("--version")
    assert (ended.status, ended.out) == (0, f"watchkeeper {__version__}\n")


async def test_help_lists_every_command() -> None:
    ended = await run("--help")
    assert ended.status == 0
    for command in (*COMMANDS[:7], "users", "bridge", "doctor", "simulate"):
        assert f"\n  {command} " in ended.out
    # Whole sentences: nothing was cut to fit.
    assert "..." not in ended.out.split("Commands:")[1]


@pytest.mark.parametrize("command", [*COMMANDS, "bridge mpv"])
async def test_every_command_explains_itself(command: str) -> None:
    ended = await run(*command.split(), "--help")
    assert ended.status == 0
    assert "Usage: " in ended.out


@pytest.mark.parametrize(
    "line",
    [
        "no-such-command",
        "serve --port many",
        "serve --port 70000",
        "tokens --viewers 0",
        "tokens",
        "users create someone@example.com --role king",
        "users create --role admin",
        "users create a@example.com --role admin --password secret",
        "bridge vlc",
        "simulate --viewers 0",
        "simulate --minutes 600",
        "simulate --tidy sometimes",
        "export --household a@example.com",
        "export --output x.json",
        "export --household a@example.com --output x --format xml",
        "purge --everything",
    ],
)
async def test_wrong_use_is_status_2(line: str) -> None:
    ended = await run(*line.split())
    assert ended.status == 2
    assert "Traceback" not in ended.err
    assert ended.err


def test_help_and_errors_need_none_of_the_heavy_parts() -> None:
    """Help answers at once: what a command needs is imported when it runs."""
    script = (
        "import sys\n"
        "from watchkeeper.cli import main\n"
        "sys.argv = ['watchkeeper', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'asyncpg', 'sqlalchemy', 'fastapi', 'pydantic', 'httpx', 'uvicorn', 'alembic'}\n"
        "print('imported:', sorted(heavy & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.endswith("imported: []\n"), done.stdout


@pytest.mark.parametrize(
    "command", ["serve", "migrate", "demo", "tokens --viewers 1", "doctor", "purge"]
)
async def test_bad_settings_are_one_line_each(command: str, tmp_path: Path) -> None:
    ended = await run(
        *command.split(),
        WATCHKEEPER_DATA_DIR=str(tmp_path / "never made"),
        WATCHKEEPER_DATABASE_POOL_SIZE="many",
        WATCHKEEPER_CORS_ORIGINS="tv.example.com",
        WATCHKEEPER_POOL_SIZE="1",
        WATCHKEEPER_DATABASE_URL="mysql://someone:secret@db/x",
    )
    assert ended.status == 1
    lines = ended.err.splitlines()
    assert [line.split(":")[0] for line in sorted(lines)] == [
        "WATCHKEEPER_CORS_ORIGINS",
        "WATCHKEEPER_DATABASE_POOL_SIZE",
        "WATCHKEEPER_POOL_SIZE",
    ]
    assert "secret" not in ended.err
    assert not (tmp_path / "never made").exists()


async def test_a_database_url_that_is_none_is_a_fault() -> None:
    ended = await run("migrate", WATCHKEEPER_DATABASE_URL="mysql://someone:secret@db/x")
    assert ended.status == 1
    assert ended.err.startswith("WATCHKEEPER_DATABASE_URL: ")
    assert ended.err.count("\n") == 1
    assert "secret" not in ended.err


@pytest.mark.parametrize("command", ["serve --port 0", "migrate", "demo", "doctor"])
async def test_a_database_that_doesnt_answer_is_one_line(command: str, tmp_path: Path) -> None:
    ended = await run(
        *command.split(),
        WATCHKEEPER_DATA_DIR=str(tmp_path),
        WATCHKEEPER_DATABASE_URL="postgresql://someone:secret@127.0.0.1:1/x",
        WATCHKEEPER_DATABASE_RESTART_WAIT_SECONDS="0",
    )
    assert ended.status == 1
    assert ended.out == ""
    assert "Traceback" not in ended.err
    assert "secret" not in ended.err
    assert ended.err.splitlines()[-1].startswith("The database can't be reached: ")
