"""Sessions of ArC ONE: every pulse and read of every cell of a crossbar.

arc-instruments/arc1_pyqt, main.py ``saveSession``: name, date, header, then one row per operation;
ProgPanels/CurveTracer.py (tag CT: resistance while the amplitude is applied), Retention.py (tag
RET: a read, its time after the underscore). A pulse width of 0 is a read.
"""

import re
from collections.abc import Sequence

import numpy as np

from crossbar.backend import Array, DataError, Indices
from crossbar.curves.assemble import reciprocal
from crossbar.curves.columns import Asked
from crossbar.curves.formats.format import NO, Clue, Format, Peek
from crossbar.curves.measured import Curve, Measurements, Origin, PulseTable, Readings
from crossbar.curves.source import Source
from crossbar.curves.table import Table, text_table

NAME = "arc-one"
HEADER = (
    *("Wordline", "Bitline", "Resistance", "Amplitude (V)", "Pulse width (s)"),
    *("Tag", "ReadTag", "ReadVoltage"),
)
_UNITS = (
    "resistance: 'Resistance', ohm",
    "amplitude: 'Amplitude (V)', V",
    "width: 'Pulse width (s)', s",
)
_SWEPT = re.compile(r"CT\d*_(?:s|e|i_(\d+)|i)")
_RETAINED = re.compile(r"RET_(\d+\.?\d*)")


def clue(peek: Peek) -> Clue:
    """Return how sure this format is, by its header."""
    for line in peek.lines[:5]:
        if [cell.strip().strip('"') for cell in line.split(",")][:6] == list(HEADER[:6]):
            return Clue(1.0, "its header is that of an ArC ONE session")
    return NO


def read(source: Source, asked: Sequence[Asked]) -> Measurements:
    """Return, per cell, its I-V curves, its pulses and its plain reads.

    Raises
    ------
    DataError
        If there are no rows of a session.
    """
    table = text_table(source.text(), str(source))
    if table.names[:5] != HEADER[:5]:
        raise DataError(f"{source}: not a session of ArC ONE: its header is {table.names}")
    where = np.column_stack([table.numbers(0), table.numbers(1)])
    known = np.isfinite(where).all(axis=1)
    words = np.array(table.words(5))
    everything = Measurements()
    for word, bit in np.unique(where[known], axis=0).astype(int).tolist():
        mine = np.flatnonzero(known & (where == (word, bit)).all(axis=1))
        everything += _cell(table, mine, words[mine], f"W{word}B{bit}", source)
    return everything


def _cell(table: Table, rows: Indices, tags: np.ndarray, name: str, source: Source) -> Measurements:
    conductance = reciprocal(table.numbers(2)[rows])
    amplitude, width = table.numbers(3)[rows], table.numbers(4)[rows]
    usable = np.isfinite(conductance) & np.isfinite(amplitude)
    lost = int((~usable).sum())
    notes = table.notes + ((f"{lost} rows left out without a resistance",) if lost else ())
    origin = Origin(
        str(source), NAME, _UNITS, (*notes, "lines are counted from 1, as ArC ONE does")
    )
    swept = usable & np.array([bool(_SWEPT.match(tag)) for tag in tags])
    pulsed = usable & ~swept & (width > 0)
    plain = usable & ~swept & ~pulsed
    found = Measurements()
    if swept.sum() > 1 and np.ptp(amplitude[swept]) > 0:
        curve = _curve(conductance[swept], amplitude[swept], tags[swept], name, origin)
        found += Measurements(curves=(curve,))
    if pulsed.any():
        table_of = _pulses(conductance[pulsed], amplitude[pulsed], width[pulsed], name, origin)
        found += Measurements(pulses=(table_of,))
    if plain.any():
        reads = _reads(table, rows[plain], conductance[plain], tags[plain], name, origin)
        found += Measurements(readings=(reads,))
    return found


def _curve(
    conductance: Array, amplitude: Array, tags: np.ndarray, name: str, origin: Origin
) -> Curve:
    """Return the curve tracer's points; cycles are those of its tags."""
    cycle = np.zeros(len(tags), np.intp)
    for k, tag in enumerate(tags):
        found = _SWEPT.match(tag)
        stated = found is not None and found[1] is not None
        # The first and the last point of a trace carry no number: they are of their neighbours.
        cycle[k] = int(found[1]) if stated and found is not None else (cycle[k - 1] if k else 1)
        if tag.endswith("_s"):
            cycle[k] = (cycle[k - 1] + 1) if k else 1
    _, cycle = np.unique(np.maximum.accumulate(cycle), return_inverse=True)
    return Curve(name, amplitude, amplitude * conductance, cycle, origin)


def _pulses(
    conductance: Array, amplitude: Array, width: Array, name: str, origin: Origin
) -> PulseTable:
    return PulseTable(
        name=name,
        conductance=conductance,
        polarity=np.sign(amplitude).astype(np.intp),
        cycle=np.zeros(len(conductance), np.intp),
        origin=origin,
        amplitude=amplitude,
        width=width,
    )


def _reads(
    table: Table,
    rows: Indices,
    conductance: Array,
    tags: np.ndarray,
    name: str,
    origin: Origin,
) -> Readings:
    stamps = [_RETAINED.fullmatch(tag) for tag in tags]
    time = np.array([np.nan if stamp is None else float(stamp[1]) for stamp in stamps])
    voltages = np.unique(np.abs(table.numbers(7)[rows])) if len(table.names) > 7 else np.empty(0)
    recorded = np.isfinite(time)
    return Readings(
        name=name,
        conductance=conductance,
        cell=np.zeros(len(rows), np.intp),
        labels=(name,),
        origin=origin,
        time=time - time[recorded].min() if recorded.any() else None,
        voltage=float(voltages[0]) if len(voltages) == 1 else None,
    )


FORMAT = Format("ArC ONE session: Wordline, Bitline, Resistance, ...", clue, read, False)
