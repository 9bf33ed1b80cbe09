"""The figure of writes that are read again: a simulated device beside the measured one."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossbar.backend import Array, DataError
from crossbar.figures.style import INK, QUIET, logarithmic, styled
from crossbar.programming.rereads import Rereads

PERCENT = 100.0
SHADES = ("#0072b2", "#009e73", "#d55e00")
LOOKS = MappingProxyType({"measured": ("-", "o"), "simulated": ("--", "s")})
"""Line and mark of the first and the second data set, by what they are."""

SMALLEST, LARGEST = 0.02, 100.0
"""Ends of the axis of changes, percent."""


def relaxation_figure(measured: Rereads, simulated: Rereads, title: str, note: str) -> Figure:
    """Return the figure: share in the band and size of the change against time, distributions.

    Parameters
    ----------
    measured, simulated
        Re-read equally often, at about the same times.
    title, note
        Above the figure, and below it.

    Raises
    ------
    DataError
        If there is nothing to draw, or the two were not re-read equally often.
    """
    both = {"measured": measured, "simulated": simulated}
    if not all(len(data) for data in both.values()):
        raise DataError("no writes: there is nothing to draw")
    if measured.times.shape[1] != simulated.times.shape[1]:
        raise DataError(
            f"measured writes have {measured.times.shape[1]} re-reads and simulated ones "
            f"{simulated.times.shape[1]}"
        )
    with styled():
        figure = Figure(figsize=(10.8, 4.2), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        _shares(left, both)
        _sizes(middle, both)
        _distributions(right, both)
        for axes in (left, middle):
            axes.set_xscale("log")
            logarithmic(axes.xaxis)
            axes.set_xlabel("time since the verify read (s)")
            axes.set_ylim(bottom=0)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.supxlabel(note, fontsize=8, color=QUIET)
    return figure


def _shares(axes: Axes, both: Mapping[str, Rereads]) -> None:
    for (name, data), shade in zip(both.items(), (INK, SHADES[0]), strict=True):
        line, mark = LOOKS[name]
        axes.plot(
            np.median(data.times, axis=0),
            PERCENT * data.inside,
            f"{line}{mark}",
            color=shade,
            ms=4,
            label=f"{name}; {PERCENT * data.verified_inside:.1f} % at verify",
        )
    axes.set_title("Still in the band")
    axes.set_ylabel("writes in their band (%)")
    axes.legend(fontsize=8)


def _sizes(axes: Axes, both: Mapping[str, Rereads]) -> None:
    for name, data in both.items():
        line, mark = LOOKS[name]
        sizes = np.percentile(np.abs(data.change), (50, 75, 90), axis=0)
        for label, size, shade in zip(
            ("median", "75th percentile", "90th percentile"), sizes, SHADES, strict=True
        ):
            axes.plot(
                np.median(data.times, axis=0),
                PERCENT * size,
                f"{line}{mark}",
                color=shade,
                ms=3,
                label=label if name == "measured" else None,
            )
    axes.set_title("Size of the change")
    axes.set_ylabel("|ΔR/R| since the verify read (%)")
    axes.plot([], [], "--s", color=QUIET, ms=3, label="dashed: simulated")
    axes.legend(fontsize=8)


def _distributions(axes: Axes, both: Mapping[str, Rereads]) -> None:
    count = both["measured"].times.shape[1]
    shown = sorted({0, count // 2, count - 1})
    for name, data in both.items():
        line, _ = LOOKS[name]
        times = np.median(data.times, axis=0)
        for k, shade in zip(shown, SHADES, strict=False):
            size, beyond = _survival(data.change[:, k])
            label = f"after {times[k]:.2g} s" if name == "measured" else None
            axes.plot(PERCENT * size, PERCENT * beyond, line, color=shade, lw=1.3, label=label)
    axes.set_xscale("log")
    logarithmic(axes.xaxis)
    axes.set_xlim(SMALLEST, LARGEST)
    axes.set_title("Its distribution")
    axes.set_xlabel("|ΔR/R| (%)")
    axes.set_ylabel("writes that changed more (%)")
    axes.legend(fontsize=8)


def _survival(change: Array) -> tuple[Array, Array]:
    """Return sizes, ascending, and the share of changes at least as large."""
    size = np.sort(np.abs(change))
    return size, 1.0 - np.arange(len(size)) / len(size)
