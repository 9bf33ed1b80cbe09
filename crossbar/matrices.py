"""Tables of numbers in CSV files: targets, inputs, currents."""

import csv
import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from crossbar.backend import Array, DataError


def read_matrix(path: Path, *, empty_allowed: bool = False) -> Array:
    """Return the numbers of a CSV file, one line per row; commas, semicolons or tabs separate.

    Parameters
    ----------
    path
        The file; lines that start with ``#`` are skipped.
    empty_allowed
        Let an empty field be NaN.

    Raises
    ------
    DataError
        If the file cannot be read, is empty, has lines of different length, or holds anything
        but finite numbers; the line and the column are named.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as problem:
        raise DataError(f"{path}: cannot be read: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise DataError(f"{path}: cannot be read: not a text file in UTF-8") from problem
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise DataError(f"{path}: there are no numbers in it")
    delimiter = next((d for d in (";", "\t") if d in lines[0][1]), ",")
    rows: list[list[float]] = []
    for number, line in lines:
        where = f"{path}, line {number}"
        try:
            fields = next(csv.reader([line], delimiter=delimiter, strict=True))
        except csv.Error as problem:
            raise DataError(f"{where}: {problem}") from problem
        row = [_number(f, f"{where}, column {k + 1}", empty_allowed) for k, f in enumerate(fields)]
        if rows and len(row) != len(rows[0]):
            raise DataError(f"{where}: {len(row)} columns where the first line has {len(rows[0])}")
        rows.append(row)
    return np.array(rows)


def _number(text: str, where: str, empty_allowed: bool) -> float:
    if not text.strip():
        if empty_allowed:
            return float("nan")
        raise DataError(f"{where}: there is no number")
    try:
        value = float(text)
    except ValueError as problem:
        raise DataError(f"{where}: {text.strip()!r} is not a number") from problem
    # Python reads 1_000 as a number; a person who typed it may have meant something else.
    if not np.isfinite(value) or "_" in text:
        raise DataError(f"{where}: {text.strip()!r} is not a finite number")
    return value


def check_output(output: Path | None) -> None:
    """Raise `DataError` now for a file that could not be written when the work is done."""
    if output is not None and not output.parent.is_dir():
        raise DataError(f"{output} cannot be written: there is no folder {output.parent}")


def write_matrix(path: Path, values: Array, comment: str) -> None:
    """Write a matrix as CSV, whole or not at all; the comment says what it is and its unit.

    Nine significant digits are kept, more than any converter has.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        np.savetxt(partial, values, delimiter=",", fmt="%.9g", header=comment, encoding="utf-8")
        partial.replace(path)
    except OSError as problem:
        raise DataError(f"{path}: cannot be written: {problem.strerror or problem}") from problem
    finally:
        with suppress(OSError):  # most often it is gone, having become `path`
            partial.unlink(missing_ok=True)
