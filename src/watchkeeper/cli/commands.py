"""The commands and their options; what they do is imported when they run."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from watchkeeper import __version__


class Bridges(TyperGroup):
    """The players' bridges, each imported only when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return ["mpv"]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name != "mpv":
            return None
        from watchkeeper.bridges.mpv.cli import app as mpv

        group: Any = typer.main.get_command(mpv)
        return group.get_command(ctx, cmd_name)


app = typer.Typer(
    name="watchkeeper",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Keeps children's viewing time fair on streaming services and home media servers.\n\n"
    "Settings come from environment variables that begin with WATCHKEEPER_. Without "
    "WATCHKEEPER_DATABASE_URL the database runs inside the data folder.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong use.",
)
users = typer.Typer(no_args_is_help=True, help="Accounts of administrators and support agents.")
bridges = typer.Typer(
    cls=Bridges,
    no_args_is_help=True,
    help="Connect a player to the service.",
    callback=lambda: None,
)
app.add_typer(users, name="users")
app.add_typer(bridges, name="bridge")

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        help="Folder of the database and the secrets; default: WATCHKEEPER_DATA_DIR, "
        "else the platform's folder for user data.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer with JSON, for programs.")]
PasswordFromInput = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read the password from the first line of the input."),
]
Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The address to sign in with.")]


class StaffRole(StrEnum):
    """Who may be made on the command line; guardians sign up themselves."""

    ADMIN = "admin"
    SUPERVISOR = "supervisor"
    AGENT = "agent"


class Tidy(StrEnum):
    """When a simulation's households are removed."""

    AFTER = "after"
    NEVER = "never"
    ONLY = "only"


class ExportForm(StrEnum):
    """In which form an export is written."""

    JSON = "json"
    CSV = "csv"


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"watchkeeper {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and end."
        ),
    ] = False,
) -> None:
    """Options before the command."""


