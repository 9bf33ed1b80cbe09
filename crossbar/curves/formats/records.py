"""Runs of this project's own store: ``laboratory.sqlite#7``, or every I-V run of it."""

from collections.abc import Sequence

import numpy as np

from crossbar.backend import DataError, StoreError
from crossbar.curves.columns import Asked
from crossbar.curves.formats.format import NO, Clue, Format, Peek
from crossbar.curves.measured import Curve, Measurements, Origin
from crossbar.curves.source import Source
from crossbar.store import Arrays, Store

NAME = "record"
EXPERIMENT = "iv"
_COLUMNS = ("voltage", "current", "cycle", "time", "flags")
_SQLITE = b"SQLite format 3\x00"  # https://sqlite.org/fileformat.html, section 1.3


def clue(peek: Peek) -> Clue:
    """Return how sure this format is, by the first bytes of a database."""
    return Clue(1.0, "it is an SQLite database") if peek.head.startswith(_SQLITE) else NO


def read(source: Source, asked: Sequence[Asked]) -> Measurements:
    """Return the curves of one run or, where none is named, of all I-V runs of a store.

    Raises
    ------
    DataError
        If the file is not a run store, has no such run, or the run measured no curve.
    """
    try:
        with Store.open(source.path, readonly=True) as store:
            if source.run is not None:
                numbers = [store.run(source.run).id]
            else:
                numbers = [run.id for run in store.runs() if run.experiment == EXPERIMENT]
            found = [curve for number in numbers for curve in _curves(store, number, source)]
            # A number is asked for: say what the run was instead.
            kinds = {run.id: run.experiment for run in store.runs()}
    except StoreError as problem:
        raise DataError(f"{source}: {problem}") from problem
    if found:
        return Measurements(curves=tuple(found))
    if source.run is None:
        raise DataError(f"{source}: the store holds no curves of an {EXPERIMENT!r} run")
    raise DataError(
        f"{source}: run {source.run} ({kinds[source.run]}) holds no curve: no result with arrays "
        "'voltage' and 'current'"
    )


def _curves(store: Store, run: int, source: Source) -> list[Curve]:
    """Return a curve per cell: a cell's results are pieces of its curve, in order."""
    pieces: dict[str, list[Arrays]] = {}
    for name, arrays in store.results(run).items():
        if {"voltage", "current"} <= set(arrays) and arrays["voltage"].ndim == 1:
            cell = arrays.get("cell", np.empty(0)).tolist()
            label = f"cell {cell[0]},{cell[1]}" if len(cell) == 2 else name
            pieces.setdefault(label, []).append(arrays)
    whole = {
        label: {
            name: np.concatenate([piece[name] for piece in found])
            for name in _COLUMNS
            if all(name in piece for piece in found)
        }
        for label, found in pieces.items()
    }
    return [
        _curve(f"run {run} {label}", arrays, f"{source.path}#{run}")
        for label, arrays in whole.items()
        if len(arrays["voltage"]) > 1
    ]


def _curve(name: str, arrays: Arrays, origin: str) -> Curve:
    usable = np.isfinite(arrays["voltage"])
    left = int((~usable).sum())
    kept = {key: values[usable] for key, values in arrays.items()}
    _, cycle = np.unique(kept.get("cycle", np.zeros(int(usable.sum()))), return_inverse=True)
    notes = (f"{left} points left out without a voltage",) if left else ()
    return Curve(
        name=name,
        voltage=kept["voltage"].astype(np.float64),
        current=kept["current"].astype(np.float64),
        cycle=cycle,
        origin=Origin(origin, NAME, ("voltage: V", "current: A"), notes),
        time=kept["time"].astype(np.float64) if "time" in kept else None,
        flags=kept["flags"].astype(np.uint8) if "flags" in kept else None,
    )


FORMAT = Format("a run of this program's own store: FILE.sqlite#RUN", clue, read, False)
