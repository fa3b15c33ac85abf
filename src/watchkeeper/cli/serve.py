"""`watchkeeper serve`: the service from its first signal to its last."""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from watchkeeper.accounts.public import has_demo_accounts
from watchkeeper.app import create_app
from watchkeeper.cli.database import data_dir_of, secrets_of
from watchkeeper.cli.failures import CommandFailedError
from watchkeeper.cli.terminal import note, say, say_json
from watchkeeper.core.abortable import AbortableProtocol
from watchkeeper.core.config import ServerSettings
from watchkeeper.core.embedded import EmbeddedServer
from watchkeeper.core.floor import Floor
from watchkeeper.core.health import SchemaGate
from watchkeeper.core.logging import configure_logging
from watchkeeper.core.schema import migrate
from watchkeeper.demo.accounts import DEMO_ACCOUNTS_ADDED
from watchkeeper.settings import Settings

log = structlog.get_logger("watchkeeper.serve")

# Longer than the 33 s between two heartbeats, so that a player keeps its connection.
_KEEP_ALIVE_SECONDS = 65
_BACKLOG = 2048
# Connections to the database and of short requests, and what the process has open itself.
_OTHER_FILES = 1024
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(settings: Settings, *, as_json: bool) -> None:
    """Run until SIGINT or SIGTERM; returns after a clean stop.

    Raises what `cli.failures.explain` knows when the service can't start.
    """
    started = time.monotonic()
    configure_logging(settings.logging)
    for chatty in ("alembic", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    listening = _bind(settings.server.host, settings.server.port)
    _allow_open_files(settings.events.most_streams + _OTHER_FILES)
    with _event_loop() as runner, listening:
        runner.run(_Service(settings, listening, started, as_json).run())


class _Service:
    """One run of the service."""

    def __init__(
        self, settings: Settings, listening: socket.socket, started: float, as_json: bool
    ) -> None:
        self._settings = settings
        self._listening = listening
        self._started = started
        self._as_json = as_json
        self._server: _Server | None = None
        self._refusal: CommandFailedError | None = None

    async def run(self) -> None:
        """Start everything, serve, and stop everything in the opposite order."""
        main = asyncio.current_task()
        assert main is not None
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._stop, main)
        with contextlib.suppress(asyncio.CancelledError):
            await self._start_and_serve()
        if self._refusal is not None:
            raise self._refusal

    def _stop(self, main: "asyncio.Task[None]") -> None:
        """Stop as far as the start got; a second signal doesn't wait for running requests."""
        if self._server is None:
            main.cancel()
        else:
            self._server.force_exit = self._server.should_exit
            self._server.should_exit = True

    async def _start_and_serve(self) -> None:
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(_database(self._settings))
            secrets = secrets_of(self._settings)
            app = create_app(self._settings, database_url=url, secrets=secrets)
            floor: Floor = app.state.floor
            floor.listener.on(DEMO_ACCOUNTS_ADDED, self._on_demo_accounts)
            await stack.enter_async_context(app.router.lifespan_context(app))
            await self._refuse_demo_accounts(app)
            self._server = _Server(
                config_of(app, self._settings.server), self._announce, app.state.events.stop
            )
            await self._server.serve(sockets=[self._listening])

    async def _refuse_demo_accounts(self, app: FastAPI) -> None:
        """Accounts with published passwords must not be reachable from other machines."""
        gate: SchemaGate = app.state.schema_gate
        if not gate.is_open or _is_loopback(self._listening):
            return
        if await app.state.floor.database.run(has_demo_accounts):
            raise self._demo_refusal()

    def _on_demo_accounts(self, _payload: str) -> None:
        """Demo data were added while this process serves."""
        if self._server is not None and not _is_loopback(self._listening):
            self._refusal = self._demo_refusal()
            self._server.should_exit = True

    def _demo_refusal(self) -> CommandFailedError:
        return CommandFailedError(
            "This database holds demo accounts, whose passwords everybody knows: Watchkeeper "
            f"serves it on 127.0.0.1 only, and not on {self._settings.server.host}."
        )

    def _announce(self) -> None:
        host, port = self._listening.getsockname()[:2]
        address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        seconds = time.monotonic() - self._started
        log.info("serve.ready", address=address, seconds=round(seconds, 3))
        if self._as_json:
            say_json(
                {
                    "event": "ready",
                    "url": address,
                    "pid": os.getpid(),
                    "seconds": round(seconds, 3),
                }
            )
        else:
            say(f"Watchkeeper is ready on {address}")


class _Server(uvicorn.Server):
    """uvicorn with our signals, a word when connections are taken, and one when it stops."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_ready: Callable[[], None],
        on_shutdown: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._on_shutdown = on_shutdown

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals are handled by the service, which may have to stop before this server runs."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except OSError as error:
            assert sockets is not None
            raise _listen_failure(error, *sockets[0].getsockname()[:2]) from error
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Streams would otherwise be waited for like requests that are about to be answered.
        self._on_shutdown()
        await super().shutdown(sockets)


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[str]:
    """The URL of a database that is running and, if that is for us to do, migrated."""
    if settings.database.url is not None:
        url = settings.database.url.get_secret_value()
        if settings.server.run_migrations:
            await migrate(url)
        yield url
        return
    server = await EmbeddedServer.start(data_dir_of(settings), on_progress=note)
    try:
        watching = asyncio.create_task(server.watch(), name="embedded database")
        watching.add_done_callback(_report_failure)
        await migrate(server.dsn)
        yield server.dsn
    finally:
        await server.stop()
        await watching


def _report_failure(watching: "asyncio.Task[None]") -> None:
    """A watch that ended by a bug is told at once; the service goes on without it."""
    error = None if watching.cancelled() else watching.exception()
    if error is not None:
        log.error("database.not_watched", exc_info=error)


def config_of(app: ASGIApp, server: ServerSettings) -> uvicorn.Config:
    """How the service is served, whoever starts it."""
    return uvicorn.Config(
        app,
        lifespan="off",  # Entered by the service itself, so that a failed start is one line.
        http=AbortableProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(server.trusted_proxies),
        forwarded_allow_ips=list(server.trusted_proxies),
        timeout_graceful_shutdown=server.shutdown_seconds,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        backlog=_BACKLOG,
    )


def _bind(host: str, port: int) -> socket.socket:
    """Take the address before anything is started, so that a taken one costs no time."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        # Without this a restart would wait for connections of the last run to be forgotten.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise _listen_failure(error, host, port) from error
    return listening


def _allow_open_files(wanted: int) -> None:
    """Raise the soft limit of open files as far as streams need and the system lets us.

    Most systems begin with 1 024, which is fewer than the players that may be connected.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if most > soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < wanted:
        log.warning("serve.few_open_files", allowed=most, wanted=wanted)


def _listen_failure(error: OSError, host: str, port: int) -> CommandFailedError:
    if error.errno == errno.EADDRINUSE:
        return CommandFailedError(
            f"Port {port} on {host} is in use by another program: stop that one, "
            "or choose another port with --port."
        )
    return CommandFailedError(f"Watchkeeper can't listen on {host}:{port} ({error.strerror}).")


def _is_loopback(listening: socket.socket) -> bool:
    return ipaddress.ip_address(listening.getsockname()[0].split("%")[0]).is_loopback


def _event_loop() -> "asyncio.Runner":
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
