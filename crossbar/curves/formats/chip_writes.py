"""Write logs of RRAM chip benches: single pulses on many cells, write-verify with retention."""

from dataclasses import replace

import numpy as np

from crossbar.backend import DataError
from crossbar.curves.assemble import reciprocal
from crossbar.curves.formats.chip_files import (
    READ_VOLTAGE,
    Layout,
    fields,
    numbers,
    readings,
    since_first,
)
from crossbar.curves.measured import Measurements, PulseTable, Readings
from crossbar.curves.source import Source


def set_pulses(source: Source, layout: Layout) -> Measurements:
    """Return a pulse table per word line voltage, and every cell's conductance before."""
    return _single_pulses(source, layout, 1)


def reset_pulses(source: Source, layout: Layout) -> Measurements:
    """Return the same of RESET: amplitudes are negative."""
    return _single_pulses(source, layout, -1)


def _single_pulses(source: Source, layout: Layout, sign: int) -> Measurements:
    address, width, word_line, amplitude, before, after = numbers(source, layout)
    origin = layout.origin(source, "one pulse on each of many cells, not a train on one")
    tables = []
    for voltage in np.unique(word_line).tolist():
        mine = (word_line == voltage) & (after > 0)
        tables.append(
            PulseTable(
                name=f"{source.stem} word line {voltage:g} V",
                conductance=reciprocal(after[mine]),
                polarity=np.full(int(mine.sum()), sign, np.intp),
                cycle=np.zeros(int(mine.sum()), np.intp),
                origin=origin,
                amplitude=sign * amplitude[mine],
                width=width[mine],
            )
        )
    was = readings(f"{source.stem} before", reciprocal(before), address, origin)
    return Measurements(pulses=tuple(tables), readings=(was,))


def log(source: Source, layout: Layout) -> Measurements:
    """Return the reads after each write, a write being one cell's level; and what was before.

    Raises
    ------
    DataError
        If a line is none of such a log, or nothing was written.
    """
    rows = fields(source)
    try:
        kind = np.array([row[0] for row in rows])
        address, time, conductance = (np.array([float(row[k]) for row in rows]) for k in (3, 4, 6))
        targets = [f"{float(row[1]):g}-{float(row[2]):g} ohm" for row in rows]
    except (IndexError, ValueError) as problem:
        raise DataError(f"{source}: not a log of writes and reads: {problem}") from problem
    if not (kind == "Write").any():
        raise DataError(f"{source}: no Write in the log")
    cell = np.cumsum(kind == "Write") - 1  # reads follow their write at once
    read = (kind != "Init") & (cell >= 0)
    labels = tuple(
        f"{address[k]:.0f} write {n} {targets[k]}"
        for n, k in enumerate(np.flatnonzero(kind == "Write").tolist())
    )
    init = kind == "Init"
    note = "a cell here is one write; its first reading is the verify read of that write"
    after = Readings(
        name=source.stem,
        conductance=conductance[read],
        cell=cell[read],
        labels=labels,
        origin=layout.origin(source, note),
        time=since_first(time[read], cell[read]),
        voltage=READ_VOLTAGE,
    )
    if not init.any():
        return Measurements(readings=(after,))
    before = readings(
        f"{source.stem} before", conductance[init], address[init], layout.origin(source)
    )
    return Measurements(readings=(after, before))


def samples(source: Source, layout: Layout) -> Measurements:
    """Return the samples of lines with an address, a time, and as many values as there are.

    That they are conductances is seen from the values alone: they are ``1 / abs(0.2 V / I - 560
    ohm)`` of equally spaced currents of both signs, as nirram.py computes them.

    Raises
    ------
    DataError
        If a line holds something that is not a number.
    """
    found = []
    note = "conductances, by the form of the values; the sampling rate is not recorded"
    for number, cells in enumerate(fields(source), start=1):
        try:
            values = np.array(cells, dtype=np.float64)
        except ValueError as problem:
            raise DataError(f"{source}: line {number}: {problem}") from problem
        if len(values) < 3:
            raise DataError(f"{source}: line {number} holds no samples")
        one = readings(
            source.stem,
            values[2:],
            np.full(len(values) - 2, values[0]),
            layout.origin(source, note),
        )
        found.append(replace(one, name=f"{source.stem} {values[0]:.0f}"))
    return Measurements(readings=tuple(found))
