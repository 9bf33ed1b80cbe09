"""The figures of a forming run, made from its record alone, and what a person sees of them."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from crossbar.experiments.cell_view import (
    MICRO,
    ROWS,
    cell_name,
    heading,
    number,
    provenance_note,
    statistics,
    table,
)
from crossbar.experiments.form import Formed
from crossbar.store import Arrays, RunRecord

WORDS = {
    Formed.ALREADY: "not needed",
    Formed.CONDUCTANCE: "formed",
    Formed.CURRENT: "formed, current",
    Formed.GAVE_UP: "gave up",
    Formed.BUDGET: "gave up, budget",
}
"""What a table says of each outcome."""
REASONS = {
    Formed.ALREADY: "conducted as much before the first pulse",
    Formed.CONDUCTANCE: "reached the conductance",
    Formed.CURRENT: "a step carried the current",
    Formed.GAVE_UP: "the longest ramp ended below the conductance",
    Formed.BUDGET: "its pulses or its stress are used up, as the bench's limits have them",
}
"""Why forming a cell ended."""


def measured(results: Mapping[str, Arrays]) -> bool:
    """Return whether any ramp or any cell was finished."""
    return bool(results)


def summarise(results: Mapping[str, Arrays]) -> dict[str, object]:
    """Return one row of plain values per finished cell, and the voltages over all of them."""
    rows = [_row(arrays) for name, arrays in results.items() if name.startswith("formed/")]
    formed = [row for row in rows if row["formed"] and row["pulses"]]
    return {
        "cells": len(rows),
        "outcomes": dict(Counter(str(row["outcome"]) for row in rows)),
        "form_voltage_V": statistics(float(row["voltage_V"]) for row in formed),
        "rows": rows,
    }


def _row(arrays: Arrays) -> dict[str, Any]:
    outcome = Formed(int(arrays["outcome"]))
    return {
        "cell": arrays["cell"].tolist(),
        "outcome": outcome.name.lower(),
        "reason": REASONS[outcome],
        "formed": outcome < Formed.GAVE_UP,
        "pulses": int(arrays["pulses"]),
        "voltage_V": float(arrays["voltage"]),
        "width_s": float(arrays["width"]),
        "before_S": float(arrays["before"]),
        "after_S": float(arrays["after"]),
        "after_standard_error_S": float(arrays["after_error"]),
    }


def title(run: RunRecord, summary: Mapping[str, Any]) -> str:
    """Return the line that says what was done."""
    s: Mapping[str, Any] = run.settings
    target = f"{MICRO * s['target']:g} µS"
    return f"{heading('Forming', summary['rows'])}: {s['polarity']} {s['method']}, to {target}"


def tables(run: RunRecord, summary: dict[str, Any]) -> list[RenderableType]:
    """Return what became of every cell as a table of at most 80 columns."""
    shown = table(
        title(run, summary),
        ("cell", "pulses", "last (V)", "width (s)", "before (µS)", "after (µS)", "outcome"),
        "last, width: the last pulse or step that was applied; not needed: conducted as much "
        "before; gave up: the longest ramp ended below the conductance, or the bench's budget "
        "for the cell did",
    )
    for row in summary["rows"][:ROWS]:
        shown.add_row(
            *(cell_name(row["cell"]), str(row["pulses"]), number(row["voltage_V"])),
            *(number(row["width_s"]), number(row["before_S"], MICRO)),
            *(number(row["after_S"], MICRO), WORDS[Formed[row["outcome"].upper()]]),
        )
    notes = []
    if len(summary["rows"]) > ROWS:
        notes.append(f"the first {ROWS} of {summary['cells']} cells; --json has all of them")
    if summary["cells"] > 1:
        counts = ", ".join(
            f"{WORDS[Formed[name.upper()]]} {n}" for name, n in summary["outcomes"].items()
        )
        found = summary["form_voltage_V"]
        ends = f"{number(found['min'])} to {number(found['max'])} V"
        notes.append(
            counts
            + (f"; formed at {ends}, median {number(found['median'])} V" if found["n"] else "")
        )
    return [shown, Text("\n".join([*notes, provenance_note(run)]))]


def draw(
    run: RunRecord, results: Mapping[str, Arrays], summary: dict[str, Any], path: Path
) -> None:
    """Draw the figure of a forming record into a file."""
    from crossbar.figures.form import form_figure
    from crossbar.figures.style import save

    target = float(run.settings["target"])  # type: ignore[arg-type]  # a number, as recorded
    save(form_figure(results, target, title(run, summary), provenance_note(run)), path)
