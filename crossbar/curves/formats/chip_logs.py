"""Logs of RRAM chip benches: headerless, known by the file's name and its number of columns."""

import re
from collections.abc import Sequence

import numpy as np

from crossbar.backend import Array, DataError
from crossbar.curves.assemble import reciprocal
from crossbar.curves.columns import Asked
from crossbar.curves.formats import chip_endurance, chip_writes
from crossbar.curves.formats.chip_files import Layout, cells_of, numbers, readings
from crossbar.curves.formats.format import NO, Clue, Format, Peek
from crossbar.curves.measured import Curve, Measurements
from crossbar.curves.source import Source

__all__ = ["FORMAT", "LAYOUTS"]


def _resistances(source: Source, layout: Layout) -> Measurements:
    address, resistance = numbers(source, layout)
    found = readings(source.stem, reciprocal(resistance), address, layout.origin(source))
    return Measurements(readings=(found,))


def _retention(source: Source, layout: Layout) -> Measurements:
    address, time, _, conductance, _, _ = numbers(source, layout)
    found = readings(source.stem, conductance, address, layout.origin(source), time=time)
    return Measurements(readings=(found,))


def _voltage_first(source: Source, layout: Layout) -> Measurements:
    address, voltage, current = numbers(source, layout)
    return _sweeps(source, layout, address, voltage, current)


def _current_first(source: Source, layout: Layout) -> Measurements:
    address, current, voltage = numbers(source, layout)
    return _sweeps(source, layout, address, voltage, current)


def _sweeps(
    source: Source, layout: Layout, address: Array, voltage: Array, current: Array
) -> Measurements:
    """Return a curve per cell: its current while the read voltage rises."""
    cell, labels = cells_of(address)
    origin = layout.origin(source, "read voltages only: nothing is meant to switch")
    order = np.argsort(cell, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(cell[order])) + 1)
    found = tuple(
        Curve(
            name=f"{source.stem} {label}",
            voltage=voltage[rows],
            current=current[rows],
            cycle=np.zeros(len(rows), np.intp),
            origin=origin,
        )
        for label, rows in zip(labels, parts, strict=True)
    )
    return Measurements(curves=found)


_SWEPT_CELL = ("address", "pulse width, s", "word line voltage, V")
LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "set_sweep",
        (*_SWEPT_CELL, "bit line voltage, V", "R before, ohm", "R after, ohm"),
        chip_writes.set_pulses,
    ),
    Layout(
        "reset_sweep",
        (*_SWEPT_CELL, "source line voltage, V", "R before, ohm", "R after, ohm"),
        chip_writes.reset_pulses,
    ),
    Layout("endurance_slow", ("address", "R, ohm", "cycle"), chip_endurance.pairs),
    Layout("endurance_log", ("chip", "unix time, s", "address", "op", "..."), chip_endurance.log),
    Layout(
        r"1us_endurance|100cyc",
        ("address", "R of LRS, ohm", "R of HRS, ohm", "cycle"),
        chip_endurance.both_states,
    ),
    Layout(r"(pre|post)bake\d+|read_mlc_\w+", ("address", "R, ohm"), _resistances),
    Layout("read_voltage_sweep", ("address", "V, V", "I, A"), _voltage_first),
    Layout("read_multivolt", ("address", "I, A", "V, V"), _current_first),
    Layout(
        r"ret\d+",
        ("address", "unix time, s", "R, ohm", "G, S", "I, A", "V of the shunt, V"),
        _retention,
    ),
    Layout(
        r"testlog_\w+",
        ("op", "R low, ohm", "R high, ohm", "address", "unix time, s", "R, ohm", "G, S"),
        chip_writes.log,
    ),
    Layout(r"testret_\w+", ("address", "unix time, s", "G, S, ..."), chip_writes.samples),
)
"""Files by name; the columns are those of the repositories' scripts."""


def _layout(source: Source) -> Layout | None:
    return next((one for one in LAYOUTS if re.fullmatch(one.called, source.stem)), None)


def clue(peek: Peek) -> Clue:
    """Return how sure this format is, by the file's name and the columns of its first line."""
    layout = _layout(peek.source)
    if layout is None:
        return NO
    # A line of samples is longer than the head of a file.
    line = peek.lines[0] if peek.lines else peek.head.decode("latin-1")
    cells = re.split(r"[\t,]", line)
    open_ended = layout.columns[-1].endswith("...")
    fits = len(cells) >= len(layout.columns) if open_ended else len(cells) == len(layout.columns)
    if layout.read is chip_writes.log:
        fits = len(cells) in (7, 8)
    if not fits or peek.head.startswith(b"PK"):
        return NO
    return Clue(0.9, f"{peek.source.stem} with {len(cells)} columns is a log of an RRAM chip")


def read(source: Source, asked: Sequence[Asked]) -> Measurements:
    """Return what a log holds.

    Raises
    ------
    DataError
        If no such log is known by this name, or a line is not of its kind.
    """
    layout = _layout(source)
    if layout is None:
        names = ", ".join(one.called for one in LAYOUTS)
        raise DataError(f"{source}: chip logs are known by name, this one is none of {names}")
    return layout.read(source, layout)


FORMAT = Format("logs of RRAM chip benches, known by name", clue, read, False)
