"""Endurance logs of RRAM chip benches: both states of a cell after so many cycles."""

import numpy as np

from crossbar.backend import DataError
from crossbar.curves.assemble import reciprocal
from crossbar.curves.formats.chip_files import Layout, fields, numbers, readings
from crossbar.curves.measured import Measurements
from crossbar.curves.source import Source

_LEFT_BY = {"SET": "high", "RESET": "low"}


def both_states(source: Source, layout: Layout) -> Measurements:
    """Return two readings per row: low resistance, then high."""
    address, low, high, cycle = numbers(source, layout)
    found = readings(
        source.stem,
        reciprocal(np.column_stack([low, high]).ravel()),
        np.repeat(address, 2),
        layout.origin(source),
        cycle=np.repeat(cycle, 2),
        state=np.tile(np.array(["high", "low"]), len(address)),
    )
    return Measurements(readings=(found,))


def pairs(source: Source, layout: Layout) -> Measurements:
    """Return the readings of a file with two rows per cycle: the first is after SET.

    Raises
    ------
    DataError
        If the rows are not pairs.
    """
    address, resistance, cycle = numbers(source, layout)
    if len(cycle) % 2 or (cycle[::2] != cycle[1::2]).any():
        raise DataError(f"{source}: not two rows per cycle")
    found = readings(
        source.stem,
        reciprocal(resistance),
        address,
        layout.origin(source, "states by the order of the two rows of a cycle: SET, RESET"),
        cycle=cycle,
        state=np.tile(np.array(["high", "low"]), len(cycle) // 2),
    )
    return Measurements(readings=(found,))


def log(source: Source, layout: Layout) -> Measurements:
    """Return the reads of a log of operations; the one before each says which state it is of.

    Raises
    ------
    DataError
        If there is no read, or a line is none of such a log.
    """
    rows: list[tuple[float, float, float, int, str]] = []
    cycles, state = 0, ""
    for number, cells in enumerate(fields(source), start=1):
        try:
            operation = cells[3]
            if operation == "ENDURANCE":
                cycles += int(cells[-1])
            elif operation == "READ":
                rows.append((float(cells[2]), float(cells[1]), float(cells[5]), cycles, state))
            state = _LEFT_BY.get(operation, state)
        except (IndexError, ValueError) as problem:
            raise DataError(f"{source}: line {number} is not of such a log: {problem}") from problem
    if not rows:
        raise DataError(f"{source}: no READ in the log")
    address, time, conductance, cycle, states = zip(*rows, strict=True)
    found = readings(
        source.stem,
        np.array(conductance),
        np.array(address),
        layout.origin(source, "cycles are those of the ENDURANCE lines, added up"),
        time=np.array(time),
        cycle=np.array(cycle, float),
        state=np.array(states),
    )
    return Measurements(readings=(found,))