@app.command()
def serve(
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on; 0.0.0.0 for every machine of the network.  "
            "[default: 127.0.0.1]",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port to listen on; 0 takes a free one.  [default: 8000]",
            show_default=False,
            min=0,
            max=65535,
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Run the service until it is interrupted.

    Says on which address it is ready. An embedded database is made and migrated by itself; an
    external one is migrated only with WATCHKEEPER_RUN_MIGRATIONS=true.
    """
    import os

    from watchkeeper.settings import load_settings

    settings = load_settings(os.environ, host=host, port=port, data_dir=data_dir)
    from watchkeeper.cli.serve import serve as run

    run(settings, as_json=as_json)


@app.command()
def worker(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Run the background jobs apart from the service.

    Until it is interrupted; says when it is ready. The service runs jobs itself unless
    WATCHKEEPER_JOBS_RUN=false. Any number of both may run: each job is done by one of them.
    """
    import os

    from watchkeeper.settings import load_settings

    settings = load_settings(os.environ, data_dir=data_dir)
    from watchkeeper.cli.worker import work

    work(settings, as_json=as_json)


@app.command()
def migrate(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Bring the database to this version.

    Safe to run again, and while other processes do the same.
    """
    from watchkeeper.cli.migrate import migrate as run

    run(data_dir, as_json=as_json)


@app.command()
def demo(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Fill an empty database with a family to try.

    Adds sign-ins, 40 titles and 30 days of viewing; a second time it changes nothing. Everybody
    knows the demo passwords: while they exist, the service listens on this machine only.
    """
    from watchkeeper.cli.demo import demo as run

    run(data_dir, as_json=as_json)


@app.command()
def tokens(
    viewers: Annotated[
        int, typer.Option("--viewers", min=1, max=1_000_000, help="How many children to add.")
    ],
    hours: Annotated[
        int, typer.Option(min=1, max=24 * 30, help="How long the tokens are valid.")
    ] = 24,
    data_dir: DataDir = None,
) -> None:
    """Add households for a load test.

    The households are marked as made for load tests. Prints one JSON document a line:
    access_token, profile_id, title_id.
    """
    from watchkeeper.cli.tokens import print_tokens

    print_tokens(data_dir, viewers=viewers, hours=hours)


@app.command()
def export(
    household: Annotated[
        str,
        typer.Option(
            metavar="EMAIL_OR_ID", help="A guardian's address, or the id of the household."
        ),
    ],
    output: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write; a file that isn't there yet.")
    ],
    child: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only this person of the household, by name or id."),
    ] = None,
    form: Annotated[
        ExportForm,
        typer.Option("--format", help="One JSON document, or a ZIP archive of CSV files."),
    ] = ExportForm.JSON,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write what is kept about a family into a file.

    A whole household's or one child's data, without passwords, PINs, tokens and codes. Only the
    file's owner can read it.
    """
    from watchkeeper.cli.export import export as run

    run(
        data_dir,
        household=household,
        child=child,
        form=form.value,
        output=output,
        as_json=as_json,
    )


@app.command()
def purge(
    household: Annotated[
        str | None,
        typer.Option(
            metavar="EMAIL_OR_ID",
            help="Delete this household, at once and for good, instead of what is old.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete the household unasked.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many rows are too old.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Forget what is old, or delete a household.

    A running service forgets every hour by itself; this does it now. A deletion prints a receipt,
    which holds nothing about anybody.
    """
    from watchkeeper.cli.purge import purge as run

    run(data_dir, household=household, is_sure=yes, is_dry=dry_run, as_json=as_json)


@users.command("create")
def create_user(
    email: Email,
    role: Annotated[StaffRole, typer.Option(help="What the person may do.")],
    password_stdin: PasswordFromInput = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add an administrator, a supervisor or an agent.

    The password is asked for; where nobody can be asked, one is made up and shown once.
    """
    from watchkeeper.cli.users import create

    create(data_dir, email, role.value, password_stdin=password_stdin, as_json=as_json)


@users.command("reset-password")
def reset_password(
    email: Email,
    password_stdin: PasswordFromInput = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Give an account a new password and end all its sign-ins.

    The password is asked for; where nobody can be asked, one is made up and shown once.
    """
    from watchkeeper.cli.users import reset

    reset(data_dir, email, password_stdin=password_stdin, as_json=as_json)


@app.command()
def doctor(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Look for what is wrong, and say what to do.

    Checks schema, sums of viewing time, grants, open sessions, indexes, privileges, connections,
    disk, clock, time zones and secrets. Changes nothing. Ends with 1 when there are faults;
    warnings alone end with 0.
    """
    from watchkeeper.cli.doctor import doctor as run

    run(data_dir, as_json=as_json)


@app.command()
def simulate(
    viewers: Annotated[int, typer.Option(min=1, max=5_000, help="How many children play.")] = 200,
    minutes: Annotated[
        float, typer.Option(min=0.05, max=60, help="How long they play, in real minutes.")
    ] = 3,
    speed: Annotated[
        float,
        typer.Option(min=0.1, max=200, help="How much denser than in life things happen."),
    ] = 20,
    url: Annotated[str, typer.Option(help="The running service.")] = "http://127.0.0.1:8000",
    seed: Annotated[
        int | None,
        typer.Option(help="Repeats what a run with this number did.", show_default=False),
    ] = None,
    tidy: Annotated[
        Tidy,
        typer.Option(
            help="Remove the simulated households after the run, or never, or only do that: for "
            "those that earlier runs left."
        ),
    ] = Tidy.AFTER,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Play household days against a running service.

    Compares what was charged with what was watched. Adds households of its own, marked as load
    tests, and removes them afterwards; no other is touched. Their players start, pause, change
    titles and devices, crash and lose the network;
    heartbeats are lost, repeated and late. Time can't be hurried: each second that is charged is
    a second that passed. Instead happenings are denser: 3 minutes at speed 20 hold those of an
    hour. So pauses beyond 300 s, limits that run out and sessions that fall silent don't occur.
    Ctrl-C ends it early, and it says what it has. Ends with 1 when a child was charged more or
    less than the rules say.
    """
    from datetime import timedelta

    from watchkeeper.cli.simulate import Options, remove_leftovers
    from watchkeeper.cli.simulate import simulate as run

    if tidy is Tidy.ONLY:
        remove_leftovers(data_dir)
        return
    lasting, is_kept = timedelta(minutes=minutes), tidy is Tidy.NEVER
    options = Options(url.rstrip("/"), viewers, lasting, speed, seed, is_kept)
    run(data_dir, options, as_json=as_json)
