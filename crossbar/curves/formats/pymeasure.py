"""Results files of PyMeasure: comments with the procedure and its parameters, then CSV."""

from collections.abc import Sequence
from dataclasses import replace

from crossbar.curves import pymeasure_csv
from crossbar.curves.assemble import curves, noted
from crossbar.curves.columns import Asked
from crossbar.curves.formats.format import NO, Clue, Format, Peek
from crossbar.curves.measured import Measurements
from crossbar.curves.source import Source
from crossbar.curves.table import text_table

NAME = "pymeasure"


def clue(peek: Peek) -> Clue:
    """Return how sure this format is, by the first line."""
    if peek.lines and peek.lines[0].startswith("#Procedure: <"):
        return Clue(1.0, "its first line names a PyMeasure procedure")
    return NO


def read(source: Source, asked: Sequence[Asked]) -> Measurements:
    """Return the curves of a results file.

    Raises
    ------
    DataError
        If there are no rows of numbers, or a quantity or its unit is not stated.
    """
    text = source.text()
    if pymeasure_csv.is_ours(text) and not asked:
        curve = pymeasure_csv.read(source.path)
        before = curve.origin
        notes = (f"written from {before.source} ({before.format})", *before.notes)
        origin = replace(before, source=str(source), format=NAME, notes=notes)
        return Measurements(curves=(replace(curve, origin=origin),))
    rows = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    found = curves(text_table(rows, str(source)), str(source), NAME, source.stem, asked)
    note = (f"procedure {pymeasure_csv.procedure_of(text)}",)
    return Measurements(curves=tuple(noted(curve, note) for curve in found))


FORMAT = Format("PyMeasure results CSV", clue, read)
