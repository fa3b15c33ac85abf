"""Draws transcripts as terminal windows, one below the other, in one SVG.

python3 draw_terminals.py PICTURE TITLE TRANSCRIPT [TITLE TRANSCRIPT …]
"""

import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path

COLUMNS = 122
_LINE, _MARGIN, _BAR, _CHARACTER = 20, 16, 30, 7.83
_WIDTH = round(COLUMNS * _CHARACTER) + 2 * _MARGIN
_STAMP_LENGTH = len("12:34:56 ")


def wrapped(line: str) -> list[str]:
    """The line in pieces that fit; the time stands before the first piece only."""
    stamp, text = line[:_STAMP_LENGTH], line[_STAMP_LENGTH:]
    room = COLUMNS - _STAMP_LENGTH
    pieces = [text[start : start + room] for start in range(0, len(text), room)] or [""]
    return [(stamp if number == 0 else " " * _STAMP_LENGTH) + p for number, p in enumerate(pieces)]


def row(line: str, y: int) -> str:
    """One row of text: the time dimmed, commands bright."""
    stamp, text = line[:_STAMP_LENGTH], line[_STAMP_LENGTH:]
    kind = "command" if text.startswith("$ ") else "output"
    return (
        f'<text x="{_MARGIN}" y="{y}" xml:space="preserve"><tspan class="time">{escape(stamp)}'
        f'</tspan><tspan class="{kind}">{escape(text)}</tspan></text>'
    )


def window(title: str, transcript: str, top: int) -> tuple[str, int]:
    """One window, and where it ends."""
    lines = [piece for line in transcript.splitlines() for piece in wrapped(line)]
    height = _BAR + len(lines) * _LINE + _MARGIN
    rows = [row(line, top + _BAR + (n + 1) * _LINE - 5) for n, line in enumerate(lines)]
    frame = f'<rect y="{top}" width="{_WIDTH}" height="{height}" rx="8" class="window"/>'
    name = f'<text x="{_MARGIN}" y="{top + 20}" class="title">{escape(title)}</text>'
    return "\n".join((frame, name, *rows)), top + height


def picture(windows: Sequence[tuple[str, str]]) -> str:
    """The whole SVG; `windows` are titles with their transcripts."""
    parts, top = [], 0
    for title, transcript in windows:
        drawn, end = window(title, transcript, top)
        parts.append(drawn)
        top = end + _MARGIN
    height = top - _MARGIN
    style = (
        "text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}"
        ".window{fill:#14181f}.title{fill:#8b98a9;font-weight:bold}.time{fill:#5f6b7a}"
        ".command{fill:#7fd1a8}.output{fill:#e6e9ee}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="Two terminals: a parent gives time, a player is stopped and plays on">\n'
        f"<style>{style}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def main(arguments: list[str]) -> None:
    """Read the transcripts and write the picture."""
    path, *rest = arguments
    pairs = zip(rest[::2], rest[1::2], strict=True)
    windows = [(title, Path(transcript).read_text("utf-8")) for title, transcript in pairs]
    Path(path).write_text(picture(windows), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
