"""Write policies beside each other: what a programming costs, and what is left of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossbar.figures.style import INK, QUIET, styled

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#222222",
    "#8a8a8a",
    "#8c510a",
)
MARKS = "osD^vPX*<"
MICRO = 1e6


def pareto_figure(summary: Mapping[str, Any], title: str, note: str) -> Figure:
    """Return error after 10 s against pulses, with the front, and the shares in band over time.

    Parameters
    ----------
    summary
        From `crossbar.experiments.compare_summary.summarise`.
    title, note
        Above and below.
    """
    rows = summary["policies"]
    with styled():
        figure = Figure(figsize=(10.4, 4.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        pulses = np.array([row["pulses"]["mean"] for row in rows])
        errors = MICRO * np.array([row["rereads"][-1]["error_sd_S"] for row in rows])
        _front(left, pulses, errors)
        for k, row in enumerate(rows):
            look = {"color": COLOURS[k % len(COLOURS)], "marker": MARKS[k % len(MARKS)]}
            spread = row["pulses"]["sd"] or 0.0
            left.errorbar(pulses[k], errors[k], xerr=spread, ls="", ms=7, capsize=2, **look)
            left.annotate(
                row["policy"],
                (pulses[k], errors[k]),
                (6, 5),
                textcoords="offset points",
                fontsize=8,
                color=INK,
            )
            times = [read["delay_s"] for read in row["rereads"]]
            shares = [read["in_band"] for read in row["rereads"]]
            begin = [row["in_band_at_verify"]["mean"], row["in_band_at_end"]["mean"]]
            right.plot(
                np.arange(2 + len(times)),
                100 * np.array([*begin, *shares]),
                "-",
                ms=5,
                label=row["policy"],
                **look,
            )
        left.set(
            xlabel="pulses per cell", ylabel="rms error after 10 s (µS)", xscale="log", title=title
        )
        left.xaxis.set_major_formatter("{x:g}")
        left.xaxis.set_minor_formatter("{x:g}")
        left.tick_params(axis="x", which="minor", labelsize=7)
        labels = ["verify", "end", *(f"{read['delay_s']:g} s" for read in rows[0]["rereads"])]
        right.set_xticks(range(len(labels)), labels)
        tolerance = MICRO * summary["tolerance_S"]
        right.set(
            ylabel="cells in their band (%)", ylim=(0, 103), title=f"Still within ±{tolerance:g} µS"
        )
        right.legend(fontsize=7, ncols=2)
        figure.supxlabel(note, fontsize=8, color=QUIET)
    return figure


def _front(axes: Axes, pulses: Any, errors: Any) -> None:
    """Join the policies that no other beats in both."""
    order = np.lexsort((errors, pulses))
    best, front = np.inf, []
    for k in order:
        if errors[k] < best:
            best = errors[k]
            front.append(k)
    axes.step(pulses[front], errors[front], where="post", color=QUIET, lw=1, ls=":")
