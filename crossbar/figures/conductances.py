"""A heat map of conductances, cell by cell."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from crossbar.backend import Array, Mask
from crossbar.figures.style import INK, QUIET, styled

MICRO = 1e6
LABELLED = 16
"""Arrays with up to this many lines have the value written into each cell."""


def conductance_map(
    conductances: Array, title: str, *, note: str = "", marked: Mask | None = None
) -> Figure:
    """Return a heat map.

    Parameters
    ----------
    conductances
        S, shape ``(n_word_lines, n_bit_lines)``; NaN is drawn as an empty cell.
    title, note
        Above and below the map.
    marked
        Cells to be framed, such as stuck ones, same shape.
    """
    with styled():
        figure = Figure(figsize=(6.4, 5.6), layout="constrained")
        axes = figure.subplots()
        draw_map(axes, conductances)
        axes.set_title(title)
        if marked is not None:
            for word, bit in zip(*np.nonzero(marked), strict=True):
                axes.add_patch(
                    Rectangle(
                        (bit - 0.46, word - 0.46), 0.92, 0.92, fill=False, lw=1.8, ec="#d55e00"
                    )
                )
        bar = figure.colorbar(axes.images[0], ax=axes, shrink=0.85, pad=0.02)
        bar.set_label("conductance (µS)")
        bar.outline.set_visible(False)
        if note:
            figure.supxlabel(note, fontsize=8, color=QUIET)
    return figure


def draw_map(axes: Axes, conductances: Array) -> None:
    """Draw conductances (S) as coloured cells, word lines downwards, bit lines to the right."""
    micro = conductances * MICRO
    known = micro[np.isfinite(micro)]
    high = float(known.max(initial=0.0)) or 1.0
    axes.imshow(micro, cmap="viridis", vmin=0.0, vmax=high, aspect="equal")
    n_word, n_bit = conductances.shape
    axes.set_xlabel("bit line")
    axes.set_ylabel("word line")
    axes.spines[:].set_visible(False)
    if max(n_word, n_bit) > LABELLED:
        return
    axes.set_xticks(range(n_bit))
    axes.set_yticks(range(n_word))
    axes.tick_params(length=0)
    for (word, bit), value in np.ndenumerate(micro):
        if np.isfinite(value):
            shade = value / high
            axes.text(
                bit,
                word,
                f"{value:.3g}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if shade < 0.6 else INK,
            )
