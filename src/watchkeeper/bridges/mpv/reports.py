"""What the bridge prints: a line for people, or a JSON document for programs."""

import json
from collections.abc import Callable
from typing import Any, Protocol


class Reporter(Protocol):
    """Told of everything that happens; `event` is a stable name, `particulars` JSON values."""

    def __call__(self, event: str, text: str, **particulars: Any) -> None: ...


def json_lines(write: Callable[[str], None]) -> Reporter:
    """Write each event as one JSON document."""

    def report(event: str, text: str, **particulars: Any) -> None:
        write(json.dumps({"event": event, "text": text, **particulars}))

    return report


def plain_lines(write: Callable[[str], None]) -> Reporter:
    """Write each event as one line of text."""

    def report(event: str, text: str, **particulars: Any) -> None:
        write(" ".join(text.split("\n")))

    return report
