"""The figure of `xbar moons`: what analog hardware costs, and where it comes from."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from crossbar.backend import Array
from crossbar.experiments.moons_summary import draws, trainings
from crossbar.figures.style import CLASSES, INK, QUIET, colour, styled
from crossbar.programming.report import Status
from crossbar.store import Arrays

MICRO, PERCENT = 1e6, 100.0
CALIBRATED = "calibrated_accuracy"


def moons_figure(
    results: Mapping[str, Arrays], summary: Mapping[str, Any], title: str, note: str
) -> Figure:
    """Return the figure of a moons record.

    Parameters
    ----------
    results
        The record's arrays; a run that was interrupted has fewer, and is drawn as far as it got.
    summary
        From `crossbar.experiments.moons_summary.summarise`.
    title, note
        Above the figure, and below it: bench, device, seed, spreads.
    """
    names = trainings(results)
    columns = max(3, len(names))
    with styled():
        figure = Figure(figsize=(3.7 * columns, 9.6), layout="constrained")
        top, bottom = cast("list[SubFigure]", figure.subfigures(2, 1, height_ratios=(1, 1.7)))
        panels = top.subplots(1, 3)
        _accuracies(panels[0], summary["rows"])
        _errors(panels[1], results, names)
        _conductances(panels[2], results, names)
        grid = bottom.subplots(2, columns, sharex=True, sharey=True, squeeze=False)
        for k, name in enumerate(names):
            _boundaries(grid[0, k], grid[1, k], results, name)
        for unused in grid[:, len(names) :].ravel():
            unused.set_axis_off()
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.supxlabel(note, fontsize=8, color=QUIET)
    return figure


def _accuracies(axes: Axes, rows: list[Mapping[str, Any]]) -> None:
    """Draw software beside hardware accuracy, with every draw as a point."""
    axes.set_title("Accuracy: software, crossbar, calibrated")
    for k, row in enumerate(rows):
        shade = colour(row["training"], k)
        software = PERCENT * row["software_accuracy"]
        axes.bar(k - 0.27, software, 0.25, color="white", edgecolor=shade, lw=1.4, hatch="///")
        axes.annotate(f"{software:.1f}", (k - 0.27, software), **_above)
        for place, name, alpha in ((0, "hardware_accuracy", 1.0), (0.27, CALIBRATED, 0.5)):
            if name in row:
                _draws_bar(axes, k + place, row[name], shade, alpha)
    axes.set_xticks(range(len(rows)), [row["training"] for row in rows])
    axes.axhline(50, color=QUIET, lw=0.8, ls=":")
    # Every draw is shown, also one that came out worse than chance.
    drawn = [v for row in rows for v in row.get("hardware_accuracy", {}).get("values", [])]
    drawn += [v for row in rows for v in row.get(CALIBRATED, {}).get("values", [])]
    low = 10 * int(min([40.0, *(PERCENT * v - 5 for v in drawn)]) // 10)
    axes.set_ylim(low, 106)
    axes.set_yticks(range(low, 101, 10))
    axes.set_ylabel("test accuracy (%), chance dotted")


def _draws_bar(
    axes: Axes, place: float, accuracy: Mapping[str, Any], shade: str, alpha: float
) -> None:
    """Draw the mean over programming draws as a bar, its spread, and each draw as a point."""
    values = PERCENT * np.array(accuracy["values"])
    spread = PERCENT * (accuracy["sd"] or 0.0)
    axes.bar(place, values.mean(), 0.25, color=shade, alpha=alpha)
    axes.errorbar(place, values.mean(), spread, color=INK, capsize=3, lw=1)
    jitter = np.linspace(-0.08, 0.08, len(values)) if len(values) > 1 else np.zeros(1)
    axes.plot(place + jitter, values, "o", ms=2.5, color=INK, alpha=0.5, mew=0)
    highest = max(values.max(), values.mean() + spread)
    axes.annotate(f"{values.mean():.1f}", (place, highest), **_above)


_above: dict[str, Any] = {
    "xytext": (0, 2),
    "textcoords": "offset points",
    "ha": "center",
    "va": "bottom",
    "fontsize": 7,
}


def _errors(axes: Axes, results: Mapping[str, Arrays], names: list[str]) -> None:
    """Draw histograms of dot-product errors, all layers, relative to the products' spread."""
    axes.set_title("Dot-product errors as programmed")
    relative = {}
    for name in names:
        parts = [
            (draw[f"errors_{k}"] / float(draw[f"digital_sd_{k}"])).ravel()
            for draw in draws(results, name)
            for k in range(2)
        ]
        if parts:
            relative[name] = PERCENT * np.concatenate(parts)
    if relative:
        reach = max(float(np.percentile(np.abs(e), 99)) for e in relative.values())
        bins = np.linspace(-reach, reach, 81)
        for k, (name, errors) in enumerate(relative.items()):
            axes.hist(
                errors,
                bins=bins.tolist(),
                density=True,
                histtype="step",
                lw=1.5,
                color=colour(name, k),
                label=f"{name}: sd {errors.std():.1f} %",
            )
        # The legend goes above the curves, which differ from run to run.
        axes.set_ylim(0, axes.get_ylim()[1] * 1.35)
        axes.legend(loc="upper right", fontsize=8)
    axes.set_xlabel("error (% of the products' standard deviation; 99 % of them shown)")
    axes.set_yticks([])
    axes.set_ylabel("density")
    axes.spines["left"].set_visible(False)


