"""The figures of a frontier run, made from its record alone, and what a person sees of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from crossbar.backend import CapacityError
from crossbar.experiments.moons_summary import spread
from crossbar.mapping import MAPPINGS
from crossbar.placement import check_fits
from crossbar.store import Arrays, RunRecord

PERCENT = 100.0
PREFIX = "network/"
ARRAY = (10, 10)


def measured(results: Mapping[str, Arrays]) -> bool:
    """Return whether any network was evaluated."""
    return any(name.startswith(PREFIX) for name in results)


def summarise(results: Mapping[str, Arrays]) -> dict[str, object]:
    """Return one row of plain values per kind of network, by cells and then by objective.

    ``hardware_accuracy`` is a mean over draws of the drift, its spread the standard deviation over
    seeds; ``draws_p5`` is the accuracy that 95 % of all draws reach. A row is on the frontier if no
    kind that takes as many cells or fewer does as well.
    """
    kinds: dict[tuple[str, int, int], list[Arrays]] = {}
    for name, arrays in results.items():
        if name.startswith(PREFIX):
            objective, hidden, copies, _ = name.removeprefix(PREFIX).split("/")
            kinds.setdefault((objective, int(hidden), int(copies)), []).append(arrays)
    rows = [_row(*kind, found) for kind, found in kinds.items()]
    rows.sort(key=lambda row: (row["cells"], row["training"]))
    for row in rows:
        row["frontier"] = not any(
            other is not row
            and other["cells"] <= row["cells"]
            and other["hardware_accuracy"]["mean"] >= row["hardware_accuracy"]["mean"]
            for other in rows
        )
    return {
        "rows": rows,
        "conventions": {
            "hardware": "every parameter times a factor exp(sigma N), the mean of one factor for "
            "each pair of cells that holds it; no array is simulated",
            "cells": "two for each pair, biases included",
            "sd": "standard deviation over networks, each with points of its own",
        },
    }


def _row(training: str, hidden: int, copies: int, found: list[Arrays]) -> dict[str, Any]:
    draws = np.concatenate([arrays["hardware"] for arrays in found])
    return {
        "training": training,
        "hidden": hidden,
        "copies": copies,
        "cells": int(found[0]["cells"]),
        "in_one_10x10": fits_one(hidden, copies),
        "software_accuracy": spread(np.array([float(arrays["software"]) for arrays in found])),
        "hardware_accuracy": spread(np.array([arrays["hardware"].mean() for arrays in found])),
        "draws_sd": float(draws.std(ddof=1)),
        "draws_p5": float(np.quantile(draws, 0.05)),
        "draws": len(draws),
    }


def fits_one(hidden: int, copies: int) -> bool:
    """Return whether all layers lie in one 10x10 array together, by pairs of cells."""
    shapes = [(3, hidden), (hidden + 1, 1)]
    try:
        check_fits(shapes, MAPPINGS["differential"], ARRAY, (copies,))
    except CapacityError:
        return False
    return True


def heading(run: RunRecord) -> str:
    """Return the line that says what the networks go through."""
    s = run.settings
    return f"2-H-1 networks on moons under log-normal drift, sigma {s['sigma']:g}"


def provenance_note(run: RunRecord) -> str:
    """Return what made the numbers, in one line."""
    s = run.settings
    networks = "1 network" if s["seeds"] == 1 else f"{s['seeds']} networks"
    return (
        f"software only, no array simulated; {networks} of each kind (seed {run.seed}), the best "
        f"of {s['restarts']} starts each; {s['draws']} drift draws, {s['test_points']} test points"
    )


def tables(run: RunRecord, summary: dict[str, Any]) -> list[RenderableType]:
    """Return the networks as a table of at most 80 columns."""
    table = Table(title=heading(run), title_justify="left")
    for name in ("training", "network", "pairs", "cells"):
        table.add_column(name, justify="left" if name == "training" else "right")
    for name in ("software", "drifted", "95 %", ""):
        table.add_column(name, justify="right", no_wrap=True)
    for row in summary["rows"]:
        table.add_row(
            row["training"],
            f"2-{row['hidden']}-1",
            str(row["copies"]),
            f"{row['cells']}{'' if row['in_one_10x10'] else '*'}",
            _pm(row["software_accuracy"]),
            _pm(row["hardware_accuracy"]),
            f"{PERCENT * row['draws_p5']:.1f}",
            "best" if row["frontier"] else "",
        )
    table.caption = (
        "accuracy in %, ± over networks; pairs: of cells per weight; 95 %: what 95 % of the draws "
        "have at least; best: nothing with as few cells does as well; *: not in one 10x10"
    )
    table.caption_justify = "left"
    return [table, Text(provenance_note(run))]


def _pm(values: Mapping[str, Any]) -> str:
    mean = f"{PERCENT * values['mean']:.1f}"
    return mean if values["sd"] is None else f"{mean} ± {PERCENT * values['sd']:.1f}"


def draw(
    run: RunRecord, results: Mapping[str, Arrays], summary: dict[str, Any], path: Path
) -> None:
    """Draw the figure of a frontier record into a file."""
    # Matplotlib takes most of a second to import.
    from crossbar.figures.frontier import frontier_figure
    from crossbar.figures.style import save

    del results  # the rows say it all
    save(frontier_figure(summary, heading(run), provenance_note(run)), path)
