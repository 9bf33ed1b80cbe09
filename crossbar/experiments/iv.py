"""I-V curves: cycles through one cell or many, every finished piece kept at once.

A cycle goes from 0 V to one end and back, then to the other end and back. As a staircase it is
asked of the bench in short pieces, one call each: an interrupt loses at most the piece that is
being measured. As a triangle it is one waveform, fast, and without a compliance.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from crossbar.backend import Ampere, Array, DataError, Limits, Sweep, Volt
from crossbar.bench import Bench
from crossbar.experiments.bounds import Bounds, at_least, one_of, option, positive
from crossbar.experiments.cell_choice import CELL_HELP, CELLS_HELP, chosen_cells
from crossbar.resumable import Record, recording
from crossbar.store import Arrays, Run

Progress = Callable[[str, int, int], None]
"""Called with the name of a piece of work, how much of it is done, and how much there is."""
Watch = Callable[[tuple[int, int], int, Sweep], None]
"""Called with the cell, the cycle and the points of every piece, once it is in the record."""

ORDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "up-down": ("vmax", "vmin"),
        "down-up": ("vmin", "vmax"),
        "up": ("vmax",),
        "down": ("vmin",),
    }
)
"""The ends that a cycle goes to, in order, from 0 V and back to it."""
DRIVES = ("staircase", "triangle")
LONGEST = 100_000
"""Points that a cycle may have: more is a misplaced decimal point, and fills the memory."""

NEAR = 0.5
"""Part of the compliance from which on a call is led to its first point; assumed."""
APPROACH = (0.5, 0.9)
"""Parts of the voltage reached last, by which a call is led to its first point; assumed."""


@dataclass(frozen=True, slots=True)
class IvSettings:
    """What `xbar iv` can be asked for; every field is an option of the command.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows, or a name does not exist.
    """

    cell: str | None = field(default=None, metadata={"help": CELL_HELP})
    cells: str | None = field(default=None, metadata={"help": CELLS_HELP})
    vmax: float = field(default=3.5, metadata={"help": "Highest voltage, V."})
    vmin: float = field(default=-3.0, metadata={"help": "Lowest voltage, V."})
    step: float = field(default=0.05, metadata={"help": "From point to point, V."})
    cycles: int = field(default=5, metadata={"help": "Cycles of each cell."})
    compliance: float = field(default=1e-4, metadata={"help": "Largest current, A."})
    dwell: float = field(default=1e-2, metadata={"help": "Time at each point, s."})
    read_order: str = field(
        default="up-down",
        metadata={"help": f"Which way a cycle goes first, or only: {', '.join(ORDERS)}."},
    )
    read_voltage: float = field(
        default=0.3, metadata={"help": "Where the loop's two branches are compared, V."}
    )
    drive: str = field(
        default="staircase",
        metadata={
            "help": "staircase: point by point, under the compliance; triangle: each cycle one "
            "waveform, fast, which nothing limits: --compliance is then the largest current "
            "expected."
        },
    )
    piece: int = field(
        default=50,
        metadata={
            "help": "Points per call of the bench: an interrupt loses at most one call. "
            "A source goes through 0 V between calls; 0 is a whole cycle in one call."
        },
    )

    def __post_init__(self) -> None:
        one_of(self, "read_order", ORDERS)
        one_of(self, "drive", DRIVES)
        at_least(self, cycles=1, piece=0)
        positive(self, "step", "compliance", "dwell", "read_voltage")
        for name, sign in (("vmax", 1), ("vmin", -1)):
            value = getattr(self, name)
            if name in ORDERS[self.read_order] and not 0 < sign * value < np.inf:
                side = "above" if sign > 0 else "below"
                raise DataError(f"{option(name)} {value:g} V is not a finite voltage {side} 0 V")
        if not sum(2 * abs(end) / self.step + 1 for end in self.ends) <= LONGEST:
            raise DataError(f"--step {self.step:g} V makes more than {LONGEST} points of a cycle")

    @property
    def ends(self) -> tuple[Volt, ...]:
        """Voltages that a cycle goes to, in order."""
        return tuple(getattr(self, name) for name in ORDERS[self.read_order])


def staircase(settings: IvSettings) -> Array:
    """Return the voltages of one cycle, V: from 0 V to each end and back, the ends included."""
    parts = [np.zeros(1)]
    for end in settings.ends:
        steps = np.ceil(abs(end) / settings.step - 1e-9)
        # To the nanovolt: 0.15 V is asked for, and not 0.15000000000000002 V.
        levels = np.round(settings.step * np.arange(1, steps + 1), 9)
        levels[-1] = abs(end)
        parts += [np.copysign(levels, end), np.copysign(levels[-2::-1], end), np.zeros(1)]
    return np.concatenate(parts)


def run(
    settings: IvSettings,
    bench: Bench,
    record: Run | Record,
    seed: int,
    progress: Progress = lambda *_: None,
    watch: Watch = lambda *_: None,
) -> None:
    """Sweep the cells one after another, and leave every finished piece in the record.

    The record holds a result ``asked`` and one ``sweep/WORD,BIT/K`` per piece, with the arrays
    ``cell``, ``cycle``, ``voltage``, ``current``, ``time``, ``flags`` and ``run``, which says in
    which run it was measured.

    Parameters
    ----------
    settings
        What to do.
    bench
        Where.
    record
        Receives every piece as soon as it is there. Cycles that an interrupted run had finished are
        not measured again; on a fresh array, cells.
    seed
        Nothing here is random; the bench has its own.
    progress
        Told of points.
    watch
        Told of every piece.

    Raises
    ------
    DataError
        If the cells do not exist.
    LimitError
        If anything asked for is outside the bench's limits; nothing was driven then.
    """
    cells = chosen_cells(settings.cell, settings.cells, bench.backend.shape)
    voltages = staircase(settings)
    check(settings, voltages, bench.backend.limits)
    record = recording(record)
    if record.finished("asked") is None:
        record.result(
            "asked",
            {
                "cells": np.column_stack([cells.word, cells.bit]),
                "voltage": voltages,
                "cycles": settings.cycles,
                "compliance": settings.compliance,
                "read_voltage": np.copysign(settings.read_voltage, settings.ends[0]),
            },
        )
    each = settings.cycles * len(voltages)
    total = len(cells) * each
    for k, cell in enumerate(cells):
        lead = np.empty(0)
        for piece in _unfinished(settings, record, cell, len(voltages)):
            progress("points", k * each + piece.cycle * len(voltages) + piece.part.start, total)
            asked = voltages[piece.part]
            if settings.drive == "triangle":
                swept = bench.backend.trace(cell, asked, settings.dwell, settings.compliance)
            else:
                driven = np.concatenate([lead, asked])
                whole = bench.backend.sweep(cell, driven, settings.compliance, settings.dwell)
                swept, lead = _without(whole, len(lead)), approach(whole, settings.compliance)
            record.result(piece.name, _arrays(cell, piece.cycle, swept, record.id))
            watch(cell, piece.cycle, swept)
    progress("points", total, total)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A call to be made: its name in the record, its cycle, and its points of that."""

    name: str
    cycle: int
    part: slice


