"""The figure of `xbar retention`: conductances against time, and how far they have departed."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from crossbar.experiments.cell_view import cell_name
from crossbar.experiments.retention_view import kept
from crossbar.figures.style import INK, QUIET, styled
from crossbar.store import Arrays

MICRO, PERCENT = 1e6, 100.0
SHADES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
NAMED = 8
"""Cells up to this number have a line in the legend."""


def retention_figure(results: Mapping[str, Arrays], title: str, note: str) -> Figure:
    """Return the figure of a retention record, as far as it got.

    Parameters
    ----------
    results
        The record's arrays, with at least one time.
    title, note
        Above the figure, and below it: bench, device, seed.
    """
    seen, about = kept(results), results["cells"]
    names = [cell_name(cell) for cell in about["cells"].tolist()]
    levels = np.unique(about["target"][np.isfinite(about["target"])])
    change = PERCENT * (seen.conductance / seen.conductance[0] - 1)
    with styled():
        figure = Figure(figsize=(10.4, 4.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        for k, name in enumerate(names):
            place = int(np.searchsorted(levels, about["target"][k])) if len(levels) > 1 else k
            shade = SHADES[place % len(SHADES)]
            look = {"color": shade, "ms": 3, "lw": 1.0, "alpha": 0.9 if len(names) < 20 else 0.4}
            label = name if len(names) <= NAMED else None
            left.errorbar(
                seen.time,
                MICRO * seen.conductance[:, k],
                MICRO * np.nan_to_num(seen.error[:, k]),
                fmt=".-",
                label=label,
                **look,
            )
            right.plot(seen.time, change[:, k], ".-", **look)
        for level in levels:
            left.axhline(MICRO * level, color=QUIET, lw=0.8, ls=":")
        if len(names) > 2:
            middle = np.percentile(change, [10, 50, 90], axis=1)
            right.plot(seen.time, middle[1], color=INK, lw=2, label="median")
            right.fill_between(
                *(seen.time, middle[0], middle[2]),
                color=QUIET,
                alpha=0.25,
                lw=0,
                label="80 % of the cells",
            )
            right.legend(fontsize=8)
        right.axhline(0, color=QUIET, lw=0.6)
        left.set_title("Conductance" + (", targets dotted" if len(levels) else ""))
        right.set_title("Change since the first reading")
        left.set_ylabel("conductance (µS)")
        right.set_ylabel("change (%)")
        for axes in (left, right):
            axes.set_xscale("log")
            axes.set_xlabel("time (s)")
        if len(names) <= NAMED:
            left.legend(fontsize=8, title="cell", title_fontsize=8)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.supxlabel(note, fontsize=8, color=QUIET)
    return figure
