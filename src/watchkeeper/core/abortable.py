"""The HTTP server's protocol, with a way for an answer to break its connection off.

A reader that has stopped reading can't be sent an end: what the server has written for it would
wait in memory for as long as it keeps the connection open. ASGI has no word for that.
"""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from watchkeeper.core.event_stream import ABORT


class AbortableProtocol(HttpToolsProtocol):
    """uvicorn's protocol on httptools, which puts `ABORT` into each request's extensions."""

    def on_message_begin(self) -> None:
        """Begin a request as uvicorn does, and say how its connection can be broken off."""
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: {"abort": self.transport.abort}}
