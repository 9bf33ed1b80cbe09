"""`xbar iv` as a PyMeasure procedure: results are PyMeasure's own, and every call is recorded too.

The bench and the run store are opened where the procedure runs, so that one thread owns them.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from pymeasure.experiment import (
    FloatParameter,
    IntegerParameter,
    ListParameter,
    Parameter,
    Procedure,
)

from crossbar.backend import Sweep
from crossbar.bench import load
from crossbar.experiments import iv, iv_summary
from crossbar.session import session

DEFAULTS = iv.IvSettings()
COLUMNS = ("Voltage (V)", "Current (A)", "Cycle", "Time (s)", "Flags", "Word line", "Bit line")


def _number(name: str, field: str, unit: str) -> Any:
    return FloatParameter(name, units=unit, default=getattr(DEFAULTS, field), decimals=9)


class IvProcedure(Procedure):  # type: ignore[misc]  # PyMeasure has no types
    """I-V curves of cells on any bench; aborting keeps every finished piece, at 0 V."""

    bench_name = Parameter("Bench", default="sim")
    cells = Parameter("Cells", default="0,0")
    vmax = _number("Highest voltage", "vmax", "V")
    vmin = _number("Lowest voltage", "vmin", "V")
    step = _number("Step", "step", "V")
    cycles = IntegerParameter("Cycles", default=DEFAULTS.cycles, minimum=1)
    compliance = _number("Compliance", "compliance", "A")
    dwell = _number("Dwell", "dwell", "s")
    read_order = ListParameter("Read order", choices=list(iv.ORDERS), default=DEFAULTS.read_order)
    read_voltage = _number("Read voltage", "read_voltage", "V")
    drive = ListParameter("Drive", choices=list(iv.DRIVES), default=DEFAULTS.drive)
    piece = IntegerParameter("Points per call", default=DEFAULTS.piece, minimum=0)
    # An empty text: the seed of the bench's own file.
    seed_text = Parameter("Seed", default="")
    store_path = Parameter("Run store", default="crossbar-runs.sqlite")

    DATA_COLUMNS: ClassVar[list[str]] = list(COLUMNS)

    @property
    def settings(self) -> iv.IvSettings:
        """What was entered, as `xbar iv` takes it.

        Raises
        ------
        DataError
            If a number is outside what its meaning allows.
        """
        names = (name for name in asdict(DEFAULTS) if name not in ("cell", "cells"))
        return iv.IvSettings(cells=self.cells, **{name: getattr(self, name) for name in names})

    def execute(self) -> None:
        """Measure, emit every point, and record as the command does.

        Raises
        ------
        CrossbarError
            As `crossbar.experiments.iv.run`, and if the bench or the store cannot be opened.
        """
        settings = self.settings
        seed = int(self.seed_text) if self.seed_text.strip() else None
        opened = session(
            load(self.bench_name),
            Path(self.store_path),
            experiment="iv",
            settings=asdict(settings),
            seed=seed,
        )
        try:
            with opened as s:
                iv.run(settings, s.bench, s.run, s.seed, self._progress, self._watch)
                s.run.finish(summary=iv_summary.summarise(s.store.results(s.run.id)))
        except KeyboardInterrupt:
            # Ours: `_progress` has ended the run as Ctrl-C would. PyMeasure says "aborted".
            if not self.should_stop():
                raise

    def _progress(self, _work: str, done: int, total: int) -> None:
        self.emit("progress", 100 * done / total)
        if self.should_stop():
            raise KeyboardInterrupt

    def _watch(self, cell: tuple[int, int], cycle: int, swept: Sweep) -> None:
        columns = (swept.voltage, swept.current, swept.time, swept.flags)
        points = zip(*(column.tolist() for column in columns), strict=True)
        for voltage, current, time, flags in points:
            row = (voltage, current, cycle, time, flags, *cell)
            self.emit("results", dict(zip(COLUMNS, row, strict=True)))


def procedure(settings: iv.IvSettings, bench: str, seed: int | None, store: Path) -> "IvProcedure":
    """Return the procedure of settings, to be run by one of PyMeasure's workers."""
    values: Mapping[str, object] = asdict(settings)
    given = {name: value for name, value in values.items() if name not in ("cell", "cells")}
    made = IvProcedure()
    made.set_parameters(
        {
            **given,
            "cells": settings.cells or settings.cell or "0,0",
            "bench_name": bench,
            "seed_text": "" if seed is None else str(seed),
            "store_path": str(store),
        }
    )
    return made
