"""The figure of `xbar form`: conductance after every pulse of every ramp, and what formed."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossbar.backend import Array, Flag, Siemens
from crossbar.experiments.form import Formed
from crossbar.figures.style import INK, QUIET, logarithmic, styled
from crossbar.store import Arrays

MICRO = 1e6
SHADES = ("#56b4e9", "#0072b2", "#009e73", "#e69f00", "#d55e00", "#cc79a7")
"""Of the widths, the shortest first."""
FLOOR: Siemens = 1e-8
"""Smallest conductance that the logarithmic axis shows; assumed: below what a bench resolves."""


def form_figure(results: Mapping[str, Arrays], target: Siemens, title: str, note: str) -> Figure:
    """Return the figure of a forming record, as far as it got.

    Parameters
    ----------
    results
        The record's arrays.
    target
        Conductance from which on a cell is formed, S.
    title, note
        Above the figure, and below it: bench, device, seed.
    """
    ramps = [arrays for name, arrays in results.items() if name.startswith("ramp/")]
    cells = [arrays for name, arrays in results.items() if name.startswith("formed/")]
    with styled():
        figure = Figure(figsize=(10.4, 4.6), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
        _ramps(left, ramps, target)
        _voltages(right, cells)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.supxlabel(note, fontsize=8, color=QUIET)
    return figure


def _ramps(axes: Axes, ramps: list[Arrays], target: Siemens) -> None:
    axes.set_title("Conductance after each pulse")
    widths = sorted({float(ramp["width"]) for ramp in ramps})
    for k, width in enumerate(widths):
        shade = SHADES[k % len(SHADES)]
        for n, ramp in enumerate(r for r in ramps if float(r["width"]) == width):
            seen = MICRO * np.maximum(ramp["conductance"], FLOOR)
            label = f"{width:g} s" if n == 0 else None
            axes.plot(ramp["voltage"], seen, ".-", ms=3, lw=0.8, color=shade, label=label)
            limited = (ramp["flags"].astype(int) & Flag.COMPLIANCE) != 0
            if limited.any():
                axes.plot(ramp["voltage"][limited], seen[limited], "o", ms=5, mfc="none", mec=INK)
    axes.axhline(MICRO * target, color=QUIET, lw=1, ls="--", label="asked for")
    axes.set_yscale("log")
    logarithmic(axes.yaxis)
    axes.set_xlabel("amplitude (V); a ring: at the compliance")
    axes.set_ylabel("conductance (µS)")
    axes.legend(fontsize=8)


def _voltages(axes: Axes, cells: list[Arrays]) -> None:
    axes.set_title("Amplitude that formed")
    axes.set_xlabel("amplitude (V)")
    outcomes = np.array([int(cell["outcome"]) for cell in cells])
    pulsed = np.array([int(cell["pulses"]) > 0 for cell in cells], dtype=bool)
    formed = (outcomes < Formed.GAVE_UP) & pulsed if len(cells) else pulsed
    voltages: Array = np.sort(
        [float(c["voltage"]) for c, f in zip(cells, formed, strict=True) if f]
    )
    if len(voltages):
        part = (np.arange(len(voltages)) + 1) / len(cells)
        axes.step(voltages, 100 * part, where="post", color="#0072b2")
        axes.plot(voltages, 100 * part, ".", color="#0072b2", ms=4)
    axes.set_ylim(0, 105)
    axes.set_ylabel(f"cells formed (% of {len(cells)})")
    rest = {
        "conducted as much before": int((outcomes == Formed.ALREADY).sum()),
        "gave up": int((outcomes >= Formed.GAVE_UP).sum()),
    }
    text = "\n".join(f"{n} {name}" for name, n in rest.items() if n)
    axes.text(0.03, 0.97, text, transform=axes.transAxes, va="top", fontsize=8, color=INK)
