"""Pulse tables as text: conductance against pulse number, or one column each of UP and DOWN."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from crossbar.backend import DataError
from crossbar.curves.assemble import pulse_tables
from crossbar.curves.columns import Asked, Columns, find, parse_columns, understood
from crossbar.curves.formats.format import NO, Clue, Format, Peek
from crossbar.curves.measured import Measurements, Origin, PulseTable
from crossbar.curves.source import Source
from crossbar.curves.table import Table, text_table

NAME = "pulses"
_NORMALISED = {
    "gong_et_al.csv": "up=1:1,down=2:1",  # IBM/aihwkit examples/21_fit_device_data.py: UP, DOWN
}
"""Files without a header that are known by name."""


def clue(peek: Peek) -> Clue:
    """Return how sure this format is, by the header; without one, by the file's name."""
    if peek.source.path.name in _NORMALISED:
        return Clue(0.9, f"{peek.source.path.name} is published under this name, UP and DOWN")
    table = peek.table
    roles = {understood(name)[0] for name in table.names} if table else set()
    if {"up", "down"} <= roles:
        return Clue(0.7, "its header names columns of UP and DOWN pulses")
    if roles & {"G", "R"} and not roles & {"I", "V"}:
        return Clue(0.6, "its header names conductance or resistance, and no voltage or current")
    return NO


def read(source: Source, asked: Sequence[Asked]) -> Measurements:
    """Return the pulse tables of a text.

    Raises
    ------
    DataError
        If no column is of conductance or resistance, or its unit is not stated.
    """
    table = text_table(source.text(), str(source))
    known = _NORMALISED.get(source.path.name)
    if not asked and known is not None and not table.headed:
        asked = parse_columns(known)
    columns = find(table.names, str(source), asked)
    origin = Origin(str(source), NAME, columns.described, table.notes + columns.notes)
    if "up" in columns and "down" in columns:
        return Measurements(pulses=(_trains(table, columns, origin, source.stem),))
    if "G" not in columns and "R" not in columns:
        raise DataError(
            f"{source}: no column of conductance; say which are, and in which units (1 if nobody "
            "knows), as in columns='G=2:uS' or columns='up=1:1,down=2:1'"
        )
    return Measurements(pulses=pulse_tables(table, columns, origin, source.stem))


def _trains(table: Table, columns: Columns, origin: Origin, name: str) -> PulseTable:
    """Return one cycle: the whole train of SET pulses, then the whole train of RESET pulses."""
    trains = []
    for role in ("up", "down"):
        values = table.numbers(columns[role].index) * columns[role].factor
        trains.append(values[np.isfinite(values)])
    up, down = trains
    left = 2 * len(table) - len(up) - len(down)
    trained = f"{len(up)} SET pulses, then {len(down)} RESET pulses, taken for one cycle"
    notes: tuple[str, ...] = (trained,)
    if left:
        notes += (f"{left} cells left out without a number",)
    if columns["up"].unit == "1":
        notes += ("conductances in units that nobody stated",)
    return PulseTable(
        name=name,
        conductance=np.concatenate([up, down]),
        polarity=np.repeat(np.array([1, -1], np.intp), [len(up), len(down)]),
        cycle=np.zeros(len(up) + len(down), np.intp),
        origin=replace(origin, notes=origin.notes + notes),
        normalised=columns["up"].unit == "1",
    )


FORMAT = Format("pulse tables: conductance against pulse number, or UP and DOWN", clue, read)
