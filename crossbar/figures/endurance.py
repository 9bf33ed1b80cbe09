"""The figure of `xbar endurance`: on and off conductance and their ratio against cycles."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from crossbar.experiments.cell_view import cell_name
from crossbar.experiments.endurance_view import cycles, ratios
from crossbar.figures.style import QUIET, logarithmic, styled
from crossbar.store import Arrays

MICRO = 1e6
ON, OFF, RATIO = "#d55e00", "#0072b2", "#222222"
FLOOR = 1e-9
"""Smallest conductance that the logarithmic axis shows, S; assumed: below what a bench resolves."""


def endurance_figure(results: Mapping[str, Arrays], window: float, title: str, note: str) -> Figure:
    """Return the figure of an endurance record, as far as it got.

    Parameters
    ----------
    results
        The record's arrays, with at least one cycle.
    window
        Ratio below which a window is closed.
    title, note
        Above the figure, and below it: bench, device, seed.
    """
    by_cell = cycles(results)
    alpha = float(np.clip(2 / len(by_cell), 0.15, 0.9))
    longest = max(len(seen["cycle"]) for seen in by_cell.values())
    size = float(np.clip(60 / np.sqrt(longest), 2.5, 6.0))
    with styled():
        figure = Figure(figsize=(10.4, 4.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        for k, (cell, seen) in enumerate(by_cell.items()):
            number = seen["cycle"] + 1
            for name, shade in (("on", ON), ("off", OFF)):
                left.plot(
                    *(number, MICRO * np.maximum(seen[name], FLOOR), "."),
                    ms=size,
                    color=shade,
                    alpha=alpha,
                    mew=0,
                    label=f"after {'SET' if name == 'on' else 'RESET'}" if k == 0 else None,
                )
            ratio = ratios(seen["on"], seen["off"])
            label = f"cell {cell_name(cell)}" if len(by_cell) == 1 else None
            right.plot(number, ratio, ".", ms=size, color=RATIO, alpha=alpha, mew=0, label=label)
            if not bool(results.get(f"end/{cell_name(cell)}")):
                continue
            if int(results[f"end/{cell_name(cell)}"]["end"]):
                right.plot(number[-1], ratio[-1], "x", ms=7, color=ON)
        right.axhline(window, color=QUIET, ls="--", lw=1)
        right.annotate("closed below", (0.01, window), xycoords=("axes fraction", "data"), va="top")
        left.set_title("Conductance")
        left.set_ylabel("conductance (µS)")
        right.set_title("On over off; a cross: ended early")
        right.set_ylabel("ratio")
        for axes in (left, right):
            axes.set_xlabel("cycle")
            axes.set_yscale("log")
            logarithmic(axes.yaxis)
        legend = left.legend(fontsize=8, markerscale=3)
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.supxlabel(note, fontsize=8, color=QUIET)
    return figure
