"""What a person sees of an I-V run: a table and a figure."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import RenderableType
from rich.text import Text

from crossbar.experiments.cell_view import (
    MICRO,
    ROWS,
    cell_name,
    heading,
    provenance_note,
    spread,
    statistics,
    table,
)
from crossbar.experiments.iv_summary import swept_cells
from crossbar.store import Arrays, RunRecord


def title(run: RunRecord, summary: Mapping[str, Any]) -> str:
    """Return the line that says what was swept."""
    s: Mapping[str, Any] = run.settings
    ends = {"up": f"0 to {s['vmax']:g} V", "down": f"0 to {s['vmin']:g} V"}
    span = ends.get(s["read_order"], f"{s['vmin']:g} to {s['vmax']:g} V")
    kind = "" if s["drive"] == "staircase" else f", {s['drive']}"
    return f"{heading('I-V', summary['rows'])}: {span}, step {s['step']:g} V{kind}"


def tables(run: RunRecord, summary: dict[str, Any]) -> list[RenderableType]:
    """Return the figures of every cell as a table of at most 80 columns."""
    s: Mapping[str, Any] = run.settings
    at, compliance = summary["read_voltage_V"], f"{MICRO * s['compliance']:g} µA"
    limited = f"limited: points at the compliance, {compliance} or what the source has next below"
    if s["drive"] == "triangle":
        limited = f"limited: none, a waveform has no compliance; {compliance} were expected"
    shown = table(
        title(run, summary),
        ("cell", "cycles", "limited", "clipped", "out (µS)", "back (µS)", "ratio"),
        f"{limited}; clipped: at the end of a converter's "
        f"range; out, back: conductance at {at:g} V on the way to the first end and on the way "
        "back; ratio: larger over smaller; ± is the standard deviation over whole cycles"
        + ("; last line: over cells" if len(summary["rows"]) > 1 else ""),
    )
    rows = summary["rows"]
    for row in rows[:ROWS]:
        shown.add_row(cell_name(row["cell"]), *_cells(row))
    if len(rows) > 1:
        shown.add_section()
        over = {name: _over_cells(rows, name) for name in ("outgoing_S", "returning_S", "ratio")}
        shown.add_row(f"all {len(rows)}", *_cells({**summary, **over}))
    notes = [provenance_note(run)]
    if len(rows) > ROWS:
        notes.insert(0, f"the first {ROWS} of {len(rows)} cells; --json has all of them")
    if missing := summary["points_asked"] - summary["points"]:
        notes.insert(0, f"{missing} of {summary['points_asked']} points were not measured")
    if len(made := _made_in(rows)) > 1:
        told = ", ".join(f"{cycles} of run {run}" for run, cycles in made.items())
        notes.insert(0, f"cycles: {told}")
    if summary["lost_points"]:
        notes.insert(0, f"{summary['lost_points']} points overflowed and have no current")
    return [shown, Text("\n".join(notes))]


def _made_in(rows: list[dict[str, Any]]) -> Counter[str]:
    """Return how many cycles, begun ones included, were measured in which run."""
    made: Counter[str] = Counter()
    for row in rows:
        made.update({run: len(cycles) for run, cycles in row["cycles_by_run"].items()})
    return made


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        *(str(row[name]) for name in ("whole_cycles", "compliance_points", "clipped_points")),
        *(spread(row[name], MICRO) for name in ("outgoing_S", "returning_S")),
        spread(row["ratio"]),
    )


def _over_cells(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    means = (row[name]["mean"] for row in rows)
    return statistics(np.nan if mean is None else mean for mean in means)


def draw(
    run: RunRecord, results: Mapping[str, Arrays], summary: dict[str, Any], path: Path
) -> None:
    """Draw the figure of an I-V record into a file."""
    # Matplotlib takes most of a second to import; commands without a figure do not wait for it.
    from crossbar.figures.iv import iv_figure
    from crossbar.figures.style import save

    compliance = float(results["asked"]["compliance"])
    save(iv_figure(results, compliance, title(run, summary), provenance_note(run)), path)


def write_csv(run: RunRecord, results: Mapping[str, Arrays], folder: Path) -> list[Path]:
    """Write the curve of every cell as a file of PyMeasure's, and return their paths.

    Raises
    ------
    DataError
        If a file cannot be written.
    """
    from crossbar.curves.measured import Curve, Origin
    from crossbar.curves.pymeasure_csv import write

    origin = Origin(source=f"run {run.id}", format="record", notes=(provenance_note(run),))
    paths = []
    for swept in swept_cells(results):
        word, bit = swept.cell
        path = folder / f"run{run.id}-cell-{word}-{bit}.csv"
        curve = Curve(
            name=cell_name(swept.cell),
            voltage=swept.voltage,
            current=swept.current,
            cycle=swept.cycle.astype(np.intp),
            origin=origin,
            time=swept.time,
            flags=swept.flags.astype(np.uint8),
        )
        write(curve, path)
        paths.append(path)
    return paths
