"""What the tables and figures of single cells share: names, numbers, what made them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from crossbar.experiments.bench_note import bench_note
from crossbar.resumable import RESUMES
from crossbar.store import RunRecord

MICRO = 1e6
ROWS = 20
"""Cells that have a row of their own; of more, these first ones and a line for all."""


def provenance_note(run: RunRecord) -> str:
    """Return bench, device, seed and number of the run, and which it goes on with, in one line."""
    before = run.settings.get(RESUMES)
    after = "" if before is None else f", goes on with run {before}"
    return f"{bench_note(run)}, seed {run.seed}, run {run.id}{after}"


def heading(what: str, cells: Sequence[Any]) -> str:
    """Return what was done, and with which cells."""
    if len(cells) == 1:
        return f"{what}, cell {cell_name(cells[0]['cell'])}"
    return f"{what}, {len(cells)} cells"


def cell_name(cell: Iterable[int]) -> str:
    """Return word line and bit line as the options take them: ``3,4``."""
    return ",".join(str(line) for line in cell)


def table(title: str, columns: Iterable[str], caption: str) -> Table:
    """Return an empty table: a first column of names, then numbers."""
    made = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    for k, name in enumerate(columns):
        made.add_column(name, justify="right" if k else "left", no_wrap=True)
    return made


def number(value: float | None, factor: float = 1.0, digits: int = 3) -> str:
    """Return a number to so many digits, a dash for what is not there."""
    if value is None or not np.isfinite(value):
        return "-"
    # Rounded first: 140 and not 1.4e+02.
    return f"{float(f'{factor * value:.{digits}g}'):.6g}"


def spread(values: Mapping[str, Any] | None, factor: float = 1.0) -> str:
    """Return mean and standard deviation, a dash where there is neither."""
    if values is None or values["mean"] is None:
        return "-"
    mean = number(values["mean"], factor)
    return mean if values["sd"] is None else f"{mean} ± {number(values['sd'], factor, 2)}"


def statistics(values: Iterable[float]) -> dict[str, Any]:
    """Return number, mean, standard deviation, median and ends of the finite values."""
    found = np.array([value for value in values if np.isfinite(value)])
    if not found.size:
        return {"n": 0, "mean": None, "sd": None, "median": None, "min": None, "max": None}
    return {
        "n": int(found.size),
        "mean": float(found.mean()),
        "sd": float(found.std(ddof=1)) if found.size > 1 else None,
        "median": float(np.median(found)),
        "min": float(found.min()),
        "max": float(found.max()),
    }
