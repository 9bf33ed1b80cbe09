"""The cells that a person names: ``3,4``, ``all``, ``0-2,5``, or several of them."""

import re

import numpy as np

from crossbar.backend import Cells, DataError, Indices

CELL_HELP = "Word line and bit line of one cell, as in 3,4; 0,0 if no cell is named."
CELLS_HELP = "Several cells: all, 0-2,5 (word lines 0 to 2, bit line 5), or '0,0 3,4-6'."

_GROUP = re.compile(r"(\d+)(?:-(\d+))?,(\d+)(?:-(\d+))?")


def chosen_cells(cell: str | None, cells: str | None, shape: tuple[int, int]) -> Cells:
    """Return the cells named, each once, in the order in which they were named.

    Parameters
    ----------
    cell
        One cell: ``3,4``.
    cells
        ``all``, or groups separated by spaces, each a word line or a range of them, a comma, and
        a bit line or a range.
    shape
        Of the array.

    Raises
    ------
    DataError
        If both are given, or a name cannot be read, or does not name a cell of the array.
    """
    if cell is not None and cells is not None:
        raise DataError("--cell names one cell and --cells several; both cannot be given")
    if cells is not None and cells.strip() == "all":
        return Cells.all(shape)
    option, text = ("--cells", cells) if cells is not None else ("--cell", cell or "0,0")
    # "3, 4" is one cell to whoever types it.
    groups = re.sub(r"\s*,\s*", ",", text.replace(";", " ")).split()
    if not groups or (option == "--cell" and (len(groups) > 1 or "-" in text)):
        raise DataError(f"{option} {text!r} does not name a cell as in 3,4")
    pairs = [pair for group in groups for pair in _group(option, group, shape)]
    return Cells.of(dict.fromkeys(pairs))


def _group(option: str, group: str, shape: tuple[int, int]) -> Cells:
    """Return the cells of one group."""
    found = _GROUP.fullmatch(group)
    if found is None:
        raise DataError(
            f"{option} {group!r} does not name cells: a word line or a range of them, a comma, "
            "a bit line or a range, as in 3,4 or 0-2,5"
        )
    first_word, last_word, first_bit, last_bit = found.groups()
    words = _lines(option, group, "word", first_word, last_word, shape[0])
    bits = _lines(option, group, "bit", first_bit, last_bit, shape[1])
    return Cells.block(words, bits)


def _lines(option: str, group: str, kind: str, first: str, last: str | None, count: int) -> Indices:
    begin, end = int(first), int(first if last is None else last)
    if end < begin:
        raise DataError(f"{option} {group}: {kind} lines {begin}-{end} count down")
    if end >= count:
        raise DataError(
            f"{option} {group}: {kind} line {end} does not exist; this array has {kind} lines "
            f"0 to {count - 1}"
        )
    return np.arange(begin, end + 1)
