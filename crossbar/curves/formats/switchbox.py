"""Sweeps of Switchbox_GUI: tab separated, with a header of words that states no units.

Craig-Venables/Switchbox_GUI; names are ``index-FS-Vmax-step-delay-Py-program``.
"""

import re
from collections.abc import Sequence

from crossbar.curves.assemble import curves
from crossbar.curves.columns import Asked
from crossbar.curves.formats.format import NO, Clue, Format, Peek
from crossbar.curves.measured import Measurements
from crossbar.curves.source import Source
from crossbar.curves.table import text_table

NAME = "switchbox"
_HEADER = "Voltage Current Time"
_CALLED = re.compile(r"^\d+-[A-Z]+-[\d.]+v-")
_DOCUMENTED = {"V": "V", "I": "A", "t": "s"}  # Keithley readings, written as they are


def clue(peek: Peek) -> Clue:
    """Return how sure this format is, by header and file name."""
    if not peek.lines or peek.lines[0].strip() != _HEADER or "\t" not in peek.lines[-1]:
        return NO
    if _CALLED.match(peek.source.path.name):
        return Clue(0.9, f"its header is {_HEADER!r} and it is called as Switchbox_GUI calls files")
    return NO


def read(source: Source, asked: Sequence[Asked]) -> Measurements:
    """Return the curve of one file.

    Raises
    ------
    DataError
        If there are no rows of numbers.
    """
    table = text_table(source.text(), str(source))
    found = curves(table, str(source), NAME, source.stem, asked, _DOCUMENTED)
    return Measurements(curves=found)


FORMAT = Format("Switchbox_GUI sweeps: Voltage Current Time", clue, read)
