"""Retention as text: conductance or resistance against time, perhaps of several cells."""

from collections.abc import Sequence

import numpy as np

from crossbar.backend import DataError
from crossbar.curves.assemble import reciprocal
from crossbar.curves.columns import Asked, find, understood
from crossbar.curves.formats.format import NO, Clue, Format, Peek
from crossbar.curves.measured import Measurements, Origin, Readings
from crossbar.curves.source import Source
from crossbar.curves.table import text_table

NAME = "retention"
_OTHERS = {"V", "I", "amplitude", "width", "polarity", "up", "down"}


def clue(peek: Peek) -> Clue:
    """Return how sure this format is, by the header."""
    names = peek.table.names if peek.table else ()
    roles = {understood(name)[0] for name in names}
    if "t" in roles and roles & {"G", "R"} and not roles & _OTHERS:
        return Clue(0.65, "its header names time and conductance or resistance, and no pulses")
    return NO


def read(source: Source, asked: Sequence[Asked]) -> Measurements:
    """Return the readings of a text, a cell per name in its column of devices.

    Raises
    ------
    DataError
        If there is no conductance or resistance, or its unit or that of the time is not stated.
    """
    table = text_table(source.text(), str(source))
    columns = find(table.names, str(source), asked)
    which = next((columns[role] for role in ("G", "R") if role in columns), None)
    if which is None or "t" not in columns:
        raise DataError(
            f"{source}: retention is time and conductance or resistance; say which are, and in "
            "which units, as in columns='t=1:s,R=2:ohm'"
        )
    values = table.numbers(which.index) * which.factor
    conductance = values if which.role == "G" else reciprocal(values)
    time = table.numbers(columns["t"].index) * columns["t"].factor
    usable = np.isfinite(conductance) & np.isfinite(time)
    left = int((~usable).sum())
    notes = (f"{left} rows left out without time or conductance",) if left else ()
    words = [source.stem] * len(table)
    if "device" in columns:
        words = list(table.words(columns["device"].index))
    labels = tuple(dict.fromkeys(np.array(words)[usable].tolist()))
    cell = np.array([labels.index(word) for word in np.array(words)[usable]], np.intp)
    first = {k: time[usable][cell == k].min() for k in range(len(labels))}
    found = Readings(
        name=source.stem,
        conductance=conductance[usable],
        cell=cell,
        labels=labels,
        origin=Origin(str(source), NAME, columns.described, table.notes + columns.notes + notes),
        time=time[usable] - np.array([first[k] for k in cell.tolist()]),
    )
    return Measurements(readings=(found,))


FORMAT = Format("text of retention: conductance or resistance against time", clue, read)
