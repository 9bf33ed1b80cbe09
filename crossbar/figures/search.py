"""The figure of a search over noise: how it went, and what each noise was worth."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from crossbar.backend import Array
from crossbar.experiments.search_summary import best_of, candidates, searched
from crossbar.figures.style import INK, QUIET, colour, styled
from crossbar.search import NUMBERS, VALUE, VARIABLES
from crossbar.store import Arrays

PERCENT = 100.0
COLUMNS = 3
MAP = "cividis"
PAIR = ("p1", "p2")


def search_figure(results: Mapping[str, Arrays], title: str, note: str) -> Figure:
    """Return the figure of every search in a record, as far as each got.

    Parameters
    ----------
    results
        The record's arrays, with at least one candidate.
    title, note
        Above the figure, and below it: seed, spreads, what candidates were judged under.
    """
    searches = [(name, candidates(results, name)) for name in searched(results)]
    groups = [_groups([str(name) for name in found[0][VARIABLES]]) for _, found in searches]
    heights = [-(-(1 + len(group)) // COLUMNS) for group in groups]
    with styled():
        figure = Figure(figsize=(10.4, 3.3 * sum(heights) + 0.6), layout="constrained")
        parts = figure.subfigures(len(searches), 1, squeeze=False, height_ratios=heights).ravel()
        for k, (part, (name, found)) in enumerate(zip(parts, searches, strict=True)):
            axes = part.subplots(heights[k], COLUMNS, squeeze=False).ravel()
            _search(part, list(axes), name, found, groups[k], colour(name, k))
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        meaning = "bars: middle half of the draws; ring: the candidate that was chosen"
        figure.supxlabel(f"{note}\n{meaning}", fontsize=8, color=QUIET)
    return figure


def _search(
    part: SubFigure,
    axes: list[Axes],
    name: str,
    found: list[Arrays],
    groups: list[tuple[int, ...]],
    shade: str,
) -> None:
    """Draw one search: its course, and a panel for each group of columns."""
    _course(axes[0], name, found, shade)
    scale = _scale(PERCENT * np.array([float(c[VALUE]) for c in found]))
    planes = []
    for one, columns in zip(axes[1:], groups, strict=False):
        if len(columns) == 2:
            _plane(one, found, columns, scale)
            planes.append(one)
        else:
            _line(one, found, columns[0], shade)
    for side, end in enumerate(_ends(found, groups) if planes else []):
        for one in planes:
            # The same ranges for all sites, from no noise on.
            (one.set_ylim if side else one.set_xlim)(-0.04 * end, 1.06 * end)
    for unused in axes[1 + len(groups) :]:
        unused.set_visible(False)
    if planes:
        bar = part.colorbar(ScalarMappable(scale, MAP), ax=planes, shrink=0.8)
        bar.set_label("validation accuracy (%)")


def _groups(names: list[str]) -> list[tuple[int, ...]]:
    """Return the columns of each panel: p1 and p2 of a site together, others alone."""
    groups: list[tuple[int, ...]] = []
    for k, name in enumerate(names):
        field, _, site = name.partition(" ")
        partner = f"{PAIR[1]} {site}"
        if field == PAIR[0] and partner in names:
            groups.append((k, names.index(partner)))
        elif not any(k in group for group in groups):
            groups.append((k,))
    return groups


def _ends(found: list[Arrays], groups: list[tuple[int, ...]]) -> list[float]:
    """Return the largest p1 and the largest p2 of any site."""
    numbers = np.array([c[NUMBERS] for c in found])
    pairs = [group for group in groups if len(group) == 2]
    return [float(numbers[:, [pair[side] for pair in pairs]].max()) or 1.0 for side in range(2)]


def _scale(values: Array) -> Normalize:
    """Return colours for the better half of the values in full, since that is where they differ."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Normalize(0, 100)
    low, high = float(np.quantile(finite, 0.25)), float(finite.max())
    return Normalize(low if low < high else high - 1, high)


def _course(axes: Axes, name: str, found: list[Arrays], shade: str) -> None:
    """Draw each candidate's accuracy with its quartiles over the draws, and the best so far."""
    axes.set_title(f"{name}: {len(found)} candidates")
    values = PERCENT * np.array([float(c[VALUE]) for c in found])
    position = np.arange(1, len(found) + 1)
    good = np.isfinite(values)
    quartiles = np.array(
        [PERCENT * np.quantile(c["accuracy"], [0.25, 0.75]) for c in found if np.isfinite(c[VALUE])]
    ).reshape(-1, 2)
    axes.vlines(position[good], *quartiles.T, color=shade, alpha=0.3, lw=2)
    axes.plot(position[good], values[good], "o", ms=3.5, color=shade, label="mean, quartiles")
    if good.any():
        so_far = np.fmax.accumulate(values)
        axes.step(position, so_far, where="post", color=INK, lw=1, label="best so far")
    for k in position[~good]:
        axes.axvline(
            k, color=QUIET, lw=1, ls=":", label="failed" if k == position[~good][0] else None
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("candidate")
    axes.set_ylabel("validation accuracy (%)")
    axes.legend(fontsize=8, loc="lower right", frameon=True, framealpha=0.8, edgecolor="none")


def _plane(axes: Axes, found: list[Arrays], columns: tuple[int, ...], scale: Normalize) -> None:
    """Draw the candidates over the two probabilities of a site; the chosen one is ringed."""
    names = [str(found[0][VARIABLES][k]) for k in columns]
    axes.set_title(f"site {names[0].partition(' ')[2]}")
    points = np.array([c[NUMBERS][list(columns)] for c in found])
    values = PERCENT * np.array([float(c[VALUE]) for c in found])
    good = np.isfinite(values)
    x, y = points.T
    axes.scatter(
        x[good], y[good], c=values[good], norm=scale, cmap=MAP, s=26, edgecolors=QUIET, lw=0.4
    )
    axes.plot(x[~good], y[~good], "x", ms=5, color=QUIET)
    best = best_of(found)
    if best is not None:
        axes.plot(x[best], y[best], "o", ms=11, mfc="none", mec="#d55e00", mew=1.6)
    axes.set_xlabel("p1, P(factor 0)")
    axes.set_ylabel("p2, P(factor 0.5)")


def _line(axes: Axes, found: list[Arrays], column: int, shade: str) -> None:
    """Draw the accuracy over one number, with quartiles over the draws; the chosen one ringed."""
    name = str(found[0][VARIABLES][column])
    axes.set_title(f"against {name}")
    for one in found:
        if np.isfinite(one[VALUE]):
            low, high = PERCENT * np.quantile(one["accuracy"], [0.25, 0.75])
            x = float(one[NUMBERS][column])
            axes.vlines(x, low, high, color=shade, alpha=0.3, lw=2)
            axes.plot(x, PERCENT * float(one[VALUE]), "o", ms=3.5, color=shade)
    best = best_of(found)
    if best is not None:
        chosen = float(found[best][NUMBERS][column]), PERCENT * float(found[best][VALUE])
        axes.plot(*chosen, "o", ms=11, mfc="none", mec="#d55e00", mew=1.6)
    axes.set_xlabel(name)
    axes.set_ylabel("validation accuracy (%)")
