"""The switch seeker: the smallest amplitudes that move a cell, up and down, again and again.

Pulses of one polarity grow from a low amplitude until the reads differ from those before the first
of them, in the pulses' direction, by a stated fraction and by more than the reads' own noise; then
the other polarity's do. Every ramp begins after a rest, and a change counts only if the same pulses
once more leave it standing: neither what a cell relaxes slowly nor what it relaxes by chance after
one of them is taken for a switch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from crossbar.backend import Array, DataError, Limits, Volt
from crossbar.bench import Bench
from crossbar.experiments.bounds import Bounds, at_least, option, positive
from crossbar.experiments.cell_choice import CELL_HELP, CELLS_HELP, chosen_cells
from crossbar.experiments.cell_probe import Probe, Seen
from crossbar.experiments.form import ramp
from crossbar.resumable import Record, recording
from crossbar.store import Arrays, Run

Progress = Callable[[str, int, int], None]
"""Called with the name of a piece of work, how much of it is done, and how much there is."""

SIGNS: Mapping[str, float] = MappingProxyType({"set": 1.0, "reset": -1.0})
NOISE = 3.0
"""Standard errors of the difference of two looks that a change has to be beyond, besides."""


@dataclass(frozen=True, slots=True)
class SeekSettings:
    """What `xbar seek` can be asked for; every field is an option of the command.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows.
    """

    cell: str | None = field(default=None, metadata={"help": CELL_HELP})
    cells: str | None = field(default=None, metadata={"help": CELLS_HELP})
    start: float = field(default=0.5, metadata={"help": "Magnitude to begin with, V."})
    stop: float = field(default=4.5, metadata={"help": "Magnitude to give up at, V."})
    step: float = field(default=0.1, metadata={"help": "From amplitude to amplitude, V."})
    width: float = field(default=1e-4, metadata={"help": "Pulse width, s."})
    pulses: int = field(default=5, metadata={"help": "Pulses at each amplitude."})
    fraction: float = field(
        default=0.3, metadata={"help": "Change of the conductance that counts, as a fraction."}
    )
    settle: float = field(default=1.0, metadata={"help": "Rest before each ramp, s."})
    reads: int = field(
        default=5, metadata={"help": "Reads before a ramp and after each amplitude."}
    )
    read_voltage: float = field(default=0.3, metadata={"help": "Of every read, V."})
    repeats: int = field(default=5, metadata={"help": "Pairs of ramps, SET and RESET."})

    def __post_init__(self) -> None:
        positive(self, "start", "stop", "step", "width", "fraction", "read_voltage")
        # Two reads: one alone does not know its noise.
        at_least(self, pulses=1, reads=2, repeats=1, settle=0)
        if not self.start <= self.stop:
            raise DataError(f"--start {self.start:g} V is above --stop {self.stop:g} V")
        if not (self.stop - self.start) / self.step < 1e4:
            raise DataError(f"--step {self.step:g} V makes more than 10000 amplitudes")

    @property
    def amplitudes(self) -> Array:
        """Magnitudes of one ramp, V, the last one included."""
        return ramp(self.start, self.stop, self.step)


def run(
    settings: SeekSettings,
    bench: Bench,
    record: Run | Record,
    seed: int,
    progress: Progress = lambda *_: None,
) -> None:
    """Seek in the cells one after another, and leave every ramp in the record.

    The record holds a ``set/WORD,BIT/K`` and a ``reset/WORD,BIT/K`` per pair of ramps, the last
    one also if it was interrupted.

    Parameters
    ----------
    settings
        What to do.
    bench
        Where.
    record
        Receives every ramp as soon as it has ended. Ramps that an interrupted run had finished are
        not made again; on a fresh array, cells.
    seed
        Nothing here is random; the bench has its own.
    progress
        Told of ramps.

    Raises
    ------
    DataError
        If the cells do not exist.
    LimitError
        If anything asked for is outside the bench's limits; nothing was driven then.
    BudgetError
        If a cell has used up its pulses or its stress.
    """
    cells = chosen_cells(settings.cell, settings.cells, bench.backend.shape)
    check(settings, bench.backend.limits)
    record = recording(record)
    probe = Probe(bench.backend, settings.read_voltage, settings.reads)
    total = 2 * len(cells) * settings.repeats
    done = 0
    for cell in cells:
        where = f"{cell[0]},{cell[1]}"
        ramps = {
            f"{name}/{where}/{repeat}": sign
            for repeat in range(settings.repeats)
            for name, sign in SIGNS.items()
        }
        # On a fresh array, which is not the one that earlier ramps were on, all of a cell are anew.
        wholes = {f"cell {where}": list(ramps)} if record.fresh else {n: [n] for n in ramps}
        for whole, names in wholes.items():
            if record.finished_together(names, lambda arrays: bool(arrays["ended"])):
                done += len(names)
                continue
            record.begin(whole)
            for name in names:
                progress("ramps", done, total)
                _seek(settings, probe, record, name, cell, ramps[name])
                done += 1
    progress("ramps", total, total)


def check(settings: SeekSettings, limits: Limits) -> None:
    """Raise `LimitError`, naming the option, if seeking is outside the limits of a bench."""
    bounds = Bounds(limits)
    bounds.voltage("stop", settings.stop)
    bounds.width("width", settings.width)
    bounds.read_voltage("read_voltage", settings.read_voltage)
    # Every amplitude of a ramp may be tried twice.
    count = 4 * settings.repeats * settings.pulses
    what, remedy = f"{option('repeats')} {settings.repeats}", "fewer repeats, or a larger --step"
    bounds.pulses(what, count * len(settings.amplitudes), remedy)
    bounds.stress(what, count * float(np.sum(settings.amplitudes**2)) * settings.width, remedy)


def _seek(
    settings: SeekSettings,
    probe: Probe,
    record: Record,
    name: str,
    cell: tuple[int, int],
    sign: float,
) -> None:
    """Raise the amplitude until the cell moves, and record the ramp however it ends."""
    rows: list[tuple[float, ...]] = []
    moved = ended = False
    try:
        probe.backend.wait(settings.settle)
        before = probe.see(cell)
        for amplitude in settings.amplitudes.tolist():
            probe.pulse(cell, sign * amplitude, settings.width, settings.pulses)
            after = again = probe.see(cell)
            if switched(before, after, sign, settings.fraction):
                probe.pulse(cell, sign * amplitude, settings.width, settings.pulses)
                again = probe.see(cell)
                moved = switched(before, again, sign, settings.fraction)
            rows.append((amplitude, *_columns(before), *_columns(after), *_columns(again)))
            if moved:
                break
        ended = True
    finally:
        record.result(name, _arrays(cell, rows, moved=moved, ended=ended))


def switched(before: Seen, after: Seen, sign: float, fraction: float) -> bool:
    """Return whether a cell moved the way it was pulsed, by a fraction and beyond the noise.

    Parameters
    ----------
    before, after
        What it conducted.
    sign
        1 for SET, -1 for RESET.
    fraction
        Of the conductance before.
    """
    change = sign * (after.conductance - before.conductance)
    noise = NOISE * float(np.hypot(before.error, after.error))
    return change > fraction * abs(before.conductance) + noise


def _columns(seen: Seen) -> tuple[float, float]:
    return seen.conductance, seen.error


def _arrays(
    cell: tuple[int, int], rows: list[tuple[float, ...]], *, moved: bool, ended: bool
) -> Arrays:
    columns = np.array(rows, dtype=np.float64).reshape(-1, 7).T
    looks = (name for look in ("before", "after", "again") for name in (look, f"{look}_error"))
    names = ("amplitude", *looks)
    found: Volt = rows[-1][0] if moved else np.nan
    return {
        "cell": np.array(cell),
        **dict(zip(names, columns, strict=True)),
        "switched_at": np.array(found),
        "ended": np.array(ended),
    }
