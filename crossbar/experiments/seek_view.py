"""The figures of a switch seeker's run, made from its record alone, and what a person sees."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import RenderableType
from rich.text import Text

from crossbar.experiments.cell_view import (
    ROWS,
    cell_name,
    heading,
    provenance_note,
    spread,
    statistics,
    table,
)
from crossbar.experiments.seek import SIGNS
from crossbar.store import Arrays, RunRecord


def measured(results: Mapping[str, Arrays]) -> bool:
    """Return whether any amplitude was tried."""
    return any(len(arrays["amplitude"]) for arrays in results.values())


def ramps(results: Mapping[str, Arrays], name: str) -> dict[tuple[int, int], list[Arrays]]:
    """Return the ramps of one polarity by cell, in order, whole or not."""
    found: dict[tuple[int, int], list[Arrays]] = {}
    for key, arrays in results.items():
        if key.startswith(f"{name}/"):
            word, bit = arrays["cell"].tolist()
            found.setdefault((word, bit), []).append(arrays)
    return found


def summarise(results: Mapping[str, Arrays]) -> dict[str, object]:
    """Return one row of plain values per cell; RESET amplitudes are magnitudes.

    Every statistic is over the ramps of a cell that ended; those that found nothing up to the last
    amplitude are counted and have no part in it.
    """
    by_name = {name: ramps(results, name) for name in SIGNS}
    rows = []
    for cell in by_name["set"]:
        row: dict[str, Any] = {"cell": list(cell)}
        for name, found in by_name.items():
            ended = [arrays for arrays in found.get(cell, []) if bool(arrays["ended"])]
            values = [float(arrays["switched_at"]) for arrays in ended]
            row[f"{name}_V"] = statistics(values)
            row[f"{name}_ramps"] = len(ended)
            row[f"{name}_not_found"] = int(np.isnan(values).sum())
        rows.append(row)
    over = {
        f"{name}_V": statistics(
            np.nan if (mean := row[f"{name}_V"]["mean"]) is None else mean for row in rows
        )
        for name in SIGNS
    }
    return {"cells": len(rows), **over, "rows": rows}


def title(run: RunRecord, summary: Mapping[str, Any]) -> str:
    """Return the line that says what was sought."""
    s: Mapping[str, Any] = run.settings
    change = f"{100 * s['fraction']:g} %"
    return (
        f"{heading('Smallest switching amplitudes', summary['rows'])}: {change}, {s['width']:g} s"
    )


def tables(run: RunRecord, summary: dict[str, Any]) -> list[RenderableType]:
    """Return the amplitudes of every cell as a table of at most 80 columns."""
    s: Mapping[str, Any] = run.settings
    shown = table(
        title(run, summary),
        ("cell", "ramps", "SET (V)", "none", "RESET (V)", "none"),
        f"the first amplitude whose {s['pulses']} pulses left the mean of {s['reads']} reads "
        f"{100 * s['fraction']:g} % and 3 standard errors beyond that before the ramp, and did so "
        "when repeated; none: ramps "
        f"without one up to {s['stop']:g} V; ± is the standard deviation over ramps"
        + (", in the last line over cells" if summary["cells"] > 1 else ""),
    )
    rows = summary["rows"]
    for row in rows[:ROWS]:
        shown.add_row(
            *(cell_name(row["cell"]), str(row["set_ramps"])),
            *(spread(row["set_V"]), str(row["set_not_found"])),
            *(spread(row["reset_V"]), str(row["reset_not_found"])),
        )
    if len(rows) > 1:
        shown.add_section()
        counts = {name: str(sum(row[f"{name}_not_found"] for row in rows)) for name in SIGNS}
        ramps_in_all = str(sum(row["set_ramps"] for row in rows))
        shown.add_row(
            *(f"all {len(rows)}", ramps_in_all, spread(summary["set_V"]), counts["set"]),
            *(spread(summary["reset_V"]), counts["reset"]),
        )
    notes = [provenance_note(run)]
    if len(rows) > ROWS:
        notes.insert(0, f"the first {ROWS} of {len(rows)} cells; --json has all of them")
    return [shown, Text("\n".join(notes))]


def draw(
    run: RunRecord, results: Mapping[str, Arrays], summary: dict[str, Any], path: Path
) -> None:
    """Draw the figure of a switch seeker's record into a file."""
    from crossbar.figures.seek import seek_figure
    from crossbar.figures.style import save

    save(seek_figure(results, title(run, summary), provenance_note(run)), path)