def _conductances(axes: Axes, results: Mapping[str, Arrays], names: list[str]) -> None:
    """Draw programmed against target conductances, at verify and at the re-read."""
    axes.set_title("Programmed conductances")
    axes.set_xlabel("target (µS)")
    axes.set_ylabel("read (µS)")
    found = [draw for name in names for draw in draws(results, name)]
    # A stuck cell has no target of its own; all others are shown, also those that failed.
    chosen = [(d["status"] >= 0) & (d["status"] != Status.STUCK) for d in found]
    if not any(c.any() for c in chosen):
        axes.annotate("every cell is stuck", (0.5, 0.5), xycoords="axes fraction", ha="center")
        return
    target, verified, reread, status = (
        np.concatenate([d[key][c] for d, c in zip(found, chosen, strict=True)])
        for key in ("target", "verified", "reread", "status")
    )
    failed = status != Status.VERIFIED
    tolerance, delay = MICRO * float(found[0]["tolerance"]), float(found[0]["reread_delay"])
    for x, y, mark, size, shade, label in (
        (target, reread, "o", 3, "#56b4e9", f"re-read after {delay:g} s"),
        (target[~failed], verified[~failed], ".", 3, INK, "at the last verify"),
        (target[failed], verified[failed], "x", 4, "#d55e00", "never in the band"),
    ):
        if len(x):
            axes.plot(MICRO * x, MICRO * y, mark, ms=size, alpha=0.5, color=shade, label=label)
    axes.set(xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
    ends = np.geomspace(MICRO * target.min(), MICRO * target.max(), 50)
    inside = f"band ±{tolerance:g} µS"
    low, high = ends - tolerance, ends + tolerance
    axes.fill_between(ends, low, high, color="#e69f00", alpha=0.4, lw=0, label=inside)
    legend = axes.legend(loc="upper left", fontsize=8)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)


def _boundaries(upper: Axes, lower: Axes, results: Mapping[str, Arrays], name: str) -> None:
    """Draw a network's decision regions in software above those on the crossbar."""
    points, network = results["points"], results[f"network/{name}"]
    grid = points["grid"]
    software = float(network["accuracy"])
    _regions(upper, grid, network["grid_scores"], points)
    upper.set_title(f"{name}: software, {PERCENT * software:.1f} %")
    last = next((d for d in reversed(draws(results, name)) if "grid_scores" in d), None)
    if last is None:
        lower.set_axis_off()
        return
    _regions(lower, grid, last["grid_scores"], points)
    lower.set_title(f"on the crossbar, last draw, {PERCENT * float(last['accuracy']):.1f} %")


def _regions(axes: Axes, grid: Array, scores: Array, points: Arrays) -> None:
    side = round(len(grid) ** 0.5)
    x, y, z = (v.reshape(side, side) for v in (grid[:, 0], grid[:, 1], scores))
    levels = [min(z.min(), 0.0) - 1.0, 0.0, max(z.max(), 0.0) + 1.0]
    axes.contourf(x, y, z, levels=levels, colors=CLASSES, alpha=0.25)
    if z.min() < 0 < z.max():
        axes.contour(x, y, z, levels=[0], colors=INK, linewidths=1.4)
    shown = slice(0, 300)
    axes.scatter(
        points["test_inputs"][shown, 0],
        points["test_inputs"][shown, 1],
        c=points["test_labels"][shown],
        cmap=ListedColormap(CLASSES),
        s=6,
        lw=0,
    )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_aspect("equal", adjustable="box")
