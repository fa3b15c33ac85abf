"""The two forms of an export, written piece by piece: neither is ever held as a whole."""

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Protocol

from watchkeeper.core.personal_data import PersonalTable, cells_of
from watchkeeper.core.spreadsheets import harmless
from watchkeeper.privacy.types import ExportFormat, ExportSubject

FORMAT_VERSION = 1
MEDIA_TYPES = {ExportFormat.JSON: "application/json", ExportFormat.CSV: "application/zip"}
SUFFIXES = {ExportFormat.JSON: "json", ExportFormat.CSV: "zip"}


class Document(Protocol):
    """Something that tables are written into, one after the other."""

    def begin(self, table: PersonalTable) -> bytes:
        """Begin a table."""

    def add(self, table: PersonalTable, documents: Iterable[str]) -> bytes:
        """Add rows, each a JSON document, to the table that was begun."""

    def end(self) -> bytes:
        """End the table."""

    def close(self) -> bytes:
        """End the whole."""


def document_of(form: ExportFormat, subject: ExportSubject, at: datetime) -> Document:
    """An empty export; `at` is when it is made."""
    if form is ExportFormat.JSON:
        return JsonDocument(subject, at)
    return CsvArchive(at)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonDocument:
    """One well-formed JSON document: whose it is, and a list of rows for each table."""

    def __init__(self, subject: ExportSubject, at: datetime) -> None:
        head = {
            "format": "watchkeeper-export",
            "version": FORMAT_VERSION,
            "kind": subject.kind,
            "id": str(subject.id),
            "exported_at": _instant(at),
        }
        self._before_table = json.dumps(head)[:-1] + ', "tables": {'
        self._before_row = ""

    def begin(self, table: PersonalTable) -> bytes:
        """Begin a list."""
        begun = f"{self._before_table}\n{json.dumps(table.name)}: ["
        self._before_table, self._before_row = ",", "\n"
        return begun.encode()

    def add(self, _table: PersonalTable, documents: Iterable[str]) -> bytes:
        """The server wrote the rows as JSON; they are only strung together."""
        text = "".join(f"{before}{document}" for before, document in self._separated(documents))
        return text.encode()

    def _separated(self, documents: Iterable[str]) -> Iterator[tuple[str, str]]:
        for document in documents:
            yield self._before_row, document
            self._before_row = ",\n"

    def end(self) -> bytes:
        """End a list."""
        return b"]"

    def close(self) -> bytes:
        """End the document; an empty one is whole too."""
        return (f"{self._before_table}}}}}\n" if self._before_table != "," else "}}\n").encode()


class _Sink:
    """What an archive is written to; nobody can go back in it, and it is emptied piece by piece."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits anywhere else."""

    def close(self) -> None:
        """The archive is done; what it wrote last is still taken."""

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


class CsvArchive:
    """A ZIP archive with one CSV file a table, and a line of names first in each.

    The library writes to streams that can't be sought by putting the sizes after each file. Texts
    that a spreadsheet would take for formulas are marked as text.
    """

    def __init__(self, at: datetime) -> None:
        self._sink = _Sink()
        self._archive = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED)
        self._at = at
        self._file: Any = None

    def begin(self, table: PersonalTable) -> bytes:
        """Begin a file."""
        at = self._at.astimezone(UTC)
        entry = zipfile.ZipInfo(f"{table.name}.csv", at.timetuple()[:6])
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o600 << 16
        self._file = self._archive.open(entry, "w", force_zip64=True)
        self._file.write(_lines([table.columns.split()]))
        return self._sink.take()

    def add(self, table: PersonalTable, documents: Iterable[str]) -> bytes:
        """Add lines; takes a few milliseconds of processor time for a thousand."""
        rows = ([_cell(value) for value in cells_of(table, one)] for one in documents)
        self._file.write(_lines(rows))
        return self._sink.take()

    def end(self) -> bytes:
        """End a file."""
        self._file.close()
        return self._sink.take()

    def close(self) -> bytes:
        """Write the archive's directory."""
        self._archive.close()
        return self._sink.take()


def _lines(rows: Iterable[list[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """A value as a spreadsheet can hold it; numbers stay numbers, lists and objects are JSON."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return harmless(value)
        case list() | dict():
            return harmless(json.dumps(value, ensure_ascii=False))
    return value
