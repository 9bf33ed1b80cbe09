"""Figures of a campaign: how it went, what it has learnt, and how far that can be trusted."""

from collections.abc import Mapping, Sequence
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from crossbar.backend import Array
from crossbar.campaigns.analysis import Course, Pair, Slice
from crossbar.figures.style import CLASSES, INK, QUIET, styled

MAP = "cividis"
LETTERS = 15
"""Of a note, to an inch of the figure."""
LABELS = 12
"""Letters of a label under an axis."""
TELL, BEST, MODEL, SPREAD = "#0072b2", INK, "#009e73", 1.96


def course_figure(
    courses: Mapping[str, Course],
    quantity: str,
    title: str,
    note: str,
    target: float | None = None,
    failed: Sequence[int] = (),
) -> Figure:
    """Return values against the number of the recipe, and the best so far.

    Parameters
    ----------
    courses
        By name: one campaign, or several side by side.
    quantity, title, note
        Of the axis, above and below.
    target
        What is to be hit, if that is the goal.
    failed
        Numbers of recipes that failed.
    """
    with styled():
        figure = Figure(figsize=(7.5, 4.2), layout="constrained")
        axes = figure.subplots()
        for k, (name, one) in enumerate(courses.items()):
            shade = (TELL, *CLASSES, MODEL)[k % 4]
            known = np.where(np.isfinite(one.sds), one.sds, 0.0)
            axes.errorbar(
                *(one.numbers, one.values, SPREAD * known),
                fmt="o",
                ms=4,
                lw=0.8,
                color=shade,
                alpha=0.75,
                label=f"{name}: told, 95 %" if len(courses) > 1 else "told, 95 %",
            )
            axes.step(
                one.numbers,
                one.best,
                where="post",
                color=shade if len(courses) > 1 else BEST,
                lw=1.5,
                label=_best(name, courses),
            )
        if failed:
            low = axes.get_ylim()[0]
            axes.plot(failed, [low] * len(failed), "x", color="#d55e00", label="failed")
        if target is not None:
            axes.axhline(target, color=QUIET, ls=":", lw=1, label="target")
        axes.set_xlabel("recipe")
        axes.set_ylabel(quantity)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize=8)
        _around(figure, title, note)
    return figure


def _best(name: str, courses: Mapping[str, Course]) -> str:
    return f"{name}: best so far" if len(courses) > 1 else "best so far"


