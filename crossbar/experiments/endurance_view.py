"""The figures of an endurance run, made from its record alone, and what a person sees of them."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import RenderableType
from rich.text import Text

from crossbar.backend import Array, Flag
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
from crossbar.experiments.endurance import Ended
from crossbar.store import Arrays, RunRecord

WORDS = {
    Ended.CYCLES: "all cycles",
    Ended.WINDOW: "window closed",
    Ended.BUDGET: "budget used up",
}
"""What is said of each end; a cell without one was interrupted."""


def measured(results: Mapping[str, Arrays]) -> bool:
    """Return whether any cycle was finished."""
    return any(name.startswith("cycles/") for name in results)


def cycles(results: Mapping[str, Arrays]) -> dict[tuple[int, int], dict[str, Array]]:
    """Return the cycles of every cell: ``cycle``, ``on``, ``off``, ``flags``, ``time``."""
    parts: dict[tuple[int, int], list[Arrays]] = {}
    for name, arrays in results.items():
        if name.startswith("cycles/"):
            word, bit = arrays["cell"].tolist()
            parts.setdefault((word, bit), []).append(arrays)
    names = ("cycle", "on", "off", "flags", "time")
    return {
        cell: {name: np.concatenate([part[name] for part in found]) for name in names}
        for cell, found in parts.items()
    }


def ratios(on: Array, off: Array) -> Array:
    """Return on over off conductance; NaN where off is not above 0."""
    return np.asarray(on / np.where(off > 0, off, np.nan))


def summarise(results: Mapping[str, Arrays]) -> dict[str, object]:
    """Return one row of plain values per cell that has a cycle; every spread is over cycles."""
    ends = {
        tuple(arrays["cell"].tolist()): Ended(int(arrays["end"]))
        for name, arrays in results.items()
        if name.startswith("end/")
    }
    rows = [_row(cell, seen, ends.get(cell)) for cell, seen in cycles(results).items()]
    return {
        "cells": len(rows),
        "cycles": sum(int(row["cycles"]) for row in rows),
        "ends": dict(Counter(str(row["end"]) for row in rows)),
        "rows": rows,
    }


def _row(cell: tuple[int, int], seen: dict[str, Array], end: Ended | None) -> dict[str, Any]:
    on, off = seen["on"], seen["off"]
    tenth = max(1, len(on) // 10)
    return {
        "cell": list(cell),
        "cycles": len(on),
        "end": "interrupted" if end is None else end.name.lower(),
        "on_S": statistics(on),
        "off_S": statistics(off),
        "ratio": statistics(ratios(on, off)),
        "ratio_first_tenth": statistics(ratios(on[:tenth], off[:tenth]))["median"],
        "ratio_last_tenth": statistics(ratios(on[-tenth:], off[-tenth:]))["median"],
        "clipped_cycles": int(np.count_nonzero(seen["flags"].astype(int) & Flag.CLIPPED)),
        "bench_seconds": float(seen["time"][-1] - seen["time"][0]),
    }


def title(run: RunRecord, summary: Mapping[str, Any]) -> str:
    """Return the line that says what was done."""
    s: Mapping[str, Any] = run.settings
    pulses = f"{s['set_voltage']:g} V {s['set_width']:g} s, {-s['reset_voltage']:g} V"
    return f"{heading('Endurance', summary['rows'])}: {pulses} {s['reset_width']:g} s"


def tables(run: RunRecord, summary: dict[str, Any]) -> list[RenderableType]:
    """Return the window of every cell as a table of at most 80 columns."""
    s: Mapping[str, Any] = run.settings
    shown = table(
        title(run, summary),
        ("cell", "cycles", "on (µS)", "off (µS)", "ratio", "begin", "end", "why ended"),
        "on, off, ratio: medians over all cycles; begin, end: median ratio of the first and the "
        f"last tenth; a window is closed below a ratio of {s['window']:g} in {s['patience']} "
        "cycles in a row",
    )
    rows = summary["rows"]
    for row in rows[:ROWS]:
        why = "interrupted" if row["end"] == "interrupted" else WORDS[Ended[row["end"].upper()]]
        shown.add_row(
            *(cell_name(row["cell"]), str(row["cycles"])),
            *(number(row[name]["median"], MICRO) for name in ("on_S", "off_S")),
            number(row["ratio"]["median"]),
            *(number(row[name]) for name in ("ratio_first_tenth", "ratio_last_tenth")),
            why,
        )
    notes = [provenance_note(run)]
    if len(rows) > ROWS:
        notes.insert(0, f"the first {ROWS} of {len(rows)} cells; --json has all of them")
    if clipped := sum(row["clipped_cycles"] for row in rows):
        notes.insert(0, f"{clipped} cycles with a read at the end of a converter's range")
    return [shown, Text("\n".join(notes))]


def draw(
    run: RunRecord, results: Mapping[str, Arrays], summary: dict[str, Any], path: Path
) -> None:
    """Draw the figure of an endurance record into a file."""
    from crossbar.figures.endurance import endurance_figure
    from crossbar.figures.style import save

    window = float(run.settings["window"])  # type: ignore[arg-type]  # a number, as recorded
    save(endurance_figure(results, window, title(run, summary), provenance_note(run)), path)