def _unfinished(
    settings: IvSettings, record: Record, cell: tuple[int, int], points: int
) -> Iterator[_Piece]:
    """Yield what is left to be measured of a cell, beginning anew what is not finished as a whole.

    A cycle is a whole: what a cell does depends on where it has been since 0 V. On a fresh array,
    which is not the one that the earlier cycles were on, all cycles of the cell are.
    """
    where = f"{cell[0]},{cell[1]}"
    plan = [
        _Piece(f"sweep/{where}/{k}", cycle, part)
        for k, (cycle, part) in enumerate(pieces(settings, points))
    ]
    wholes = {f"cell {where}": plan}
    if not record.fresh:
        of = f"of {settings.cycles}, cell {where}"
        wholes = {
            f"cycle {cycle + 1} {of}": [piece for piece in plan if piece.cycle == cycle]
            for cycle in range(settings.cycles)
        }
    for name, whole in wholes.items():
        if not record.finished_together([piece.name for piece in whole]):
            record.begin(name)
            yield from whole


def check(settings: IvSettings, voltages: Array, limits: Limits) -> None:
    """Raise `LimitError`, naming the option, if a sweep is outside the limits of a bench."""
    bounds = Bounds(limits)
    for name in ORDERS[settings.read_order]:
        bounds.voltage(name, getattr(settings, name))
    bounds.compliance("compliance", settings.compliance)
    bounds.dwell("dwell", settings.dwell)
    stress = settings.cycles * float(np.sum(voltages**2)) * settings.dwell
    bounds.stress(
        f"--cycles {settings.cycles} of this sweep", stress, "fewer cycles, or a shorter --dwell"
    )


def pieces(settings: IvSettings, points: int) -> Iterator[tuple[int, slice]]:
    """Yield the cycle and the points of each call for one cell, in order."""
    most = points if settings.drive == "triangle" else settings.piece or points
    for cycle in range(settings.cycles):
        for begin in range(0, points, most):
            yield cycle, slice(begin, min(begin + most, points))


def approach(before: Sweep, compliance: Ampere) -> Array:
    """Return the voltages, V, by which the next call comes near the current of the one before it.

    None where that is far below the compliance. A bench whose compliance is software knows a cell
    only from the points of the same call: without these its first point would be taken blindly, at
    a voltage that the limit has ruled out already. They are driven, and not part of the curve.

    Parameters
    ----------
    before
        The call before.
    compliance
        A.
    """
    if not len(before.current) or not abs(before.current[-1]) > NEAR * compliance:
        return np.empty(0)
    return float(before.voltage[-1]) * np.array(APPROACH)


def _without(swept: Sweep, first: int) -> Sweep:
    """Return a sweep without its first points."""
    return Sweep(
        swept.voltage[first:], swept.current[first:], swept.time[first:], swept.flags[first:]
    )


def _arrays(cell: tuple[int, int], cycle: int, swept: Sweep, run: int) -> Arrays:
    return {
        "cell": np.array(cell),
        "run": np.array(run),
        "cycle": np.full(len(swept.voltage), cycle),
        "voltage": swept.voltage,
        "current": swept.current,
        "time": swept.time,
        "flags": swept.flags,
    }
