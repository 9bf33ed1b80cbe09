"""A fitted device beside what was measured, and what is left between them."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossbar.backend import Array
from crossbar.figures.style import QUIET, styled

MEASURED, SIMULATED = "#8a8a8a", "#d55e00"
MICRO = 1e6


def fit_figure(
    title: str,
    note: str,
    *,
    applied: Array,
    measured: Array,
    simulated: Array,
    residuals: Array,
    quantity: str,
) -> Figure:
    """Return measured and simulated values, and the distribution of the residuals.

    Parameters
    ----------
    title, note
        Above and below.
    applied
        V, shape ``(n,)``.
    measured, simulated
        Currents, A, against voltage, or conductances, S, against the number of the pulse.
    residuals
        Of the fitted points, in units of ln or of the range.
    quantity
        ``"current"`` or ``"conductance"``.
    """
    with styled():
        figure = Figure(figsize=(10.4, 4.4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
        if quantity == "current":
            _curves(left, applied, measured, simulated)
        else:
            left.plot(MICRO * measured, ".", ms=2, color=MEASURED, label="measured")
            left.plot(MICRO * simulated, "-", lw=1, color=SIMULATED, label="simulated")
            left.set(xlabel="pulse", ylabel="conductance (µS; as stated, times 1e6)")
        left.legend(loc="best")
        left.set_title(title)
        unit = "ln(simulated / measured)" if quantity == "current" else "part of the range"
        right.hist(residuals[np.isfinite(residuals)], bins=60, color=SIMULATED, alpha=0.8)
        right.axvline(0, color=QUIET, lw=0.8)
        rms = float(np.sqrt(np.nanmean(residuals**2)))
        right.set(xlabel=f"residual: {unit}", ylabel="points")
        right.set_title(f"Residuals, {rms:.2g} rms")
        figure.supxlabel(note, fontsize=8, color=QUIET)
    return figure


def _curves(axes: Axes, voltage: Array, measured: Array, simulated: Array) -> None:
    largest = np.nanmax(np.abs(measured))
    floor = largest * 1e-7
    for values, look, label in (
        (measured, {"color": MEASURED, "lw": 0.7, "alpha": 0.7}, "measured"),
        (simulated, {"color": SIMULATED, "lw": 1.1}, "simulated"),
    ):
        axes.semilogy(voltage, MICRO * np.maximum(np.abs(values), floor), label=label, **look)
    axes.set(xlabel="voltage (V)", ylabel="|current| (µA)")
