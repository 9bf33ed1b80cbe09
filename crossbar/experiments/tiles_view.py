"""What a person sees of a network that ran tile by tile: cost, accuracy, errors of every tile."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from crossbar.backend import Array
from crossbar.experiments.bench_note import bench_note
from crossbar.mapping import MAPPINGS
from crossbar.store import Arrays, RunRecord
from crossbar.tiling.cutting import cut

PERCENT = 100.0
Results = Mapping[str, Arrays]


def measured(results: Results) -> bool:
    """Return whether there is anything to show: the cost at least."""
    return "cost" in results


def summarise(results: Results) -> dict[str, Any]:
    """Return cost, accuracies and errors as plain values, as far as the run got."""
    if "cost" not in results:
        return {}
    cost = results["cost"]
    tiles = {name: r for name, r in results.items() if name.startswith("tile/")}
    summary: dict[str, Any] = {
        "array": [int(n) for n in cost["array"]],
        "cost": {
            "tiles": int(cost["tiles"].sum()),
            "cells": int(cost["cells"]),
            "drives": int(cost["drives"]),
            "pulses": _number(cost["pulses"]),
            "seconds": _number(cost["seconds"]),
            "rehearsed": str(cost["rehearsed"]) or None,
        },
        "layers": [
            {"name": str(name), "shape": [int(n) for n in shape], "tiles": int(count)}
            for name, shape, count in zip(
                cost["layers"], cost["shapes"], cost["tiles"], strict=True
            )
        ],
        "done": {
            "tiles": len(tiles),
            "seconds": float(sum(float(r["seconds"]) for r in tiles.values())),
        },
        "software_accuracy": float(results["network"]["accuracy"]),
        "conventions": {
            "cost": "of the whole batch, before it began; pulses and time from one tile "
            "programmed elsewhere with this bench's settings",
            "seconds": "of the bench's own clock",
            "relative_error": "root mean square of a layer's error, for the inputs that reached "
            "it, over the standard deviation of its exact products",
        },
    }
    if "scores" in results:
        found = results["scores"]
        labels = found["labels"]
        summary["accuracy"] = {
            "images": len(labels),
            "software": float(np.mean(found["digital"].argmax(axis=1) == labels)),
            "array": float(np.mean(found["scores"].argmax(axis=1) == labels)),
        }
        for layer, (given, wanted) in zip(summary["layers"], products(results), strict=True):
            layer["relative_error"] = float(np.sqrt(np.mean((given - wanted) ** 2)) / wanted.std())
    return summary


def products(results: Results) -> list[tuple[Array, Array]]:
    """Return measured and exact products of each layer for what reached it, biases left out."""
    network, cost = results["network"], results["cost"]
    inputs, found = results["scores"]["inputs"], []
    for k, name in enumerate(str(n) for n in cost["layers"]):
        weights = network[f"{name}.weight"]
        given = np.zeros((len(inputs), len(weights)))
        for number, tile in enumerate(_tiles(results, k)):
            given[:, tile.outputs] += results[f"tile/{name}/{number}"]["product"]
        found.append((given, inputs @ weights.T))
        inputs = np.maximum(given + network[f"{name}.bias"], 0.0)
    return found


def tile_errors(results: Results, k: int) -> Array:
    """Return the relative error of every tile of a layer, shape ``(rows of tiles, columns)``.

    Root mean square over inputs and outputs, over the standard deviation of the layer's products.
    """
    cost, network = results["cost"], results["network"]
    name = str(cost["layers"][k])
    weights = network[f"{name}.weight"]
    inputs = results["scores"]["inputs"]
    for before, (given, _) in zip(cost["layers"][:k], products(results)[:k], strict=True):
        inputs = np.maximum(given + network[f"{before}.bias"], 0.0)
    spread = (inputs @ weights.T).std()
    errors = []
    for number, tile in enumerate(_tiles(results, k)):
        exact = inputs[:, tile.inputs] @ weights[tile.outputs, tile.inputs].T
        given = results[f"tile/{name}/{number}"]["product"]
        errors.append(np.sqrt(np.mean((given - exact) ** 2)) / spread)
    rows = len({tile.inputs.start for tile in _tiles(results, k)})
    return np.array(errors).reshape(rows, -1)


def _tiles(results: Results, k: int) -> list[Any]:
    cost = results["cost"]
    shape = int(cost["shapes"][k][0]), int(cost["shapes"][k][1])
    rows, columns = (int(n) for n in cost["array"])
    # The mapping whose room gives as many tiles as were counted.
    for mapping in MAPPINGS.values():
        found = [tile for row in cut(shape, (rows, mapping.slots(columns))) for tile in row]
        if len(found) == int(cost["tiles"][k]):
            return found
    raise AssertionError("tiles were counted by another rule")


def _number(value: Array) -> float | None:
    return float(value) if np.isfinite(value) else None


def tables(run: RunRecord, summary: dict[str, Any]) -> list[RenderableType]:
    """Return the cost and what came of it, at most 80 columns wide."""
    array, cost, done = summary["array"], summary["cost"], summary["done"]
    layers = Table(
        title=f"a network on one {array[0]}x{array[1]} array, tile by tile", title_justify="left"
    )
    layers.add_column("layer")
    for name in ("weights", "tiles", "relative error"):
        layers.add_column(name, justify="right")
    for layer in summary["layers"]:
        error = layer.get("relative_error")
        layers.add_row(
            layer["name"],
            "x".join(map(str, layer["shape"])),
            str(layer["tiles"]),
            "-" if error is None else f"{PERCENT * error:.0f} %",
        )
    costs = Table(title="what it costs", title_justify="left")
    costs.add_column("")
    for name in ("tiles", "cells", "inputs driven", "pulses", "bench time"):
        costs.add_column(name, justify="right")
    pulses = "-" if cost["pulses"] is None else f"{cost['pulses']:.3g}"
    costs.add_row(
        "foreseen",
        str(cost["tiles"]),
        str(cost["cells"]),
        str(cost["drives"]),
        pulses,
        "-" if cost["seconds"] is None else _time(cost["seconds"]),
    )
    if done["tiles"]:
        costs.add_row("done", str(done["tiles"]), "", "", "", _time(done["seconds"]))
    if cost["rehearsed"]:
        costs.caption = f"pulses and time: {cost['rehearsed']}, with this bench's settings"
        costs.caption_justify = "left"
    shown: list[RenderableType] = [layers, costs]
    software = (
        f"software accuracy {PERCENT * summary['software_accuracy']:.1f} % of all test digits"
    )
    if "accuracy" in summary:
        found = summary["accuracy"]
        software += (
            f"; of these {found['images']}: software {PERCENT * found['software']:.1f} %, "
            f"array {PERCENT * found['array']:.1f} %"
        )
    return [*shown, Text(f"{software}\n{bench_note(run)}, seed {run.seed}")]


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.3g} min" if seconds < 5400 else f"{seconds / 3600:.3g} h"


def draw(run: RunRecord, results: Results, summary: dict[str, Any], path: Path) -> None:
    """Draw the figure of a record into a file."""
    from crossbar.figures.style import save
    from crossbar.figures.tiles import tiles_figure

    note = f"{bench_note(run)}, seed {run.seed}"
    save(tiles_figure(results, summary, note), path)
