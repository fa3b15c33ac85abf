"""The command `watchkeeper bridge mpv`."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated

import platformdirs
import typer

from watchkeeper.bridges.mpv.bridge import MpvBridge
from watchkeeper.bridges.mpv.device import NotPaired, paired_device
from watchkeeper.bridges.mpv.reports import Reporter, json_lines, plain_lines
from watchkeeper.client import ClientError, DeviceType, NoAnswer, Player, WatchkeeperClient

EXIT_NOT_PAIRED = 3
EXIT_NO_SERVICE = 4
LONGEST_SOCKET_PATH_BYTES = 107

app = typer.Typer(
    help="Connect a player to Watchkeeper.", no_args_is_help=True, add_completion=False
)


@app.callback()
def bridge() -> None:
    """Connect a player to Watchkeeper."""


@app.command("mpv")
def mpv(
    socket_path: Annotated[
        Path,
        typer.Option(
            "--socket",
            metavar="PATH",
            help="mpv's socket: the PATH of `mpv --input-ipc-server=PATH`. It may appear later.",
        ),
    ],
    server: Annotated[
        str, typer.Option("--server", metavar="URL", help="The address of the service.")
    ] = "http://127.0.0.1:8000",
    pair: Annotated[
        str | None,
        typer.Option(
            "--pair",
            metavar="CODE",
            help="The pairing code that a parent made for the child. Needed the first time only.",
        ),
    ] = None,
    device_name: Annotated[
        str | None,
        typer.Option("--device-name", help="What this player is called on other devices."),
    ] = None,
    device_type: Annotated[
        DeviceType, typer.Option("--device-type", help="What kind of screen this is.")
    ] = DeviceType.TV,
    state_dir: Annotated[
        Path | None,
        typer.Option("--state-dir", help="Where the pairing is kept; readable by you alone."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print each event as one JSON document a line.")
    ] = False,
) -> None:
    """Count what mpv plays for a child, warn on its screen, and hold it when time is up.

    A parent can add time on the spot: in mpv, `script-message watchkeeper-pin PIN MINUTES` (or
    `today` instead of minutes). `script-message watchkeeper-status` shows what is left.

    Exit codes: 0 stopped by a signal, 2 wrong usage, 3 not paired or the code was refused,
    4 the service couldn't be reached for pairing.
    """
    if len(os.fsencode(socket_path)) > LONGEST_SOCKET_PATH_BYTES:
        raise typer.BadParameter("a socket's path is at most 107 bytes long", param_hint="--socket")
    report = json_lines(_print_line) if json else plain_lines(_print_line)
    name = (device_name or f"mpv on {socket.gethostname()}")[:100]
    kept_in = state_dir or Path(platformdirs.user_state_dir("watchkeeper"))
    try:
        asyncio.run(_run(server, socket_path, pair, name, device_type, kept_in, report))
    except NotPaired:
        report("not_paired", f"This player isn't paired with {server}. Give a code with --pair.")
        raise typer.Exit(EXIT_NOT_PAIRED) from None
    except NoAnswer as error:
        report("no_service", f"{error} ({server})")
        raise typer.Exit(EXIT_NO_SERVICE) from None
    except ClientError as error:
        report("not_paired", f"Pairing was refused: {error}")
        raise typer.Exit(EXIT_NOT_PAIRED) from None


async def _run(
    server: str,
    socket_path: Path,
    code: str | None,
    device_name: str,
    device_type: DeviceType,
    state_dir: Path,
    report: Reporter,
) -> None:
    async with WatchkeeperClient(server) as service:
        device, is_new = await paired_device(
            service, state_dir, code=code, device_name=device_name, device_type=device_type
        )
        if is_new:
            report("paired", f"Paired with {server}.", profile_id=str(device.profile_id))
        player = Player(device.profile_id, device.device_id, device_type, device_name)
        bridge = MpvBridge(service, player, socket_path, report)
        report("waiting_for_mpv", f"Waiting for mpv on {socket_path}.")
        await run_until_signal(bridge)


async def run_until_signal(bridge: MpvBridge) -> None:
    """Run the bridge until the process is asked to stop, and then end its session."""
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked_to_stop.set)
    running = asyncio.create_task(bridge.run())
    stopping = asyncio.create_task(asked_to_stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if running.done():
        await running
    await bridge.stop()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def _print_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
