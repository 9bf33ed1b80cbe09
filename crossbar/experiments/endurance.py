"""Endurance: SET and RESET again and again, each verified, until the window closes or it is enough.

That a cell's window closes, or that the bench's budget for it ends, is what endurance is about: a
result, and no error.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from crossbar.backend import BudgetError, Cells, DataError, Limits, Second
from crossbar.bench import Bench
from crossbar.experiments.bounds import Bounds, at_least, positive
from crossbar.experiments.cell_choice import CELL_HELP, CELLS_HELP, chosen_cells
from crossbar.experiments.cell_probe import Probe
from crossbar.resumable import Record, recording
from crossbar.store import Arrays, Run

Progress = Callable[[str, int, int], None]
"""Called with the name of a piece of work, how much of it is done, and how much there is."""

BLOCK = 25
"""Cycles per result of the record: a million cycles are not to be a million results."""


class Ended(IntEnum):
    """Why the cycles of a cell ended."""

    CYCLES = 0
    """All that were asked for were done."""
    WINDOW = 1
    """The window was closed for as many cycles in a row as were asked for."""
    BUDGET = 2
    """Its pulses or its stress, as the bench's limits have them, were used up."""


@dataclass(frozen=True, slots=True)
class EnduranceSettings:
    """What `xbar endurance` can be asked for; every field is an option of the command.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows.
    """

    cell: str | None = field(default=None, metadata={"help": CELL_HELP})
    cells: str | None = field(default=None, metadata={"help": CELLS_HELP})
    cycles: int = field(default=500, metadata={"help": "Cycles of each cell."})
    set_voltage: float = field(default=4.0, metadata={"help": "Amplitude of SET, V."})
    reset_voltage: float = field(default=3.5, metadata={"help": "Magnitude of RESET, V."})
    set_width: float = field(default=1e-4, metadata={"help": "Width of SET, s."})
    reset_width: float = field(default=1e-3, metadata={"help": "Width of RESET, s."})
    window: float = field(
        default=2.0, metadata={"help": "On over off conductance below which the window is closed."}
    )
    patience: int = field(
        default=5, metadata={"help": "Cycles in a row with a closed window that end a cell."}
    )
    read_voltage: float = field(default=0.3, metadata={"help": "Of every verify read, V."})
    reads: int = field(
        default=1, metadata={"help": "Reads after each pulse; the first is its verify read."}
    )

    def __post_init__(self) -> None:
        positive(self, "set_voltage", "reset_voltage", "set_width", "reset_width", "read_voltage")
        at_least(self, cycles=1, patience=1, reads=1)
        if not 1 <= self.window < np.inf:
            raise DataError(f"--window {self.window:g} is not a finite ratio of at least 1")


def run(
    settings: EnduranceSettings,
    bench: Bench,
    record: Run | Record,
    seed: int,
    progress: Progress = lambda *_: None,
) -> None:
    """Cycle the cells one after another, and leave every cycle and every end in the record.

    The record holds a ``cycles/WORD,BIT/K`` per block of cycles, the last one also if it was
    interrupted, and an ``end/WORD,BIT`` per cell that ended.

    Parameters
    ----------
    settings
        What to do.
    bench
        Where.
    record
        Receives every block as soon as it is full. Cells that an interrupted run had finished are
        not cycled again; on the array that it was on, no pulse is made again either, because the
        bench answers from its record.
    seed
        Nothing here is random; the bench has its own.
    progress
        Told of cycles.

    Raises
    ------
    DataError
        If the cells do not exist.
    LimitError
        If anything asked for is outside the bench's limits; nothing was driven then.
    """
    cells = chosen_cells(settings.cell, settings.cells, bench.backend.shape)
    check(settings, bench.backend.limits)
    record = recording(record)
    probe = Probe(bench.backend, settings.read_voltage, settings.reads)
    total = len(cells) * settings.cycles
    for k, cell in enumerate(cells):

        def told(done: int, before: int = k * settings.cycles) -> None:
            progress("cycles", before + done, total)

        where = f"{cell[0]},{cell[1]}"
        made = record.made_with(f"end/{where}", f"cycles/{where}/")
        if not record.finished_together(made):
            record.begin(f"cell {where}")
            _endure(settings, probe, record, cell, told)
    progress("cycles", total, total)


def check(settings: EnduranceSettings, limits: Limits) -> None:
    """Raise `LimitError`, naming the option, if a pulse is outside the limits of a bench."""
    bounds = Bounds(limits)
    for name in ("set", "reset"):
        bounds.voltage(f"{name}_voltage", getattr(settings, f"{name}_voltage"))
        bounds.width(f"{name}_width", getattr(settings, f"{name}_width"))
    bounds.read_voltage("read_voltage", settings.read_voltage)


def _endure(
    settings: EnduranceSettings,
    probe: Probe,
    record: Record,
    cell: tuple[int, int],
    told: Callable[[int], None],
) -> None:
    """Cycle one cell until it ends, and record why."""
    name, end, closed = f"{cell[0]},{cell[1]}", Ended.CYCLES, 0
    block: list[tuple[float, ...]] = []
    written = 0

    def write() -> None:
        nonlocal block, written
        if block:
            record.result(f"cycles/{name}/{written}", _arrays(cell, block))
            block, written = [], written + 1

    try:
        for cycle in range(settings.cycles):
            told(cycle)
            on, off, flags, time = _cycle(settings, probe, cell)
            block.append((cycle, on, off, flags, time))
            closed = 0 if on > settings.window * max(off, 0.0) else closed + 1
            if len(block) == BLOCK:
                write()
            if closed == settings.patience:
                end = Ended.WINDOW
                break
    except BudgetError:
        end = Ended.BUDGET
    finally:
        # Also what an interrupt, or the bench, has cut short.
        write()
    record.result(f"end/{name}", {"cell": np.array(cell), "end": int(end), "closed": closed})


def _cycle(
    settings: EnduranceSettings, probe: Probe, cell: tuple[int, int]
) -> tuple[float, float, int, Second]:
    """Apply SET and RESET; return what the cell conducted after each, flags and bench time."""
    s, seen, flags = settings, [], 0
    for voltage, width in ((s.set_voltage, s.set_width), (-s.reset_voltage, s.reset_width)):
        first = probe.pulse(cell, voltage, width)
        more = [probe.look(Cells.of([cell] * (s.reads - 1)))[0]] if s.reads > 1 else []
        seen.append(float(np.mean(np.concatenate([[first.conductance], *more]))))
        flags |= first.flags
    return seen[0], seen[1], flags, probe.backend.now


def _arrays(cell: tuple[int, int], block: list[tuple[float, ...]]) -> Arrays:
    names = ("cycle", "on", "off", "flags", "time")
    return {
        "cell": np.array(cell),
        **dict(zip(names, np.array(block, dtype=np.float64).T, strict=True)),
    }
