"""Workbooks (.xlsx) of sweeps, one sheet per device, as Keithley's programs save them."""

from collections.abc import Sequence

from crossbar.backend import DataError
from crossbar.curves.assemble import curves, noted
from crossbar.curves.columns import Asked
from crossbar.curves.formats import keithley
from crossbar.curves.formats.format import NO, Clue, Format, Peek
from crossbar.curves.measured import Curve, Measurements
from crossbar.curves.source import Source
from crossbar.curves.table import build
from crossbar.curves.workbook import sheets

NAME = "sheets"
ZIP = b"PK\x03\x04"


def clue(peek: Peek) -> Clue:
    """Return how sure this format is: any workbook may be of this kind."""
    if peek.head.startswith(ZIP) and peek.source.ending == ".xlsx":
        return Clue(0.5, "it is a workbook")
    return NO


def read(source: Source, asked: Sequence[Asked]) -> Measurements:
    """Return the curves of every sheet, called as the sheet is.

    Raises
    ------
    DataError
        If the file is not a workbook, or no sheet holds a curve.
    """
    found: list[Curve] = []
    refused: list[str] = []
    for name, rows in sheets(source).items():
        try:
            table = build(rows, f"{source}, sheet {name}")
            if keithley.channels(table.names):
                found.extend(keithley.of_table(table, str(source), NAME, name, asked))
            else:
                found.extend(curves(table, str(source), NAME, name, asked))
        except DataError as problem:
            refused.append(str(problem))
    if not found:
        raise DataError(refused[0] if refused else f"{source}: the workbook has no sheets")
    notes = tuple(f"a sheet left out: {reason}" for reason in refused)
    return Measurements(curves=tuple(noted(curve, notes) for curve in found))


FORMAT = Format("xlsx workbook of sweeps, a sheet per device", clue, read)
