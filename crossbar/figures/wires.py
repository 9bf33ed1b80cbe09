"""What wires cost: where voltage is lost, and from which resistance on accuracy follows it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossbar.backend import Array
from crossbar.experiments.moons_summary import draws
from crossbar.experiments.moons_wires import share_lost
from crossbar.figures.style import INK, QUIET, colour, logarithmic, styled
from crossbar.store import Arrays

PERCENT = 100.0
LABELLED = 16
"""Arrays with up to this many lines have the value written into each cell."""


def wires_figure(
    results: Mapping[str, Arrays], wires: Mapping[str, Any], title: str, note: str
) -> Figure:
    """Return maps of the lost voltage, one per layer, and accuracy against line resistance.

    Parameters
    ----------
    results
        The record's arrays.
    wires
        From `crossbar.experiments.moons_wires.summarise`.
    title, note
        Above and below.
    """
    names = [row["training"] for row in wires["rows"]]
    last = [d for d in draws(results, names[0]) if "wires_ohms" in d][-1]
    maps = [PERCENT * share_lost(last, k) for k in range(2)]
    high = max(float(np.nanmax(part)) for part in maps)
    with styled():
        figure = Figure(figsize=(14.4, 4.9), layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.2))
        for k, (axes, part) in enumerate(zip((left, middle), maps, strict=True)):
            axes.set_title(f"Voltage lost at each cell, layer {k + 1} driven")
            image = _map(axes, part, high)
        bar = figure.colorbar(image, ax=[left, middle], shrink=0.8, pad=0.02)
        bar.set_label(f"% of the word line's voltage ({names[0]}, last draw)")
        bar.outline.set_visible(False)
        _accuracies(right, wires)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.supxlabel(note, fontsize=8, color=QUIET)
    return figure


def _map(axes: Axes, part: Array, high: float) -> Any:
    """Draw the part lost at each cell, terminals at the left and below, as the array is wired."""
    image = axes.imshow(part, cmap="magma_r", vmin=0.0, vmax=high, aspect="equal")
    axes.set_xlabel("bit line; its terminal is below")
    axes.set_ylabel("word line; its terminal is at the left")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    n_word, n_bit = part.shape
    idle = np.isnan(part).all(axis=1)
    for word in np.flatnonzero(idle).tolist():
        axes.text((n_bit - 1) / 2, word, "idle", ha="center", va="center", fontsize=7, color=QUIET)
    if max(part.shape) > LABELLED:
        return image
    axes.set_xticks(range(n_bit))
    axes.set_yticks(range(n_word))
    for (word, bit), value in np.ndenumerate(part):
        if np.isfinite(value):
            shade = "white" if value > 0.6 * high else INK
            text = f"{value:.2f}" if high < 10 else f"{value:.0f}"
            axes.text(bit, word, text, ha="center", va="center", fontsize=6.5, color=shade)
    return image


def _accuracies(axes: Axes, wires: Mapping[str, Any]) -> None:
    """Draw accuracy against the resistance of a segment, without noise, mean over draws."""
    axes.set_title("What that does to accuracy")
    for k, row in enumerate(wires["rows"]):
        shade = colour(row["training"], k)
        ohms, accuracy = np.array(row["ohms"][1:]), PERCENT * np.array(row["accuracy"])
        axes.axhline(accuracy[0], color=shade, lw=0.8, ls=":")
        axes.plot(ohms, accuracy[1:], "o-", ms=4, color=shade, label=row["training"])
        if row["accuracy_sd"] is not None:
            sd = PERCENT * np.array(row["accuracy_sd"][1:])
            axes.fill_between(ohms, accuracy[1:] - sd, accuracy[1:] + sd, color=shade, alpha=0.12)
    axes.set_xscale("log")
    logarithmic(axes.xaxis)
    axes.axvline(wires["segment_ohm"], color=QUIET, lw=0.8, ls="--")
    axes.set_xlabel("line segment (ohm); dashed: asked for, dotted: none")
    axes.set_ylabel("test accuracy without noise (%); band: ± sd of draws")
    axes.legend(loc="lower left", frameon=True, framealpha=0.8, edgecolor="none")
