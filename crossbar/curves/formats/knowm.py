"""Knowm Memristor Discovery: one period of hysteresis per file, in volts and microamperes.

knowm/memristor-discovery, data/: folders are called ``SeriesR_Amplitude_Frequency_Device``; the
files have two columns and no header. That the current is in microamperes is not said there either,
but no other unit fits: 0.8 V over 47 kohm give 12 of it at most, over 5 kohm 123.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from crossbar.backend import DataError
from crossbar.curves.assemble import curves
from crossbar.curves.columns import Asked, parse_columns
from crossbar.curves.formats.format import NO, Clue, Format, Peek
from crossbar.curves.measured import Curve, Measurements
from crossbar.curves.source import Source
from crossbar.curves.table import text_table

NAME = "knowm"
_FOLDER = re.compile(
    r"(?P<series>[\d.]+)(?P<kilo>k?)(?:ohm|Ω|Ω)_(?P<amplitude>[\d.]+)V_(?P<hertz>[\d.]+)Hz_(?P<device>\w+)"
)
_FILES = {"memristor": "", "resistor+memristor": " with its series resistor"}
_COLUMNS = "V=1:V,I=2:uA"


def clue(peek: Peek) -> Clue:
    """Return how sure this format is, by the names of the file and of its folder."""
    if peek.source.stem.lower() in _FILES and _FOLDER.fullmatch(peek.source.path.parent.name):
        return Clue(0.95, f"it is {peek.source.path.name} in {peek.source.path.parent.name}")
    return NO


def read(source: Source, asked: Sequence[Asked]) -> Measurements:
    """Return the curve of one file; the folder's name tells the rest.

    Raises
    ------
    DataError
        If the folder is not called as Memristor Discovery calls it, or there are no numbers.
    """
    table = text_table(source.text(), str(source))
    (curve,) = curves(table, str(source), NAME, source.stem, asked or parse_columns(_COLUMNS))
    found = _FOLDER.fullmatch(source.path.absolute().parent.name)
    notes = curve.origin.notes
    if not asked:
        notes = ("current in uA: documented for this format, the file does not say", *notes)
    if found is None:
        return Measurements(curves=(replace(curve, origin=replace(curve.origin, notes=notes)),))
    return Measurements(curves=(_told(curve, found, _FILES.get(source.stem.lower(), ""), notes),))


def _told(curve: Curve, folder: re.Match[str], part: str, notes: tuple[str, ...]) -> Curve:
    """Return the curve with what its folder's name says: device, circuit, time."""
    amplitude, frequency = float(folder["amplitude"]), float(folder["hertz"])
    if not frequency > 0:
        raise DataError(f"{folder[0]}: a folder of 0 Hz says nothing of the time")
    resistor = f"{folder['series']} {folder['kilo']}ohm"
    notes += (
        f"in series with {resistor}, {amplitude:g} V, {frequency:g} Hz, by the folder's name",
        "time computed: the points are one period, equally spaced",
    )
    return replace(
        curve,
        name=f"{folder['device']} {amplitude:g} V {frequency:g} Hz {resistor}{part}",
        time=np.arange(len(curve)) / (len(curve) * frequency),
        origin=replace(curve.origin, notes=notes),
    )


FORMAT = Format("Knowm Memristor Discovery folder: V and uA, one period", clue, read)
