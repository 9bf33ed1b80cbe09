"""The figure of `xbar frontier`: what accuracy under drift costs in cells."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossbar.figures.style import INK, QUIET, colour, logarithmic, styled

PERCENT = 100.0
MARKS = "osD^v"
ARRAY = 100
"""Cells of a 10x10 array."""


def frontier_figure(summary: Mapping[str, Any], title: str, note: str) -> Figure:
    """Return accuracy against cells, and beside it what drift takes from each network.

    Parameters
    ----------
    summary
        From `crossbar.experiments.frontier_view.summarise`.
    title, note
        Above the figure, and below it.
    """
    rows = summary["rows"]
    names = list(dict.fromkeys(row["training"] for row in rows))
    copies = sorted({row["copies"] for row in rows})
    with styled():
        figure = Figure(figsize=(11.0, 5.0), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
        _against_cells(left, rows, names, copies)
        _against_software(right, rows, names, copies)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.supxlabel(note, fontsize=8, color=QUIET)
    return figure


def _against_cells(
    axes: Axes, rows: list[dict[str, Any]], names: list[str], copies: list[int]
) -> None:
    axes.set_title("Accuracy under drift against cells; faint: 95 % of the draws")
    for name in names:
        for pairs in copies:
            chosen = [r for r in rows if (r["training"], r["copies"]) == (name, pairs)]
            if not chosen:
                continue
            x = [row["cells"] for row in chosen]
            y = np.array([PERCENT * row["hardware_accuracy"]["mean"] for row in chosen])
            sd = np.array([PERCENT * (row["hardware_accuracy"]["sd"] or 0.0) for row in chosen])
            low = y - np.array([PERCENT * row["draws_p5"] for row in chosen])
            axes.errorbar(
                *(x, y, sd, None),
                **_look(name, names, pairs, copies),
                lw=1.0,
                capsize=2,
                label=f"{name}, {_pairs(pairs)} per weight",
            )
            # Down to what 95 % of the draws reach.
            shade = colour(name, names.index(name))
            axes.vlines(x, y - low, y, color=shade, lw=3, alpha=0.15)
    best = [row for row in rows if row["frontier"]]
    axes.step(
        [row["cells"] for row in best],
        [PERCENT * row["hardware_accuracy"]["mean"] for row in best],
        where="post",
        color=INK,
        lw=0.8,
        ls="--",
        label="best with as many cells",
    )
    axes.set_xscale("log")
    axes.axvline(ARRAY, color=QUIET, lw=0.8, ls=":")
    axes.annotate(
        "one 10x10",
        (ARRAY, 0.02),
        xycoords=("data", "axes fraction"),
        xytext=(3, 0),
        textcoords="offset points",
        fontsize=8,
        color=QUIET,
    )
    logarithmic(axes.xaxis)
    axes.set_xlabel("cells, two per pair")
    axes.set_ylabel("test accuracy (%)")
    axes.legend(loc="lower right", fontsize=8)


def _against_software(
    axes: Axes, rows: list[dict[str, Any]], names: list[str], copies: list[int]
) -> None:
    axes.set_title("What drift takes: below the line")
    ends = [PERCENT * row[key]["mean"] for row in rows for key in _ACCURACIES]
    low = min(ends, default=50.0) - 2
    axes.plot([low, 100], [low, 100], color=QUIET, lw=0.8, ls=":")
    for name in names:
        for pairs in copies:
            chosen = [r for r in rows if (r["training"], r["copies"]) == (name, pairs)]
            x, y = ([PERCENT * r[key]["mean"] for r in chosen] for key in _ACCURACIES)
            axes.plot(x, y, lw=0.8, **_look(name, names, pairs, copies))
            # The ends alone: numbers in between would lie on top of each other.
            for k in sorted({0, len(chosen) - 1}) if chosen else ():
                axes.annotate(
                    str(chosen[k]["hidden"]),
                    (x[k], y[k]),
                    xytext=(5, -7) if k else (-5, -9),
                    textcoords="offset points",
                    ha="left" if k else "right",
                    fontsize=7,
                    color=QUIET,
                )
    axes.set_xlabel("accuracy in software (%); numbers: hidden units at the ends")
    axes.set_ylabel("accuracy under drift (%)")


_ACCURACIES = ("software_accuracy", "hardware_accuracy")


def _look(name: str, names: list[str], pairs: int, copies: list[int]) -> dict[str, Any]:
    """Return colour by training and mark by pairs of cells."""
    mark = MARKS[copies.index(pairs) % len(MARKS)]
    return {"color": colour(name, names.index(name)), "marker": mark, "ms": 5}


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count} pairs"
