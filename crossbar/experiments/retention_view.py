"""The figures of a retention run, made from its record alone, and what a person sees of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import RenderableType
from rich.text import Text

from crossbar.backend import Array, Flag, Indices
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
from crossbar.store import Arrays, RunRecord

PERCENT = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What was read at every time so far.

    Parameters
    ----------
    time
        s, shape ``(t,)``.
    conductance, error
        S, shape ``(t, cells)``.
    flags
        `crossbar.backend.Flag` bits, same shape.
    """

    time: Array
    conductance: Array
    error: Array
    flags: Indices


def measured(results: Mapping[str, Arrays]) -> bool:
    """Return whether the cells were read at all."""
    return "read/0" in results


def kept(results: Mapping[str, Arrays]) -> Kept:
    """Return the readings of a record, as many times as there are."""
    found: list[Arrays] = []
    while (name := f"read/{len(found)}") in results:
        found.append(results[name])
    names = ("time", "conductance", "error", "flags")
    return Kept(*(np.array([arrays[name] for arrays in found]) for name in names))


def summarise(results: Mapping[str, Arrays]) -> dict[str, object]:
    """Return one row of plain values per cell, and the spread of the changes over cells.

    ``exponent`` is ν of G ~ t^-ν, fitted to the logarithms; a relaxation need not be a power law.
    """
    if not measured(results):
        return {"rows": []}
    about, seen = results["cells"], kept(results)
    first, last = seen.conductance[0], seen.conductance[-1]
    with np.errstate(all="ignore"):
        change = last / first - 1
        logarithm = np.log(np.where((first > 0) & (last > 0), last / first, np.nan))
    rows = [
        {
            "cell": cell,
            "target_S": float(about["target"][k]),
            "verified_S": float(about["verified"][k]),
            "first_S": float(first[k]),
            "last_S": float(last[k]),
            "last_standard_error_S": float(seen.error[-1, k]),
            "change": float(change[k]),
            "largest_change": _largest(seen.conductance[:, k]),
            "exponent": _exponent(seen.time, seen.conductance[:, k]),
            "clipped_reads": int(np.count_nonzero(seen.flags[:, k] & Flag.CLIPPED)),
        }
        for k, cell in enumerate(about["cells"].tolist())
    ]
    return {
        "cells": len(rows),
        "points": len(seen.time),
        "points_asked": len(about["times"]),
        "first_s": float(seen.time[0]),
        "last_s": float(seen.time[-1]),
        "change": statistics(change),
        "log_change": statistics(logarithm),
        "exponent": statistics(float(str(row["exponent"])) for row in rows),
        "rows": rows,
    }


def _largest(conductance: Array) -> float:
    """Return the largest departure from the first reading, as a signed fraction of it."""
    change = conductance / conductance[0] - 1
    return float(change[np.argmax(np.abs(change))])


def _exponent(time: Array, conductance: Array) -> float:
    usable = (time > 0) & (conductance > 0)
    if np.count_nonzero(usable) < 2:
        return float("nan")
    return -float(np.polyfit(np.log(time[usable]), np.log(conductance[usable]), 1)[0])


def title(run: RunRecord, summary: Mapping[str, Any]) -> str:
    """Return the line that says what was kept for how long."""
    return f"{heading('Retention', summary['rows'])}: {summary['last_s']:.4g} s"


def tables(run: RunRecord, summary: dict[str, Any]) -> list[RenderableType]:
    """Return the changes of every cell as a table of at most 80 columns."""
    first, last = summary["first_s"], summary["last_s"]
    shown = table(
        title(run, summary),
        ("cell", "target (µS)", f"{first:.4g} s", f"{last:.4g} s", "change", "largest", "exponent"),
        "conductances in µS at the first and the last time; largest: departure from the first "
        "reading; exponent: ν of G ~ t^-ν; times count from "
        + ("the end of programming" if run.settings["targets"] else "the beginning"),
    )
    rows = summary["rows"]
    for row in rows[:ROWS]:
        shown.add_row(
            *(cell_name(row["cell"]), number(row["target_S"], MICRO)),
            *(number(row[name], MICRO) for name in ("first_S", "last_S")),
            *(f"{PERCENT * row[name]:+.1f} %" for name in ("change", "largest_change")),
            f"{row['exponent']:.4f}",
        )
    notes = [provenance_note(run)]
    if len(rows) > ROWS:
        notes.insert(0, f"the first {ROWS} of {len(rows)} cells; --json has all of them")
    if (spread := summary["log_change"])["sd"] is not None:
        notes.insert(
            0,
            f"over {spread['n']} cells the change is {PERCENT * summary['change']['mean']:+.1f} % "
            f"± {PERCENT * summary['change']['sd']:.1f} %; sd of ln G {spread['sd']:.3f}",
        )
    if missing := summary["points_asked"] - summary["points"]:
        notes.insert(0, f"{missing} of {summary['points_asked']} times were not reached")
    return [shown, Text("\n".join(notes))]


def draw(
    run: RunRecord, results: Mapping[str, Arrays], summary: dict[str, Any], path: Path
) -> None:
    """Draw the figure of a retention record into a file."""
    from crossbar.figures.retention import retention_figure
    from crossbar.figures.style import save

    save(retention_figure(results, title(run, summary), provenance_note(run)), path)
