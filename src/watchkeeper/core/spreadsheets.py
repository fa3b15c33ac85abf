"""CSV for people, who open it with a spreadsheet."""

_FORMULAS = tuple("=+-@|%")
_CONTROLS = tuple("\t\r\n")


def harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula, also not after leading spaces."""
    is_formula = text.lstrip()[:1] in _FORMULAS or text[:1] in _CONTROLS
    return f"'{text}" if text and is_formula else text
