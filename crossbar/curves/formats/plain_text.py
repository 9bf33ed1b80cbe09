"""Text with columns of voltage and current, and perhaps of time, device and cycle."""

from collections.abc import Sequence

from crossbar.curves.assemble import curves
from crossbar.curves.columns import Asked
from crossbar.curves.formats.format import NO, Clue, Format, Peek
from crossbar.curves.measured import Measurements
from crossbar.curves.source import Source
from crossbar.curves.table import text_table

NAME = "text"


def clue(peek: Peek) -> Clue:
    """Return that any text with columns of numbers may be this, if it is nothing else."""
    if not peek.lines:
        return NO
    if peek.table is None:
        return Clue(0.1, "it is text")
    return Clue(0.2, "it is text with columns of numbers, and no other format's")


def read(source: Source, asked: Sequence[Asked]) -> Measurements:
    """Return the curves of a text; quantities and units are those in its header, or as asked.

    Raises
    ------
    DataError
        If there are no rows of numbers, or a quantity or its unit is not stated.
    """
    table = text_table(source.text(), str(source))
    return Measurements(curves=curves(table, str(source), NAME, source.stem, asked))


FORMAT = Format("text: columns with or without a header, any separator", clue, read)
