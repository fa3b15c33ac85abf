"""What commands say: results on standard output, everything else on standard error."""

import json
import sys
import time
from typing import Any

_LINE_EVERY_SECONDS = 5.0
_REDRAW_EVERY_SECONDS = 0.1


def say(text: str) -> None:
    """A result, for people, on standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def say_json(document: dict[str, Any]) -> None:
    """A result, for programs: one JSON document on a line."""
    say(json.dumps(document, default=str))


def note(text: str) -> None:
    """Something worth knowing that isn't the result, on standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


class Progress:
    """How far something is that takes more than a second.

    On a terminal one line is redrawn; elsewhere a plain line is written now and then, so that a
    log stays readable.
    """

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._is_terminal = sys.stderr.isatty()
        self._started = self._shown = time.monotonic()
        self._is_drawn = False

    def reached(self, done: int) -> None:
        """Say how many of the total are done."""
        now = time.monotonic()
        pause = _REDRAW_EVERY_SECONDS if self._is_terminal else _LINE_EVERY_SECONDS
        if now - self._shown < pause:
            return
        self._shown = now
        line = f"{self._what}: {done:,} of {self._total:,}"
        if self._is_terminal:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
            self._is_drawn = True
        else:
            note(line)

    def finish(self) -> None:
        """Clear the line, and say how long it took if that was long enough to wonder."""
        if self._is_drawn:
            sys.stderr.write("\r\x1b[K")
        seconds = time.monotonic() - self._started
        if seconds >= 1:
            note(f"{self._what}: {self._total:,} in {seconds:.1f} s")
