"""Forming with feedback: ramps of pulses or of sweep steps, each followed by a read, until it is.

A ramp goes from a low amplitude to a high one; if no amplitude formed the cell, the next ramp is of
longer pulses. It ends as soon as the cell conducts what was asked for, and gives up, saying why,
where the settings end.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from crossbar.backend import Array, BudgetError, DataError, Flag, Limits, Second, Volt
from crossbar.bench import Bench
from crossbar.experiments.bounds import Bounds, at_least, one_of, positive
from crossbar.experiments.cell_choice import CELL_HELP, CELLS_HELP, chosen_cells
from crossbar.experiments.cell_probe import Probe, Seen
from crossbar.resumable import Record, recording
from crossbar.store import Run

Progress = Callable[[str, int, int], None]
"""Called with the name of a piece of work, how much of it is done, and how much there is."""

METHODS = ("pulse", "sweep")
POLARITIES = {"positive": 1.0, "negative": -1.0}


class Formed(IntEnum):
    """What became of a cell."""

    ALREADY = 0
    """It conducted as much before the first pulse."""
    CONDUCTANCE = 1
    """It conducts what was asked for."""
    CURRENT = 2
    """A step carried the current that was asked for."""
    GAVE_UP = 3
    """The longest ramp ended without either."""
    BUDGET = 4
    """Its pulses or its stress, as the bench's limits have them, were used up."""


@dataclass(frozen=True, slots=True)
class FormSettings:
    """What `xbar form` can be asked for; every field is an option of the command.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows, or a name does not exist.
    """

    cell: str | None = field(default=None, metadata={"help": CELL_HELP})
    cells: str | None = field(default=None, metadata={"help": CELLS_HELP})
    method: str = field(
        default="pulse",
        metadata={"help": "pulse, or sweep: steps under the compliance of the bench."},
    )
    polarity: str = field(default="positive", metadata={"help": "positive or negative."})
    target: float = field(
        default=3e-5, metadata={"help": "Conductance from which on a cell is formed, S."}
    )
    stop_current: float | None = field(
        default=None, metadata={"help": "Also formed if a step of a sweep carries this, A."}
    )
    start: float = field(default=1.0, metadata={"help": "Magnitude that a ramp begins with, V."})
    stop: float = field(default=4.5, metadata={"help": "Magnitude that a ramp ends with, V."})
    step: float = field(default=0.1, metadata={"help": "From pulse to pulse, V."})
    width: float = field(default=1e-4, metadata={"help": "Pulses or steps of the first ramp, s."})
    width_stop: float = field(default=1e-2, metadata={"help": "The longest that may come, s."})
    width_factor: float = field(default=10.0, metadata={"help": "From ramp to ramp."})
    compliance: float = field(
        default=1e-4, metadata={"help": "Largest current of a step of a sweep, A."}
    )
    read_voltage: float = field(default=0.3, metadata={"help": "Of every read, V."})
    reads: int = field(default=4, metadata={"help": "Reads that are averaged after each pulse."})

    def __post_init__(self) -> None:
        one_of(self, "method", METHODS)
        one_of(self, "polarity", POLARITIES)
        positive(self, "target", "stop_current", "start", "stop", "step")
        positive(self, "width", "width_stop", "compliance", "read_voltage")
        at_least(self, reads=1)
        if not self.start <= self.stop:
            raise DataError(f"--start {self.start:g} V is above --stop {self.stop:g} V")
        if not self.width <= self.width_stop:
            raise DataError(f"--width {self.width:g} s is above --width-stop {self.width_stop:g} s")
        if not 1 < self.width_factor < np.inf:
            raise DataError(f"--width-factor {self.width_factor:g} is not above 1")
        if not (self.stop - self.start) / self.step < 1e4:
            raise DataError(f"--step {self.step:g} V makes more than 10000 pulses of a ramp")
        if self.stop_current is not None and self.method != "sweep":
            raise DataError("--stop-current is of --method sweep; a pulse's current is not known")

    @property
    def amplitudes(self) -> Array:
        """Voltages of one ramp, V, the last one included."""
        return POLARITIES[self.polarity] * ramp(self.start, self.stop, self.step)

    @property
    def widths(self) -> tuple[Second, ...]:
        """Widths of the ramps, s, the longest included."""
        count = int(
            np.ceil(np.log(self.width_stop / self.width) / np.log(self.width_factor) - 1e-9)
        )
        longer = (self.width * self.width_factor**k for k in range(count))
        return (*(float(f"{width:.6g}") for width in longer), self.width_stop)


def ramp(start: Volt, stop: Volt, step: Volt) -> Array:
    """Return the magnitudes from `start` to `stop`, both included, V."""
    count = int(np.ceil((stop - start) / step - 1e-9))
    # To the nanovolt: 1.3 V is asked for, and not 1.3000000000000003 V.
    return np.append(np.round(start + step * np.arange(count), 9), stop)


