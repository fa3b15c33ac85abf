"""Debug middleware: how long a request took and how many database operations it needed.

This module is imported only when `WATCHKEEPER_DEBUG` is on.
"""

import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from watchkeeper.core.metrics import count_operations


class TimingHeader:
    """Adds `Server-Timing` with milliseconds and database operations up to the first byte."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        with count_operations() as count:

            async def send_with_timing(message: Message) -> None:
                if message["type"] == "http.response.start":
                    milliseconds = (time.perf_counter() - started) * 1000
                    MutableHeaders(scope=message)["Server-Timing"] = (
                        f"app;dur={milliseconds:.2f}, db;desc={count.operations}"
                    )
                await send(message)

            await self.app(scope, receive, send_with_timing)
