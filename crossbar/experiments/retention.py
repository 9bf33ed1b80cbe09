"""Retention: cells as they are, or programmed first, read at times that grow geometrically."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from crossbar.backend import Array, Backend, Cells, DataError, LimitError, Second
from crossbar.bench import Bench
from crossbar.crossbar import Crossbar
from crossbar.experiments.bounds import Bounds, at_least, positive
from crossbar.experiments.cell_choice import CELL_HELP, CELLS_HELP, chosen_cells
from crossbar.experiments.cell_probe import Probe
from crossbar.resumable import Record, recording
from crossbar.store import Run

Progress = Callable[[str, int, int], None]
"""Called with the name of a piece of work, how much of it is done, and how much there is."""

STEPS = 50
"""Pieces that the time between two reads is waited in, so that progress moves."""


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """What `xbar retention` can be asked for; every field is an option of the command.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows.
    """

    cell: str | None = field(default=None, metadata={"help": CELL_HELP})
    cells: str | None = field(default=None, metadata={"help": CELLS_HELP})
    targets: str | None = field(
        default=None,
        metadata={
            "help": "Conductances to program first, S, as in 2e-5,6e-5, dealt out to the cells in "
            "turn; if missing, cells are taken as they are."
        },
    )
    first: float = field(default=1.0, metadata={"help": "Time of the first read, s."})
    last: float = field(default=1000.0, metadata={"help": "Time of the last read, s."})
    points: int = field(default=13, metadata={"help": "Reads in all, evenly on a log axis."})
    reads: int = field(default=4, metadata={"help": "Reads that each point averages."})
    read_voltage: float = field(default=0.3, metadata={"help": "Of every read, V."})

    def __post_init__(self) -> None:
        positive(self, "first", "last", "read_voltage")
        at_least(self, points=2, reads=1)
        if not self.first < self.last:
            raise DataError(f"--first {self.first:g} s is not below --last {self.last:g} s")
        _ = self.levels

    @property
    def levels(self) -> tuple[float, ...]:
        """The conductances named, S."""
        if self.targets is None:
            return ()
        try:
            levels = tuple(float(word) for word in self.targets.split(","))
        except ValueError as problem:
            raise DataError(
                f"--targets {self.targets!r} are not numbers separated by commas"
            ) from problem
        if not all(0 < level < np.inf for level in levels):
            raise DataError(f"--targets {self.targets!r} are not conductances above 0 S")
        return levels

    @property
    def times(self) -> Array:
        """When the cells are read, s."""
        return np.geomspace(self.first, self.last, self.points)


def run(
    settings: RetentionSettings,
    bench: Bench,
    record: Run | Record,
    seed: int,
    progress: Progress = lambda *_: None,
) -> None:
    """Program if asked to, wait and read, and leave every reading in the record.

    The record holds ``cells``, and a ``read/K`` per time. Times count from the end of programming,
    or from the beginning.

    Parameters
    ----------
    settings
        What to do.
    bench
        Where.
    record
        Receives the readings of every time as soon as they are there. What an interrupted run had
        read is not read again; times that passed in between are read at once, late.
    seed
        Nothing here is random; the bench has its own.
    progress
        Told of cells that are programmed, and of seconds.

    Raises
    ------
    DataError
        If the cells do not exist, or a target is outside the bench's window.
    LimitError
        If anything asked for is outside the bench's limits; nothing was driven then.
    """
    backend = bench.backend
    cells = chosen_cells(settings.cell, settings.cells, backend.shape)
    Bounds(backend.limits).read_voltage("read_voltage", settings.read_voltage)
    targets = np.full(len(cells), np.nan)
    if settings.levels:
        targets = np.resize(settings.levels, len(cells))
    crossbar = _programmer(bench, settings)
    _check_window(bench, targets)
    record = recording(record)
    probe = Probe(backend, settings.read_voltage, settings.reads)
    before = record.finished("cells")
    if before is not None:
        if "start" not in before:
            raise DataError("an earlier version did not record when its times began; begin anew")
        # On another clock: what has passed on that one is in the record.
        start = backend.now - record.passed(record.origins["cells"], float(before["start"]))
    else:
        verified = np.full(len(cells), np.nan)
        if settings.levels:
            record.begin("programming")
            verified = _program(crossbar, cells, targets, progress)
        start = backend.now
        record.result(
            "cells",
            {
                "cells": np.column_stack([cells.word, cells.bit]),
                "target": targets,
                "verified": verified,
                "times": settings.times,
                "start": np.array(start),
            },
        )
    total = round(settings.last)
    for k, time in enumerate(settings.times.tolist()):
        if record.finished(f"read/{k}") is not None:
            continue
        _wait_until(
            backend, start + time, lambda now: progress("seconds", round(now), total), start
        )
        at = backend.now - start
        conductance, error, flags = probe.look(cells)
        record.result(
            f"read/{k}",
            {"time": at, "conductance": conductance, "error": error, "flags": flags},
        )
    progress("seconds", total, total)


def _programmer(bench: Bench, settings: RetentionSettings) -> Crossbar:
    """Return the bench's crossbar, without the wait after which it reads again."""
    cell = replace(bench.programming.cell, reread_delay=0.0)
    return Crossbar(bench.backend, cell, bench.programming.pulses)


def _check_window(bench: Bench, targets: Array) -> None:
    low, high = bench.programming.cell.conductance_min, bench.programming.cell.conductance_max
    outside = targets[np.isfinite(targets) & ~((targets >= low) & (targets <= high))]
    if outside.size:
        raise LimitError(
            f"--targets {outside[0]:g} S is outside this bench's window of {low:g} S to {high:g} S"
        )


def _program(crossbar: Crossbar, cells: Cells, targets: Array, progress: Progress) -> Array:
    """Program the cells and return what each conducted at its last verify, S."""
    wanted = np.full(crossbar.backend.shape, np.nan)
    wanted[cells.word, cells.bit] = targets
    report = crossbar.program_conductances(
        wanted, progress=lambda done, of: progress("cells programmed", done, of)
    )
    return np.asarray(report.verified[cells.word, cells.bit])


def _wait_until(
    backend: Backend, time: Second, told: Callable[[Second], None], start: Second
) -> None:
    """Wait until the bench's time is `time`, telling how far it is since `start`."""
    told(backend.now - start)
    step = (time - backend.now) / STEPS
    while (left := time - backend.now) > 0:
        # Too short a rest is waited at once: clocks and sums of floats do not end exactly.
        backend.wait(left if left < 1.5 * step else step)
        told(min(backend.now, time) - start)
        if left < 1.5 * step:
            return
