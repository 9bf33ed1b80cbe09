"""A table of numbers, out of text of any layout or of a sheet: names, columns, what is above."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from crossbar.backend import Array, DataError
from crossbar.curves.cells import DECIMAL_COMMA, kind_of, value_of
from crossbar.curves.units import UNITS, beside_number, plain

Row = Sequence[str]

UNFIT = "names not used"
"""How a note ends that says that a header does not fit its rows."""

_WHOLE = re.compile(r"[-+]?\d+")
_DECIMALS = re.compile(r"\d+([eE][-+]?\d+)?")
_COMMENT = re.compile(r"^\s*(#|%|//|!)+\s*")
_SEPARATORS = ("\t", ";", ",", " ")  # in the order in which they are preferred
_SEEN = 400  # lines from which the separator is found


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The rows of numbers of one file or sheet.

    Parameters
    ----------
    where
        The file, or the file and the sheet, for errors.
    names
        Of the columns; empty where there is no header.
    columns
        The cells of each, as they were written.
    above
        Rows above the header.
    notes
        What has to be known: decimal commas, lines left out.
    decimal_comma
        Whether numbers are written with a comma.
    """

    where: str
    names: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    above: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    decimal_comma: bool = False

    def __len__(self) -> int:
        return len(self.columns[0])

    @property
    def headed(self) -> bool:
        """Whether any column has a name."""
        return any(self.names)

    def numbers(self, index: int) -> Array:
        """Return a column as numbers, NaN where there is none."""
        cells = self.columns[index]
        if not self.decimal_comma:
            try:
                return np.array(cells, dtype=np.float64)
            except ValueError:  # a missing one, or an exponent of FORTRAN's, below
                pass
        return np.array([value_of(cell, decimal_comma=self.decimal_comma) for cell in cells])

    def words(self, index: int) -> tuple[str, ...]:
        """Return a column as text."""
        return tuple(cell.strip() for cell in self.columns[index])


def text_table(text: str, where: str) -> Table:
    """Return the table in a text, whatever separates its columns.

    Raises
    ------
    DataError
        If there are no rows of numbers, only one column, units beside the numbers, or commas that
        may be decimal ones or may separate columns.
    """
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line.strip()]
    separator, decimal_comma = _layout(lines)
    if separator == " ":
        rows: list[list[str]] = [line.split() for line in lines]
    else:
        try:
            rows = list(csv.reader(lines, delimiter=separator))
        except csv.Error as problem:
            raise DataError(f"{where}: not a table: {problem}") from problem
    table = build(rows, where, decimal_comma=decimal_comma, header=lambda k: _split_names(lines[k]))
    if separator == "," and _ambiguous(table):
        raise DataError(
            f"{where}: commas may be decimal commas or separate columns here; write numbers with "
            "points, or put ';' or tabs between the columns"
        )
    note = ("decimal commas read as points",) if decimal_comma else ()
    return replace(table, notes=note + table.notes)


def build(
    rows: Sequence[Row],
    where: str,
    *,
    decimal_comma: bool = False,
    header: Callable[[int], list[str]] | None = None,
) -> Table:
    """Return the table that rows of cells hold.

    Parameters
    ----------
    rows
        Cells as text, empty where there is nothing.
    where
        The file, or the file and the sheet, for errors.
    decimal_comma
        Whether numbers are written with a comma.
    header
        Splits the row of this number into names by another rule, where its cells do not fit.

    Raises
    ------
    DataError
        If there are no rows of numbers, only one column, or units beside the numbers.
    """
    kinds = [tuple(kind_of(cell, decimal_comma=decimal_comma) for cell in row) for row in rows]
    width, numeric = _shape(kinds, rows, where)
    if width < 2:
        raise DataError(f"{where}: there is only one column; an I-V file has two or more")
    data = _data_rows(kinds, numeric)
    first = data[0]
    _refuse_mixed(rows, kinds, numeric, where)
    names, depth, fits = _names(rows, first, width, header)
    notes = _notes(rows, first, depth, len(data), width)
    while not names[width - 1] and not any(rows[k][width - 1].strip() for k in data):
        width -= 1  # a separator at the end of every line is no column
    return Table(
        where=where,
        names=tuple(names[:width]),
        columns=tuple(tuple(rows[k][j] for k in data) for j in range(width)),
        above=tuple(tuple(row) for row in rows[: first - depth]),
        notes=(*fits, *notes),
        decimal_comma=decimal_comma,
    )


def _data_rows(kinds: list[tuple[str, ...]], numeric: list[bool]) -> list[int]:
    """Return which rows are rows of the table: numbers, or none, wherever columns are of them."""
    return [
        k
        for k, kind in enumerate(kinds)
        if len(kind) == len(numeric)
        and "n" in kind
        and all(what != "w" for what, is_one in zip(kind, numeric, strict=True) if is_one)
    ]


def _notes(rows: Sequence[Row], first: int, depth: int, data: int, width: int) -> tuple[str, ...]:
    """Return what has to be said of the rows below the header that are not the table's."""
    repeated = sum(depth and row == rows[first - depth] for row in rows[first:])
    skipped = len(rows) - first - data - repeated
    notes: tuple[str, ...] = ()
    if repeated:
        notes += (f"the header stands {repeated + 1} times; the rows are read as one table",)
    if skipped:
        notes += (f"{skipped} lines left out that are not rows of {width} numbers",)
    return notes


