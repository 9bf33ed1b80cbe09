"""Cells of a table as numbers, whoever wrote them."""

import re

_MISSING = frozenset(
    {"", "nan", "na", "n/a", "#n/a", "null", "none", "-", "--", "---", "#div/0!", "overflow"}
)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eEdD][-+]?\d+)?|[-+]?inf(inity)?", re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+([eEdD][-+]?\d+)?")


def value_of(cell: str, *, decimal_comma: bool) -> float:
    """Return the number in a cell, NaN where there is none."""
    cell = cell.strip()
    if decimal_comma:
        cell = cell.replace(",", ".")
    try:
        return float(cell)
    except ValueError:
        fortran = cell.lower().replace("d", "e")
        return float(fortran) if _NUMBER.fullmatch(fortran) else float("nan")


def kind_of(cell: str, *, decimal_comma: bool) -> str:
    """Return n for a number, m for a missing one, w for words."""
    try:
        # Most cells are plain numbers: this is the fast way to know. NaN does not equal itself.
        if (value := float(cell)) == value and "_" not in cell:
            return "n"
    except ValueError:
        pass
    cell = cell.strip()
    if _NUMBER.fullmatch(cell) or (decimal_comma and DECIMAL_COMMA.fullmatch(cell)):
        return "n"
    return "m" if cell.lower() in _MISSING else "w"