@dataclass(slots=True)
class _Ramp:
    """What one ramp came to so far: a row per pulse."""

    cell: tuple[int, int]
    width: Second
    rows: list[tuple[float, ...]]

    def add(self, voltage: Volt, current: float, seen: Seen, flags: int, time: Second) -> None:
        self.rows.append((voltage, current, seen.conductance, seen.error, flags, time))

    def arrays(self) -> dict[str, Array]:
        """Return the columns of the rows, for the record."""
        columns = np.array(self.rows, dtype=np.float64).reshape(-1, 6).T
        names = ("voltage", "current", "conductance", "error", "flags", "time")
        return {
            "cell": np.array(self.cell),
            "width": np.array(self.width),
            **dict(zip(names, columns, strict=True)),
        }


def run(
    settings: FormSettings,
    bench: Bench,
    record: Run | Record,
    seed: int,
    progress: Progress = lambda *_: None,
) -> None:
    """Form the cells one after another, and leave every ramp and every outcome in the record.

    The record holds a ``ramp/WORD,BIT/K`` per ramp, also of one that was interrupted, and a
    ``formed/WORD,BIT`` per cell that was finished.

    Parameters
    ----------
    settings
        What to do.
    bench
        Where.
    record
        Receives every ramp as soon as it has ended. Cells that an interrupted run had finished are
        not formed again; on the array that it was on, no pulse is made again either, because the
        bench answers from its record.
    seed
        Nothing here is random; the bench has its own.
    progress
        Told of cells, and of the pulses that the present one may take.

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
    for k, cell in enumerate(cells):
        progress("cells", k, len(cells))
        where = f"{cell[0]},{cell[1]}"
        made = record.made_with(f"formed/{where}", f"ramp/{where}/")
        if not record.finished_together(made):
            record.begin(f"cell {where}")
            _form(settings, probe, record, cell, progress)
    progress("cells", len(cells), len(cells))


def check(settings: FormSettings, limits: Limits) -> None:
    """Raise `LimitError`, naming the option, if forming is outside the limits of a bench."""
    bounds = Bounds(limits)
    bounds.voltage("stop", settings.stop)
    bounds.read_voltage("read_voltage", settings.read_voltage)
    pulses = len(settings.amplitudes) * len(settings.widths)
    if settings.method == "pulse":
        bounds.width("width", settings.width)
        bounds.width("width_stop", settings.width_stop)
        bounds.pulses("every ramp of --width to --width-stop", pulses, "a larger --step")
    else:
        bounds.dwell("width_stop", settings.width_stop)
        bounds.compliance("compliance", settings.compliance)
    stress = float(np.sum(settings.amplitudes**2)) * sum(settings.widths)
    bounds.stress("every ramp of --width to --width-stop", stress, "a shorter --width-stop")


def _form(
    settings: FormSettings, probe: Probe, record: Record, cell: tuple[int, int], progress: Progress
) -> None:
    """Form one cell and record what became of it."""
    before = latest = probe.see(cell)
    outcome = Formed.ALREADY if before.conductance >= settings.target else None
    name, applied = f"{cell[0]},{cell[1]}", 0
    each, total = len(settings.amplitudes), len(settings.amplitudes) * len(settings.widths)
    for k, width in enumerate(settings.widths):
        if outcome is not None:
            break
        pieces = _Ramp(cell, width, [])
        try:
            for done, voltage in enumerate(settings.amplitudes.tolist()):
                progress("pulses of this cell", k * each + done, total)
                outcome, latest = _step(settings, probe, pieces, voltage)
                if outcome is not None:
                    break
        except BudgetError:
            outcome = Formed.BUDGET
        finally:
            # Also of a ramp that an interrupt or the bench ended.
            record.result(f"ramp/{name}/{k}", pieces.arrays())
            applied += len(pieces.rows)
    progress("pulses of this cell", total, total)
    last = pieces.rows[-1][0] if applied and pieces.rows else np.nan
    record.result(
        f"formed/{name}",
        {
            "cell": np.array(cell),
            "outcome": np.array(int(Formed.GAVE_UP if outcome is None else outcome)),
            "pulses": np.array(applied),
            "voltage": np.array(last),
            "width": np.array(pieces.width if applied else np.nan),
            "before": np.array(before.conductance),
            "after": np.array(latest.conductance),
            "after_error": np.array(latest.error),
            "target": np.array(settings.target),
        },
    )


def _step(
    settings: FormSettings, probe: Probe, pieces: _Ramp, voltage: Volt
) -> tuple[Formed | None, Seen]:
    """Apply one pulse or one step of a sweep, read, and return whether the cell is formed."""
    backend, cell, current, flags = probe.backend, pieces.cell, float("nan"), 0
    if settings.method == "pulse":
        probe.pulse(cell, voltage, pieces.width)
    else:
        asked = np.array([voltage])
        swept = backend.sweep(cell, asked, settings.compliance, pieces.width)
        current, flags = float(swept.current[0]), int(swept.flags[0])
    seen = probe.see(cell)
    # A clipped read conducts at least what it says.
    pieces.add(voltage, current, seen, flags | seen.flags & Flag.CLIPPED, backend.now)
    if seen.conductance >= settings.target:
        return Formed.CONDUCTANCE, seen
    if settings.stop_current is not None and abs(current) >= settings.stop_current:
        return Formed.CURRENT, seen
    return None, seen
