"""What the headerless files of RRAM chip benches have in common.

robert-radway/NI-RRAM-Python and its fork Anjiang-Wei/Anjiang-RRAM-Python; nirram.py ``read``:
resistance is ``abs(VBL / I - shunt)``, conductance its reciprocal, a cell is an address.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array, DataError, Indices
from crossbar.curves.measured import Measurements, Origin, Readings
from crossbar.curves.source import Source

NAME = "rram-chip"
READ_VOLTAGE = 0.2  # V; READ.VBL in the settings files of both repositories


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of these files.

    Parameters
    ----------
    called
        Pattern that the file's name, without endings, matches.
    columns
        What they are, in words, one per column.
    read
        Turns the rows into measurements.
    """

    called: str
    columns: tuple[str, ...]
    read: Callable[["Source", "Layout"], Measurements]

    def origin(self, source: Source, *notes: str) -> Origin:
        """Return the origin of what is read from such a file."""
        told = "no header: columns as documented for a file of this name"
        return Origin(str(source), NAME, self.columns, (told, *notes))


def fields(source: Source) -> list[list[str]]:
    """Return the cells of every line, separated by tabs or else by commas."""
    lines = [line for line in source.text().splitlines() if line.strip()]
    separator = "\t" if "\t" in lines[0] else ","
    return [line.split(separator) for line in lines]


def numbers(source: Source, layout: Layout) -> Array:
    """Return the columns of a file of numbers, shape ``(n_columns, n_rows)``.

    Raises
    ------
    DataError
        Naming the first line that has other columns, or something that is not a number.
    """
    rows = fields(source)
    width = len(layout.columns)
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise DataError(
                f"{source}: line {number} has {len(row)} columns, this kind of file has {width}"
            )
    try:
        return np.array(rows, dtype=np.float64).T
    except ValueError as problem:
        raise DataError(f"{source}: {problem}") from problem


def cells_of(addresses: Array) -> tuple[Indices, tuple[str, ...]]:
    """Return the number of each row's cell, in order of appearance, and what cells are called."""
    unique, first, inverse = np.unique(addresses, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[inverse], tuple(f"{address:.0f}" for address in unique[order])


def since_first(time: Array, cell: Indices) -> Array:
    """Return times, s, since the first of each cell."""
    first = np.full(int(cell.max()) + 1, np.inf)
    np.minimum.at(first, cell, time)
    return np.asarray(time - first[cell])


def readings(
    name: str,
    conductance: Array,
    address: Array,
    origin: Origin,
    *,
    time: Array | None = None,
    cycle: Array | None = None,
    state: NDArray[np.str_] | None = None,
) -> Readings:
    """Return readings at addresses; rows without a conductance are left out and counted."""
    usable = np.isfinite(conductance)
    if not usable.all():
        left = f"{int((~usable).sum())} rows left out without a conductance"
        origin = Origin(origin.source, origin.format, origin.columns, (*origin.notes, left))
    cell, labels = cells_of(address[usable])
    return Readings(
        name=name,
        conductance=conductance[usable],
        cell=cell,
        labels=labels,
        origin=origin,
        time=None if time is None else since_first(time[usable], cell),
        cycle=None if cycle is None else cycle[usable].astype(np.intp),
        state=None if state is None else state[usable],
        voltage=READ_VOLTAGE,
    )