def slices_figure(found: Sequence[Slice], quantity: str, title: str, note: str) -> Figure:
    """Return what is expected along each variable through the leading recipe."""
    with styled():
        columns = min(3, len(found))
        rows = -(-len(found) // columns)
        figure = Figure(figsize=(3.6 * columns, 2.9 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
        for k, axes in enumerate(grid.ravel()):
            if k >= len(found):
                axes.set_visible(False)
                continue
            _slice(axes, found[k])
        for axes in grid[:, 0]:
            axes.set_ylabel(quantity)
        _around(figure, title, note)
    return figure


def _slice(axes: Axes, one: Slice) -> None:
    low, high = one.mean - SPREAD * one.sd, one.mean + SPREAD * one.sd
    if not one.ordered:
        axes.errorbar(one.places, one.mean, SPREAD * one.sd, fmt="o", color=MODEL, ms=4, capsize=2)
    else:
        axes.fill_between(one.places, low, high, color=MODEL, alpha=0.2, lw=0)
        axes.plot(one.places, one.mean, color=MODEL, lw=1.5)
    axes.axvline(one.here, color=QUIET, ls=":", lw=0.9)
    _ticks(axes, one)
    axes.set_xlabel(_named(one))


def pairs_figure(found: Sequence[Pair], quantity: str, title: str, note: str) -> Figure:
    """Return what is expected over every two variables through the leading recipe."""
    names = list(dict.fromkeys(s.name for pair in found for s in (pair.first, pair.second)))
    count = len(names) - 1
    low = min(float(pair.mean.min()) for pair in found)
    high = max(float(pair.mean.max()) for pair in found)
    with styled():
        figure = Figure(figsize=(2.5 * count + 0.9, 2.2 * count + 0.7), layout="constrained")
        grid = figure.subplots(count, count, squeeze=False)
        for axes in grid.ravel():
            axes.set_visible(False)
        image = None
        for pair in found:
            i, j = names.index(pair.first.name), names.index(pair.second.name) - 1
            axes = grid[j, i]
            axes.set_visible(True)
            image = axes.pcolormesh(
                *(_edges(pair.first.places), _edges(pair.second.places), pair.mean),
                cmap=MAP,
                vmin=low,
                vmax=high,
            )
            axes.plot(pair.first.here, pair.second.here, "o", mfc="none", mec="#d55e00", mew=1.5)
            _ticks(axes, pair.first)
            _ticks(axes, pair.second, vertical=True)
            axes.set_xlabel(_named(pair.first) if j == count - 1 else "")
            axes.set_ylabel(_named(pair.second) if i == 0 else "")
            axes.tick_params(labelbottom=j == count - 1, labelleft=i == 0)
        if image is not None:
            figure.colorbar(image, ax=grid[:, -1], label=f"expected {quantity}", shrink=0.8)
        _around(figure, title, note)
    return figure


def trust_figure(
    told: Array,
    mean: Array,
    sd: Array,
    importance: Mapping[str, tuple[float, float]],
    quantity: str,
    title: str,
    note: str,
) -> Figure:
    """Return expected against told values, each left out in turn, and what each variable matters.

    Parameters
    ----------
    told, mean, sd
        Of each recipe: what it gave, what the others make expect, and the spread of that.
    importance
        First-order and total part of each variable.
    quantity, title, note
        Of the axes, above and below.
    """
    with styled():
        figure = Figure(figsize=(8.6, 4.0), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.errorbar(told, mean, SPREAD * sd, fmt="o", ms=4, lw=0.8, color=TELL, alpha=0.8)
        ends = [min(told.min(), mean.min()), max(told.max(), mean.max())]
        left.plot(ends, ends, color=QUIET, lw=0.9, ls=":")
        within = np.mean(np.abs(told - mean) <= SPREAD * sd)
        left.set_title(f"Each left out in turn: {100 * within:.0f} % within their 95 %")
        left.set_xlabel(f"{quantity} told")
        left.set_ylabel(f"{quantity} expected from the others")
        names = list(importance)
        places = np.arange(len(names))[::-1]
        right.barh(places, [importance[n][1] for n in names], color=QUIET, alpha=0.45, label="all")
        alone = [importance[n][0] for n in names]
        right.barh(places, alone, height=0.45, color=MODEL, label="alone")
        right.set_yticks(places, names)
        right.set_xlim(0, 1)
        right.set_title("What each variable matters")
        right.set_xlabel("part of the variance expected over the space")
        right.legend(fontsize=8)
        _around(figure, title, note)
    return figure


def _around(figure: Figure, title: str, note: str) -> None:
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    wide = int(LETTERS * float(figure.get_figwidth()))
    figure.supxlabel("\n".join(wrap(note, wide)), fontsize=8, color=QUIET)


def _named(one: Slice) -> str:
    return f"{one.name} ({one.unit})" if one.unit else one.name


def _ticks(axes: Axes, one: Slice, *, vertical: bool = False) -> None:
    """Label an axis with the variable's own values, as many as it bears."""
    step = max(1, -(-len(one.labels) // (6 if vertical else 5)))
    step = step if one.ordered else 1
    places, labels = one.places[::step], [label[:LABELS] for label in one.labels[::step]]
    if vertical:
        axes.set_yticks(places, labels)
        axes.tick_params(axis="y", labelsize=7)
    else:
        turned = not one.ordered
        axes.set_xticks(
            places, labels, rotation=45 if turned else 0, ha="right" if turned else "center"
        )
        axes.tick_params(axis="x", labelsize=7)


def _edges(places: Array) -> Array:
    """Return the edges of cells around places."""
    middles = (places[1:] + places[:-1]) / 2
    first, last = places[0] - (middles[0] - places[0]), places[-1] + (places[-1] - middles[-1])
    return np.array([first, *middles, last])