def _layout(lines: list[str]) -> tuple[str, bool]:
    """Return the separator that makes the most numbers of the lines, and if commas are decimal."""
    body = [line for line in lines if not _COMMENT.match(line)][-_SEEN:]

    def score(separator: str) -> float:
        points = 0.0
        for line in body:
            cells = line.split() if separator == " " else line.split(separator)
            numbers = sum(_counts(cell.strip(' "'), separator) for cell in cells)
            points += numbers / len(cells) if len(cells) > 1 else 0.0
        return points

    best = max(_SEPARATORS, key=score)
    if best == ",":
        return best, False
    cells = [
        c.strip() for line in body for c in (line.split() if best == " " else line.split(best))
    ]
    return best, any(DECIMAL_COMMA.fullmatch(cell) for cell in cells)


def _counts(cell: str, separator: str) -> bool:
    """Return whether a cell speaks for a separator: a number, also with a unit beside it."""
    return kind_of(cell, decimal_comma=separator != ",") == "n" or beside_number(cell) is not None


def _ambiguous(table: Table) -> bool:
    """Return whether the columns of a comma separated table may be halves of numbers.

    All are whole then, and every second one looks like decimals (``05``, ``23E-06``), or the line
    above names half as many.
    """
    if table.headed or len(table.columns) % 2:
        return False
    before = [cell.strip() for column in table.columns[::2] for cell in column]
    after = [cell.strip() for column in table.columns[1::2] for cell in column]
    if not all(map(_WHOLE.fullmatch, before)) or not all(map(_DECIMALS.fullmatch, after)):
        return False
    halved = bool(table.above) and 2 * len(table.above[-1]) == len(table.columns)
    return halved or any("e" in cell.lower() or cell[:1] == "0" != cell for cell in after)


def _shape(kinds: list[tuple[str, ...]], rows: Sequence[Row], where: str) -> tuple[int, list[bool]]:
    """Return how many columns the rows of numbers have, and which of them are of numbers."""
    widths = Counter(len(kind) for kind in kinds if "n" in kind)
    if not widths:
        unit = next((u for row in rows for cell in row if (u := beside_number(cell))), None)
        if unit is not None:
            raise DataError(
                f"{where}: units stand beside the numbers ({unit!r}); state them in the header"
            )
        raise DataError(f"{where}: there are no rows of numbers")
    width = max(widths, key=lambda w: (widths[w], w))
    alike = Counter(
        tuple(what != "w" for what in kind) for kind in kinds if len(kind) == width and "n" in kind
    )
    # Settings above a short table may be as many as its rows: rather more numbers, then.
    most = max((count, sum(numeric), numeric) for numeric, count in alike.items())
    return width, list(most[-1])


def _refuse_mixed(
    rows: Sequence[Row], kinds: list[tuple[str, ...]], numeric: Sequence[bool], where: str
) -> None:
    """Raise `DataError` if a row would be one of the table but for units beside its numbers."""
    for k, (row, kind) in enumerate(zip(rows, kinds, strict=True)):
        if len(kind) != len(numeric) or "w" not in kind:
            continue
        words = [row[j].strip() for j, is_one in enumerate(numeric) if is_one and kind[j] == "w"]
        if words and all(beside_number(word) for word in words):
            raise DataError(
                f"{where}: mixed units: row {k + 1} says {words[0]!r} where other rows have plain "
                "numbers; state one unit in the header"
            )


def _names(
    rows: Sequence[Row], first: int, width: int, header: Callable[[int], list[str]] | None
) -> tuple[list[str], int, tuple[str, ...]]:
    """Return the columns' names, how many rows they take, and a note if they do not fit."""
    nothing = [""] * width
    if first == 0:
        return nothing, 0, ()
    row = list(rows[first - 1])
    if len(row) != width and header is not None:
        row = header(first - 1)
    if len(row) != width:
        words = sum(kind_of(cell, decimal_comma=False) == "w" for cell in row)
        fits = words < 2 or len(rows[first - 1]) == 1
        note = f"the line above names {len(row)} columns, the rows have {width}; {UNFIT}"
        return nothing, 0, () if fits else (note,)
    if any(kind_of(cell, decimal_comma=False) == "n" for cell in row) or not any(
        cell.strip() for cell in row
    ):
        return nothing, 0, ()
    row = [_COMMENT.sub("", cell).strip() for cell in row]
    if first > 1 and all(_is_unit(cell) for cell in row) and len(rows[first - 2]) == width:
        names = [_COMMENT.sub("", cell).strip() for cell in rows[first - 2]]
        if all(names) and not any(kind_of(cell, decimal_comma=False) == "n" for cell in names):
            units = [cell.strip("()[] ") for cell in row]
            pairs = zip(names, units, strict=True)
            return [f"{name} ({unit})" if unit else name for name, unit in pairs], 2, ()
    return row, 1, ()


def _is_unit(cell: str) -> bool:
    bare = cell.strip("()[] ")
    return not bare or any(plain(bare) in units for units in UNITS.values())


def _split_names(line: str) -> list[str]:
    """Return the names in a header whose separator is not that of the rows."""
    bare = _COMMENT.sub("", line).strip()
    for separator in ("\t", ";", ","):
        if separator in bare:
            return [name.strip() for name in bare.split(separator)]
    return re.split(r"\s+(?![(\[])", bare)  # a unit in brackets belongs to the name before it
