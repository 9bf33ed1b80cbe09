"""The figure of `xbar certify`: what is certified against drift, where, and what eq. 2 claims."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from crossbar.backend import Array
from crossbar.experiments.certify_summary import (
    CERTIFIED,
    QUANTILES,
    Poll,
    largest_drifts,
    poll,
    spreads,
)
from crossbar.experiments.certify_votes import LOGNORMAL
from crossbar.figures.style import CLASSES, INK, QUIET, styled
from crossbar.store import Arrays

PERCENT = 100.0
SHADES = {"typical": "#0072b2", "most": "#009e73"}
LENGTHS = {"typical": "typical drift", "most": "95 % of drifts"}
BARS = {
    "exact": ("#0072b2", "exact, others as they are"),
    "exact_halved": ("#009e73", "exact, others halved or not"),
    "equation_2": ("#d55e00", ""),
}
MOST_BARS = 9


def certify_figure(
    results: Mapping[str, Arrays], summary: Mapping[str, Any], title: str, note: str
) -> Figure:
    """Return the figure of a certificates' record.

    Parameters
    ----------
    results
        The record's arrays; votes of a run that was interrupted are drawn as far as it got.
    summary
        From `crossbar.experiments.certify_summary.summarise`.
    title, note
        Above the figure, and below it: seed, spreads, confidence.
    """
    found = poll(results, LOGNORMAL)
    assert found is not None  # noqa: S101 - only records with votes are drawn
    with styled():
        figure = Figure(figsize=(14.2, 5.2), layout="constrained")
        shares, plane, radii = figure.subplots(1, 3, width_ratios=(1.15, 1.15, 1))
        _shares(shares, results, summary, found)
        _plane(plane, results, found)
        _radii(radii, summary)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.supxlabel(f"certified: {CERTIFIED}\n{note}", fontsize=8, color=QUIET)
    return figure


def _shares(
    axes: Axes, results: Mapping[str, Arrays], summary: Mapping[str, Any], found: Poll
) -> None:
    """Draw the certified share of the points against drift, and what counting says of one chip."""
    axes.set_title("Certified against log-normal drift")
    noise, count = spreads(results), len(found.right)
    rows = summary["log-normal"]["rows"]
    limits = summary["log-normal"]["largest_drift_if_unanimous"]
    end = max(rows[-1]["drift"], min(1.15 * limits["typical"], 2 * rows[-1]["drift"]))
    sigmas = np.linspace(0, end, 400)
    for name, quantile in QUANTILES.items():
        largest = largest_drifts(found, noise, quantile)[:count]
        for chosen, style, what in (
            (np.ones(count, dtype=np.bool_), "-", "certified"),
            (found.right, "--", "certified and right"),
        ):
            # At no drift, what is certified is that there is a majority.
            share = [np.mean((largest >= s) & (largest > 0) & chosen) for s in sigmas]
            label = f"{LENGTHS[name]}: {what}"
            axes.plot(sigmas, PERCENT * np.array(share), style, color=SHADES[name], label=label)
    chips = [(row["drift"], row["one_chip"]) for row in rows if "one_chip" in row]
    if chips:
        place = [sigma for sigma, _ in chips]
        mean, sd = (PERCENT * np.array([chip[key] for _, chip in chips]) for key in ("mean", "sd"))
        label = "one chip right: counted, not certified"
        axes.errorbar(place, mean, sd, fmt="o", ms=3, lw=1, capsize=2, color=QUIET, label=label)
    for sigma in limits.values():
        if sigma < end:
            axes.annotate(
                f"{found.votes} votes certify no more",
                (sigma, 60),
                (2, 0),
                textcoords="offset points",
                rotation=90,
                ha="left",
                va="top",
                fontsize=7,
                color=QUIET,
            )
    axes.set(xlim=(0, end), ylim=(0, 104))
    axes.set_xlabel("drift σ: standard deviation of ln(parameter)")
    axes.set_ylabel("share of the points (%)")
    axes.legend(fontsize=8, loc="lower left")


def _plane(axes: Axes, results: Mapping[str, Arrays], found: Poll) -> None:
    """Draw up to which drift each place of the plane is certified, and both boundaries."""
    points, count = results["points"], len(found.right)
    grid = points["grid"]
    largest = largest_drifts(found, spreads(results), QUANTILES["typical"])[count:]
    side = round(len(grid) ** 0.5)
    x, y = (grid[:, k].reshape(side, side) for k in range(2))
    finite = np.where(np.isfinite(largest), largest, 0.0)
    top = float(finite.max()) or 1.0
    image = axes.pcolormesh(
        *(x, y, finite.reshape(side, side)),
        cmap="Greys",
        vmin=0,
        vmax=1.6 * top,
        shading="nearest",
        rasterized=True,
    )
    _boundary(axes, (x, y), found.ones[count:] - 0.5, "-", "boundary of the vote")
    _boundary(axes, (x, y), results["network"]["grid_scores"], ":", "without noise")
    shown = slice(0, 300)
    axes.scatter(
        points["inputs"][shown, 0],
        points["inputs"][shown, 1],
        c=points["labels"][shown],
        cmap=ListedColormap(CLASSES),
        s=7,
        lw=0,
    )
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    bar.ax.set_ylim(0, top)
    bar.set_label("certified up to typical drift of σ")
    bar.outline.set_visible(False)
    axes.set_title("Where: certified drift")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_aspect("equal", adjustable="box")
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2)


def _boundary(
    axes: Axes, place: tuple[Array, Array], scores: Array, style: str, label: str
) -> None:
    z = scores.reshape(place[0].shape)
    if z.min() < 0 < z.max():
        axes.contour(*place, z, levels=[0], colors=INK, linewidths=1.4, linestyles=style)
        axes.plot([], [], style, color=INK, lw=1.4, label=label)


def _radii(axes: Axes, summary: Mapping[str, Any]) -> None:
    """Draw the exact trinomial certificates with the published one beside them."""
    found = summary["trinomial"]
    if found is None:
        axes.set_axis_off()
        return
    axes.set_title(f"Trinomial noise, p1 = {found['p1']:g}, p2 = {found['p2']:g}")
    rows = found["rows"][:MOST_BARS]
    # Broken into lines: the panel is narrow.
    printed = f"equation 2 {found['equation_2']}".replace(", ", ",\n").replace("; ", ";\n")
    for k, (name, (shade, exact)) in enumerate(BARS.items()):
        label = exact or printed
        share = [PERCENT * row[name]["share"] for row in rows]
        place = np.arange(len(rows)) + 0.27 * (k - 1)
        claimed = {"hatch": "///", "fill": False} if name == "equation_2" else {"color": shade}
        bars = axes.bar(place, share, 0.25, edgecolor=shade, label=label, **claimed)
        if len(rows) <= 3:
            axes.bar_label(bars, fmt="%.0f", fontsize=7, padding=1)
    axes.set_xticks(range(len(rows)), [f"≥ {row['changed']}" for row in rows])
    axes.set(ylim=(0, 150), yticks=range(0, 101, 20))
    axes.set_xlabel(f"parameters of {summary['parameters']} that may change in any way")
    axes.set_ylabel("share of the points (%)")
    axes.legend(fontsize=8, loc="upper right")
