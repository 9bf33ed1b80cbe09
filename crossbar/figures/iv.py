"""The figure of `xbar iv`: the curves of one cell, or a small one for every cell."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossbar.backend import Ampere, Array, Flag, Volt
from crossbar.experiments.cell_view import cell_name
from crossbar.experiments.iv_summary import Swept, swept_cells, whole_cycles
from crossbar.figures.style import QUIET, logarithmic, styled
from crossbar.store import Arrays

MICRO = 1e6
LINE, LIMITED, CLIPPED = "#0072b2", "#e69f00", "#d55e00"
FLOOR: Ampere = 1e-12
"""Smallest current that a logarithmic axis shows; assumed: below what a bench resolves."""
NEAR: Volt = 5e-3
"""Points nearer to 0 V carry no current of the cell's own, and do not set the axis."""


def iv_figure(results: Mapping[str, Arrays], compliance: Ampere, title: str, note: str) -> Figure:
    """Return the figure of an I-V record, as far as it got.

    Parameters
    ----------
    results
        The record's arrays, with at least one piece of a sweep.
    compliance
        A; drawn as a line.
    title, note
        Above the figure, and below it: bench, device, seed.
    """
    cells, asked = swept_cells(results), results["asked"]["voltage"]
    with styled():
        figure = _one(cells[0], asked, compliance) if len(cells) == 1 else _many(cells, asked)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.supxlabel(note, fontsize=8, color=QUIET)
    return figure


def _one(swept: Swept, asked: Array, compliance: Ampere) -> Figure:
    figure = Figure(figsize=(10.4, 4.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    count = int(swept.cycle.max()) + 1
    _cycles(left, swept, asked)
    _cycles(right, swept, asked, magnitude=True)
    left.axhline(0, color=QUIET, lw=0.6)
    left.axvline(0, color=QUIET, lw=0.6)
    _logarithmic(right, [swept])
    if np.abs(swept.current).max() > 0.5 * compliance:
        for axes, levels in ((left, (compliance, -compliance)), (right, (compliance,))):
            for level in levels:
                axes.axhline(MICRO * level, color=LIMITED, lw=0.8, ls=":")
    left.set_title(f"Current, {count} cycle{'s' if count > 1 else ''}")
    left.set_ylabel("current (µA)")
    right.set_title("Magnitude of the current")
    right.set_ylabel("|current| (µA)")
    for axes in (left, right):
        axes.set_xlabel("voltage at the cell (V)")
    left.legend(loc="best", fontsize=8)
    return figure


def _many(cells: list[Swept], asked: Array) -> Figure:
    """Draw a small logarithmic curve per cell, in the array's own order."""
    words = sorted({swept.cell[0] for swept in cells})
    bits = sorted({swept.cell[1] for swept in cells})
    in_place = len(words) * len(bits) <= 2 * len(cells)
    columns = len(bits) if in_place else int(np.ceil(np.sqrt(len(cells))))
    rows = len(words) if in_place else -(-len(cells) // columns)
    size = float(np.clip(13 / columns, 0.8, 2.6))
    figure = Figure(
        figsize=(max(5.2, columns * size + 0.8), rows * size * 0.85 + 1.3), layout="constrained"
    )
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.ravel():
        axes.set_visible(False)
    for k, swept in enumerate(cells):
        place = divmod(k, columns)
        if in_place:
            place = words.index(swept.cell[0]), bits.index(swept.cell[1])
        axes = grid[place]
        axes.set_visible(True)
        _cycles(axes, swept, asked, magnitude=True, small=True)
        axes.set_title(cell_name(swept.cell), fontsize=7, pad=1.5)
        axes.tick_params(labelsize=6, length=2)
    _logarithmic(grid[0, 0], cells)
    figure.supylabel("|current| (µA) against voltage at the cell (V)", fontsize=9)
    return figure


def _logarithmic(axes: Axes, cells: list[Swept]) -> None:
    """Make the axis of |current| logarithmic, from the smallest current away from 0 V."""
    away = np.concatenate([np.abs(s.current[np.abs(s.voltage) > NEAR]) for s in cells])
    away = away[np.isfinite(away) & (away > 0)]
    axes.set_yscale("log")
    if away.size:
        low, high = np.percentile(away, 0.5), away.max()
        axes.set_ylim(MICRO * max(low / 2, FLOOR), MICRO * 2 * high)
        logarithmic(axes.yaxis)


def _cycles(
    axes: Axes, swept: Swept, asked: Array, *, magnitude: bool = False, small: bool = False
) -> None:
    """Draw every cycle faintly, their mean strongly, and mark the points with flags."""

    def shown(current: Array) -> Array:
        return MICRO * (np.maximum(np.abs(current), FLOOR) if magnitude else current)

    thin, thick = (0.4, 0.9) if small else (0.7, 1.8)
    for k in range(int(swept.cycle.max()) + 1):
        chosen = swept.cycle == k
        axes.plot(
            *(swept.voltage[chosen], shown(swept.current[chosen])),
            color=QUIET,
            lw=thin,
            alpha=0.6,
            label="cycles" if k == 0 else None,
        )
    if whole := whole_cycles(swept, asked):
        voltage = np.mean([cycle.voltage for cycle in whole], axis=0)
        current = np.mean([shown(cycle.current) for cycle in whole], axis=0)
        # At the compliance the voltages of the cycles differ: their mean is of no cell.
        limited = np.any([cycle.flags & Flag.COMPLIANCE for cycle in whole], axis=0)
        current = np.where(limited, np.nan, current)
        axes.plot(voltage, current, color=LINE, lw=thick, label=f"mean of {len(whole)} whole")
    for flag, colour, name in (
        (Flag.COMPLIANCE, LIMITED, "at the compliance"),
        (Flag.CLIPPED, CLIPPED, "clipped"),
    ):
        marked = (swept.flags & flag) != 0
        if marked.any():
            axes.plot(
                *(swept.voltage[marked], shown(swept.current[marked]), "."),
                ms=2 if small else 4,
                color=colour,
                mec="none",
                alpha=0.8,
                label=name,
            )
