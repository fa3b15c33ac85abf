"""A proxy in front of a real PostgreSQL that can go away, go silent, and count exchanges."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from watchkeeper.core.urls import driver_arguments, parse_database_url

CUT = object()
"""What a watcher returns to break the connection off instead of passing the bytes on."""

Watcher = Callable[[bytes], object]


@dataclass(slots=True)
class DatabaseProxy:
    """Passes bytes between clients and the server, and does to them what a test wants.

    `on_request` and `on_answer` see every chunk; returning `CUT` breaks the connection off.
    """

    url: str
    _path: Path
    _upstream: Path
    on_request: Watcher | None = None
    on_answer: Watcher | None = None
    is_silent: bool = False
    exchanges: int = 0
    connections: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_unix_server(self._serve, self._path)

    async def go_away(self) -> None:
        """Break off all connections and refuse new ones, as a stopped server does."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._path.unlink(missing_ok=True)
        await self.cut()

    async def cut(self) -> None:
        """Break off all connections."""
        for writer in self._writers:
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        answers, requests = await asyncio.open_unix_connection(self._upstream)
        both = {writer, requests}
        self._writers |= both
        try:
            await asyncio.gather(
                self._pass_on(reader, requests, both, is_request=True),
                self._pass_on(answers, writer, both, is_request=False),
            )
        finally:
            self._writers -= both
            self._tasks.discard(task)

    async def _pass_on(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        both: set[asyncio.StreamWriter],
        *,
        is_request: bool,
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                self.exchanges += is_request
                watcher = self.on_request if is_request else self.on_answer
                if watcher is not None and watcher(data) is CUT:
                    break
                if not self.is_silent:
                    target.write(data)
        for writer in both:
            writer.transport.abort()


@asynccontextmanager
async def proxy_before(url: str) -> AsyncIterator[DatabaseProxy]:
    """A proxy in front of the server of `url`, on a socket of its own."""
    arguments = driver_arguments(parse_database_url(url))
    name = f".s.PGSQL.{arguments['port']}"
    with tempfile.TemporaryDirectory(prefix="wk-proxy-") as folder:
        proxy = DatabaseProxy(
            url=url.replace(str(arguments["host"]), folder),
            _path=Path(folder, name),
            _upstream=Path(arguments["host"], name),
        )
        await proxy.listen()
        try:
            yield proxy
        finally:
            await proxy.go_away()
