"""Figures of merit, drawn: a device's cycles, and how its numbers are distributed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossbar.backend import Array
from crossbar.figures.style import INK, QUIET, styled
from crossbar.merit.device import Merit

CYCLE, SEGMENT, BAND = "#56b4e9", "#d55e00", "#0072b2"
MICRO = 1e6
DECADE = 10.0
"""Conductances that span more than this are drawn on a logarithmic axis."""
LISTED = 10
"""Devices up to which each has a curve of its own in the distributions' legend."""
WIDE = 140
"""Letters that fit beside each other under the distributions."""
SHADES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#222222")


def cycles_figure(merit: Merit) -> Figure:
    """Return a device's cycles, their mean with the band of the spread, and the LCIS on it."""
    with styled():
        figure = Figure(figsize=(6.8, 4.9), layout="constrained")
        axes = figure.subplots()
        scale = 1.0 if merit.normalised else MICRO
        _draw_cycles(axes, merit, scale)
        positive = merit.conductance.min() > 0
        if positive and merit.conductance.max() > DECADE * merit.conductance.min():
            axes.set_yscale("log")
        axes.set_ylabel("conductance (unit not stated)" if merit.normalised else "conductance (µS)")
        pulses = merit.driven == "pulses"
        where = "SET pulse" if pulses else f"voltage (V), {merit.settings.branch} branch"
        axes.set_xlabel(where)
        axes.set_title(f"{merit.device}: {merit.kind.name}")
        axes.legend(loc="best", fontsize=8)
        figure.supxlabel(_summary(merit), fontsize=8, color=QUIET)
    return figure


def distributions_figure(merits: Sequence[Merit]) -> Figure:
    """Return the cumulative distributions over cycles of V_set, V_reset and the on/off ratio.

    One curve for each device; of many devices one over all of them beside thin ones.
    """
    with styled():
        figure = Figure(figsize=(10.4, 3.9), layout="constrained")
        panels = figure.subplots(1, 3)
        kinds = (
            ("V_set", "V", [m.switching.v_set for m in merits]),
            ("V_reset", "V", [m.switching.v_reset for m in merits]),
            ("On/off ratio", "", [m.switching.on_off for m in merits]),
        )
        for axes, (title, unit, values) in zip(panels, kinds, strict=True):
            missing = _draw_distribution(axes, values, [m.device for m in merits])
            axes.set_title(title)
            label = f"{title} ({unit})" if unit else "on/off ratio"
            axes.set_xlabel(f"{label}\n{missing}" if missing else label)
            axes.set_ylim(0, 1.02)
        panels[0].set_ylabel("part of cycles")
        known = np.concatenate([*kinds[2][2], np.empty(0)])
        known = known[np.isfinite(known)]
        if known.size and known.max() > DECADE * known.min():
            panels[2].set_xscale("log")
        shown: dict[str, Any] = {}
        for axes in panels:
            handles, labels = axes.get_legend_handles_labels()
            shown |= dict(zip(labels, handles, strict=True))
        if shown:
            columns = max(1, WIDE // (max(map(len, shown)) + 8))
            figure.legend(
                shown.values(), shown, loc="outside lower center", ncols=columns, fontsize=8
            )
    return figure


def _draw_cycles(axes: Axes, merit: Merit, scale: float) -> None:
    """Draw cycles, mean, band and segment."""
    grid, mean = merit.grid, merit.mean * scale
    counted = f"{merit.cycles} cycles" if merit.cycles > 1 else "one cycle"
    for number, each in enumerate(merit.conductance * scale):
        label = counted if number == 0 else None
        axes.plot(grid, each, color=CYCLE, lw=0.7, alpha=0.7, label=label)
    if merit.spread is not None:
        for sigma, shade, name in (
            (merit.bound, 0.12, f"mean ×/÷ exp({100 * merit.spread.confidence:.0f} % bound)"),
            (merit.sigma, 0.22, "mean ×/÷ exp(sigma)"),
        ):
            low, high = mean * np.exp(-sigma), mean * np.exp(sigma)
            axes.fill_between(grid, low, high, color=BAND, alpha=shade, lw=0, label=name)
    axes.plot(grid, mean, color=INK, lw=1.3, label="mean")
    a, b = merit.lcis.start, merit.lcis.end
    name = "operative segment" if merit.settings.mode == "contiguous" else "span of the LCIS"
    axes.plot(
        grid[a : b + 1], mean[a : b + 1], color=SEGMENT, lw=2.6, alpha=0.9,
        label=f"{name}: {merit.lcis.length} points",
    )  # fmt: skip
    axes.plot(grid[[a, b]], mean[[a, b]], "o", color=SEGMENT, ms=5)


def _draw_distribution(axes: Axes, values: Sequence[Array], names: Sequence[str]) -> str:
    """Draw one cumulative distribution for each device; return how many cycles have no number."""
    finite = [each[np.isfinite(each)] for each in values]
    many = len(finite) > LISTED
    for position, (each, name) in enumerate(zip(finite, names, strict=True)):
        if each.size:
            look = (
                {"color": CYCLE, "lw": 0.7, "alpha": 0.7}
                if many
                else {"color": SHADES[position % len(SHADES)], "lw": 1.4, "label": name}
            )
            _step(axes, each, look)
    together = np.concatenate([*finite, np.empty(0)])
    if many and together.size:
        _step(axes, together, {"color": INK, "lw": 1.8, "label": f"all {len(names)} devices"})
    missing = sum(len(each) for each in values) - together.size
    return f"{missing} of {missing + together.size} cycles have none" if missing else ""


def _step(axes: Axes, values: Array, look: dict[str, Any]) -> None:
    ordered = np.sort(values)
    x = np.concatenate([ordered[:1], ordered])
    axes.step(x, np.arange(len(x)) / len(ordered), where="post", **look)


def _summary(merit: Merit) -> str:
    """Return the numbers under a figure, each with what it depends on."""
    parts = [f"LCIS {merit.lcis.length} points, {merit.settings.l_min} needed"]
    parts.append(f"rho {merit.rho:.3f} ({merit.settings.rho})")
    if merit.spread is None or merit.usability is None:
        parts.append("no spread, no usability")
    else:
        parts.append(f"sigma {merit.sigma:.3g}, bound {merit.bound:.3g} ({merit.spread.form})")
        parts.append(f"usability {merit.usability}")
    return "; ".join(parts)
