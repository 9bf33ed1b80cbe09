"""The figure of `xbar seek`: how much each amplitude moved a cell, and where it switched."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossbar.experiments.cell_view import cell_name
from crossbar.experiments.seek import SIGNS
from crossbar.experiments.seek_view import ramps
from crossbar.figures.style import QUIET, styled
from crossbar.store import Arrays

PERCENT = 100.0
SHADES = {"set": "#0072b2", "reset": "#d55e00"}
NAMED = 10
"""Cells up to this number have their name at the axis."""


def seek_figure(results: Mapping[str, Arrays], title: str, note: str) -> Figure:
    """Return the figure of a switch seeker's record, as far as it got.

    Parameters
    ----------
    results
        The record's arrays.
    title, note
        Above the figure, and below it: bench, device, seed.
    """
    with styled():
        figure = Figure(figsize=(10.4, 4.6), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
        _changes(left, results)
        _amplitudes(right, results)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.supxlabel(note, fontsize=8, color=QUIET)
    return figure


def _changes(axes: Axes, results: Mapping[str, Arrays]) -> None:
    """Draw the change since the ramp began against the amplitude, RESET to the left."""
    axes.set_title("Change since a ramp began")
    for name, sign in SIGNS.items():
        found = [ramp for cell in ramps(results, name).values() for ramp in cell]
        alpha = float(np.clip(3 / max(len(found), 1), 0.15, 0.8))
        for k, ramp in enumerate(ramp for ramp in found if len(ramp["amplitude"])):
            change = PERCENT * (ramp["again"] / ramp["before"] - 1)
            axes.plot(
                *(sign * ramp["amplitude"], change, ".-"),
                ms=3,
                lw=0.7,
                color=SHADES[name],
                alpha=alpha,
                label=name.upper() if k == 0 else None,
            )
            if np.isfinite(ramp["switched_at"]):
                axes.plot(sign * ramp["switched_at"], change[-1], "o", ms=4, color=SHADES[name])
    axes.axhline(0, color=QUIET, lw=0.6)
    axes.set_ylim(-100, min(max(axes.get_ylim()[1], 100.0), 300.0))
    axes.set_xlabel("amplitude (V); a dot: switched")
    axes.set_ylabel("change of the conductance (%)")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)


def _amplitudes(axes: Axes, results: Mapping[str, Arrays]) -> None:
    """Draw the amplitude of every ramp that found one, by cell or, of many cells, as a count."""
    axes.set_title("Smallest amplitude that switched")
    by_name = {name: ramps(results, name) for name in SIGNS}
    cells = list(by_name["set"])
    for name, found in by_name.items():
        values = {
            cell: np.array([float(ramp["switched_at"]) for ramp in found.get(cell, [])])
            for cell in cells
        }
        if len(cells) > NAMED:
            every = np.concatenate(list(values.values()))
            axes.hist(
                every[np.isfinite(every)],
                bins=20,
                histtype="step",
                lw=1.5,
                color=SHADES[name],
                label=name.upper(),
            )
            continue
        for k, cell in enumerate(cells):
            count = len(values[cell])  # none if it was interrupted between SET and RESET
            side = np.linspace(-0.15, 0.15, count) if count > 1 else np.zeros(count)
            label = name.upper() if k == 0 else None
            axes.plot(k + side, values[cell], "o", ms=4, color=SHADES[name], label=label)
    if len(cells) > NAMED:
        axes.set_xlabel("amplitude (V), RESET as magnitude")
        axes.set_ylabel("ramps")
    else:
        axes.set_xlim(-0.6, max(len(cells), 1) - 0.4)
        axes.set_xticks(range(len(cells)), [cell_name(cell) for cell in cells])
        axes.set_xlabel("cell, its ramps in order")
        axes.set_ylabel("amplitude (V), RESET as magnitude")
    axes.legend(fontsize=8)
