"""CSV as spreadsheets read it: quoted where needed, and no text taken for a formula."""

import csv
import io
from collections.abc import Iterable

# Spreadsheets begin a formula with these, some also with the full-width ones of East Asia.
_BEGIN_FORMULAS = tuple("=+-@|%＝＋－＠")
_CONTROL = tuple("\t\r\n")


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """Lines of CSV (RFC 4180); None is an empty cell, and texts are made harmless."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    return harmless(value) if isinstance(value, str) else value


def harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula, also not after leading spaces."""
    begins_formula = text.lstrip().startswith(_BEGIN_FORMULAS)
    return f"'{text}" if begins_formula or text.startswith(_CONTROL) else text
