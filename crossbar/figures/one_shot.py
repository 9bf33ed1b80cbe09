"""The figure of one-shot programming: what one pulse reaches, and what noise leaves of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossbar.backend import Array, DataError
from crossbar.figures.style import INK, QUIET, styled

LOOKS: Mapping[str, tuple[str, str]] = {
    "do nothing": (QUIET, "x"),
    "noise-free inverse": (INK, "s"),
    "network": ("#d55e00", "o"),
    "structured map": ("#0072b2", "D"),
}
"""Colour and mark of each way to choose a pulse."""

OTHER = ("#009e73", "^")
BAND = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class OneShotFigure:
    """What is drawn.

    Parameters
    ----------
    wanted
        S, shape ``(n,)``.
    reached
        After one pulse, S, by the way in which it was chosen, each of shape ``(n,)``.
    noise
        Parts, shape ``(m,)``.
    shares
        Of pairs within 50 % of the target at each noise, by the same names.
    published
        Share to compare with.
    axis
        What the noise is.
    """

    wanted: Array
    reached: Mapping[str, Array]
    noise: Array
    shares: Mapping[str, Array]
    published: float
    axis: str


def one_shot_figure(drawn: OneShotFigure, title: str, note: str = "") -> Figure:
    """Return reached against wanted conductances for each way, and shares against noise.

    Raises
    ------
    DataError
        If there is nothing to draw, or shapes differ.
    """
    if not drawn.reached or not drawn.shares:
        raise DataError("one way at least to choose a pulse is needed for a figure")
    sizes = {np.shape(values) for values in drawn.reached.values()} | {np.shape(drawn.wanted)}
    lengths = {np.shape(values) for values in drawn.shares.values()} | {np.shape(drawn.noise)}
    if len(sizes) > 1 or len(lengths) > 1:
        raise DataError(f"shapes {sorted(sizes)} and {sorted(lengths)} do not belong together")
    with styled():
        columns = -(-len(drawn.reached) // 2)
        figure = Figure(figsize=(2.6 * columns + 4.4, 5.4), layout="constrained")
        grid = figure.add_gridspec(2, columns + 1, width_ratios=[1.0] * columns + [1.5])
        for k, (name, reached) in enumerate(drawn.reached.items()):
            axes = figure.add_subplot(grid[k // columns, k % columns])
            _scatter(axes, drawn.wanted, reached, name, first=k % columns == 0)
        _course(figure.add_subplot(grid[:, columns]), drawn)
        figure.suptitle(title, fontweight="bold", fontsize=10)
        if note:
            figure.supxlabel(note, fontsize=7, color=QUIET)
    return figure


def _scatter(axes: Axes, wanted: Array, reached: Array, name: str, *, first: bool) -> None:
    """Draw one way's pairs in µS, with the band of half the target."""
    shade, _ = LOOKS.get(name, OTHER)
    ends = 1e6 * np.array([wanted.min(), wanted.max()])
    axes.fill_between(ends, (1 - BAND) * ends, (1 + BAND) * ends, color=QUIET, alpha=0.15, lw=0)
    axes.plot(ends, ends, color=QUIET, lw=0.8)
    axes.plot(1e6 * wanted, 1e6 * reached, ls="", marker=".", ms=2, color=shade, alpha=0.6)
    share = float(np.mean(np.abs(reached - wanted) <= BAND * wanted))
    axes.set_title(f"{name}: {100 * share:.0f} %")
    axes.set_xlabel("wanted (µS)")
    axes.set_ylim(0, 1.15 * ends[1])
    if first:
        axes.set_ylabel("after one pulse (µS)")


def _course(axes: Axes, drawn: OneShotFigure) -> None:
    """Draw the shares of every way against the noise, in percent."""
    for name, shares in drawn.shares.items():
        shade, mark = LOOKS.get(name, OTHER)
        axes.plot(
            100 * drawn.noise, 100 * shares, color=shade, marker=mark, ms=4, lw=1.2, label=name
        )
    axes.axhline(100 * drawn.published, color=QUIET, lw=0.8, ls=":")
    axes.annotate(
        f"published: {100 * drawn.published:g} %",
        (100 * drawn.noise.max(), 100 * drawn.published),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=QUIET,
    )
    axes.set_title("Within ±50 % of the target")
    axes.set_xlabel(drawn.axis)
    axes.set_ylabel("pairs (%)")
    axes.set_ylim(50, 102)
    axes.legend(fontsize=8, loc="upper right", bbox_to_anchor=(1.0, 0.88))
