"""Heat maps of conductances, cell by cell, and the currents that they give."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from crossbar.backend import Array, Mask
from crossbar.figures.style import INK, QUIET, styled

MICRO = 1e6
LABELLED = 16
"""Arrays with up to this many lines have the value written into each cell."""

FRAMES = (("#d55e00", "-"), ("#cc79a7", "--"), ("#56b4e9", ":"))
"""Colour and line of the frames around marked cells, in the order of the marks."""


def conductance_map(
    conductances: Array, title: str, *, note: str = "", marked: Mapping[str, Mask] | None = None
) -> Figure:
    """Return a heat map.

    Parameters
    ----------
    conductances
        S, shape ``(n_word_lines, n_bit_lines)``; NaN is drawn as an empty cell.
    title, note
        Above and below the map.
    marked
        Cells to be framed, same shape, by what the legend says of them; at most three kinds.
        Kinds without cells are left out.
    """
    with styled():
        figure = Figure(figsize=(6.4, 5.9), layout="constrained")
        axes = figure.subplots()
        draw_map(axes, conductances)
        axes.set_title(title)
        handles = [
            _frame(axes, f"{name} ({int(mask.sum())})", mask, look)
            for (name, mask), look in zip((marked or {}).items(), FRAMES, strict=False)
            if mask.any()
        ]
        if handles:
            figure.legend(handles=handles, loc="outside upper right", ncols=3, fontsize=8)
        if note:
            figure.supxlabel(note, fontsize=8, color=QUIET)
    return figure


def product_figure(
    conductances: Array, predicted: Array, measured: Array, *, note: str = ""
) -> Figure:
    """Return the map of an array beside the currents it gave against those it should give.

    Parameters
    ----------
    conductances
        S, shape ``(n_word_lines, n_bit_lines)``.
    predicted, measured
        Bit-line currents, A, same shape.
    note
        Below the panels.
    """
    with styled():
        figure = Figure(figsize=(10.4, 5.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        draw_map(left, conductances)
        left.set_title("Conductances, read cell by cell")
        x, y = predicted.ravel() * MICRO, measured.ravel() * MICRO
        ends = [min(x.min(), y.min()), max(x.max(), y.max())]
        right.plot(ends, ends, color=QUIET, lw=1, label="equal")
        size, shade = (4.0, 0.8) if x.size <= 1000 else (1.5, 0.3)
        right.plot(x, y, ".", ms=2 * size, mew=0, alpha=shade, color="#0072b2", label="bit line")
        right.set_title("Bit-line currents")
        right.set_xlabel("from the read conductances (µA)")
        right.set_ylabel("measured (µA)")
        right.set_aspect("equal", adjustable="datalim")
        right.legend(loc="upper left")
        if note:
            figure.supxlabel(note, fontsize=8, color=QUIET)
    return figure


def draw_map(axes: Axes, conductances: Array) -> None:
    """Draw conductances (S) as coloured cells, word lines downwards, bit lines to the right."""
    micro = conductances * MICRO
    known = micro[np.isfinite(micro)]
    high = float(known.max(initial=0.0)) or 1.0
    image = axes.imshow(micro, cmap="viridis", vmin=0.0, vmax=high, aspect="equal")
    axes.set_xlabel("bit line")
    axes.set_ylabel("word line")
    axes.spines[:].set_visible(False)
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.85, pad=0.02)
    bar.set_label("conductance (µS)")
    bar.outline.set_visible(False)
    n_word, n_bit = conductances.shape
    if max(n_word, n_bit) > LABELLED:
        return
    axes.set_xticks(range(n_bit))
    axes.set_yticks(range(n_word))
    axes.tick_params(length=0)
    for (word, bit), value in np.ndenumerate(micro):
        if np.isfinite(value):
            axes.text(
                bit,
                word,
                f"{value:.1f}" if 0.95 <= abs(value) < 99.95 else f"{value:.3g}",
                ha="center",
                va="center",
                fontsize=min(8.0, 80 / max(n_word, n_bit)),
                color="white" if value / high < 0.6 else INK,
            )


def _frame(axes: Axes, label: str, marked: Mask, look: tuple[str, str]) -> Patch:
    """Frame cells and return what stands for them in the legend."""
    colour, line = look
    # Thin enough for the cell to be seen inside, down to arrays of a hundred lines.
    width = min(1.8, 60 / max(marked.shape))
    for word, bit in zip(*np.nonzero(marked), strict=True):
        axes.add_patch(
            Rectangle(
                (bit - 0.46, word - 0.46), 0.92, 0.92, fill=False, lw=width, ec=colour, ls=line
            )
        )
    return Patch(fill=False, ec=colour, ls=line, lw=1.5, label=label)
