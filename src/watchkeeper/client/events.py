"""Events that the service pushes, read from the bytes of their stream."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from watchkeeper.client.errors import UnexpectedAnswer

LONGEST_EVENT_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its name, and what its data say. Players pass over names that they don't know."""

    name: str
    data: dict[str, Any]


class EventReader:
    """Puts events together from the pieces of a stream (HTML standard, server-sent events).

    Only what the service sends is read: names and data. Comments, which say that the connection
    lives, and everything else is passed over.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        """The events that this piece completes. Raises UnexpectedAnswer for anything else."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > LONGEST_EVENT_BYTES:
            raise UnexpectedAnswer("The stream isn't one of a Watchkeeper service.")
        for line in lines:
            event = self._take(line.removesuffix(b"\r").decode(errors="replace"))
            if event is not None:
                yield event

    def _take(self, line: str) -> ServerEvent | None:
        field, _, value = line.partition(":")
        if field == "event":
            self._name = value.removeprefix(" ")
        elif field == "data":
            self._data.append(value.removeprefix(" "))
        elif not line and (self._name or self._data):
            return self._complete()
        return None

    def _complete(self) -> ServerEvent:
        name, text = self._name, "\n".join(self._data)
        self._name, self._data = "", []
        try:
            data = json.loads(text)
        except ValueError as error:
            raise UnexpectedAnswer("An event isn't one of a Watchkeeper service.") from error
        if not isinstance(data, dict):
            raise UnexpectedAnswer("An event isn't one of a Watchkeeper service.")
        return ServerEvent(name, data)
