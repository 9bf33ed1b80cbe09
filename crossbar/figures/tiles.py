"""A network that ran tile by tile: cost, error of every tile, products against exact ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossbar.backend import Array
from crossbar.experiments.tiles_view import products, tile_errors
from crossbar.figures.style import INK, OTHERS, QUIET, styled
from crossbar.store import Arrays

PERCENT = 100.0
LABELLED = 12


def tiles_figure(results: Mapping[str, Arrays], summary: Mapping[str, Any], note: str) -> Figure:
    """Return the figure of a record; without scores, of the cost alone.

    Parameters
    ----------
    results, summary
        Of the record.
    note
        Below the figure.
    """
    layers, array = summary["layers"], "x".join(map(str, summary["array"]))
    finished = "accuracy" in summary
    with styled():
        count = len(layers) if finished else 0
        figure = Figure(figsize=(4.4 * (count + 1) + 0.6, 4.4), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, count + 1))
        _cost(panels[0], summary)
        for k in range(count):
            _tiles(panels[k], tile_errors(results, k), layers[k])
        if finished:
            _products(panels[-1], results, summary)
        title = f"A network on one {array} array, tile by tile"
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.supxlabel(note, fontsize=8, color=QUIET)
    return figure


def _cost(axes: Axes, summary: Mapping[str, Any]) -> None:
    """Draw tiles per layer; drawn over where there are errors to show."""
    axes.set_title("What it costs")
    names = [
        f"{layer['name']}\n{layer['shape'][0]}x{layer['shape'][1]}" for layer in summary["layers"]
    ]
    tiles = [layer["tiles"] for layer in summary["layers"]]
    axes.bar(names, tiles, color=OTHERS[1], width=0.5)
    for k, value in enumerate(tiles):
        axes.annotate(str(value), (k, value), ha="center", va="bottom")
    axes.set_ylabel("tiles, programmed one after the other")
    cost = summary["cost"]
    if cost["pulses"] is not None:
        pulses, minutes = cost["pulses"], cost["seconds"] / 60
        axes.set_xlabel(f"{cost['cells']} cells, about {pulses:.2g} pulses, {minutes:.2g} min")


def _tiles(axes: Axes, errors: Array, layer: Mapping[str, Any]) -> None:
    axes.clear()
    axes.set_title(f"Error of each tile, layer {layer['name']}")
    part = PERCENT * errors
    image = axes.imshow(part, cmap="magma_r", vmin=0.0, vmax=float(part.max()), aspect="auto")
    axes.set_xlabel(f"outputs, {layer['shape'][1]} in all")
    axes.set_ylabel(f"inputs, {layer['shape'][0]} in all")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.85, pad=0.02)
    bar.set_label("% of the products' standard deviation")
    bar.outline.set_visible(False)
    if max(part.shape) <= LABELLED:
        for (row, column), value in np.ndenumerate(part):
            shade = "white" if value > 0.6 * part.max() else INK
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=shade)


def _products(axes: Axes, results: Mapping[str, Arrays], summary: Mapping[str, Any]) -> None:
    found = summary["accuracy"]
    axes.set_title(
        f"{found['images']} digits: software {PERCENT * found['software']:.0f} %, "
        f"array {PERCENT * found['array']:.0f} %"
    )
    for k, (given, wanted) in enumerate(products(results)):
        name = summary["layers"][k]["name"]
        error = PERCENT * summary["layers"][k]["relative_error"]
        spread = wanted.std()
        axes.plot(
            (wanted / spread).ravel(),
            (given / spread).ravel(),
            ".",
            ms=3,
            alpha=0.4,
            mew=0,
            color=OTHERS[k % 2],
            label=f"layer {name}: error {error:.0f} %",
        )
    ends = np.array(axes.get_xlim())
    axes.plot(ends, ends, color=INK, lw=0.8)
    axes.set_xlabel("exact product (standard deviations)")
    axes.set_ylabel("from the array, partial sums digital")
    axes.legend(loc="upper left")
