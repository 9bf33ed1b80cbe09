"""What a person sees of a comparison of write policies: a table and a Pareto figure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from crossbar.experiments.cell_view import provenance_note
from crossbar.store import Arrays, RunRecord

MICRO = 1e6


def tables(run: RunRecord, summary: dict[str, Any]) -> list[RenderableType]:
    """Return the figures of every policy as a table of at most 80 columns."""
    table = Table(title=title(run), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("policy", no_wrap=True)
    for column in ("pulses", "±", "p95", "verify", "1 s", "10 s", "error", "nJ", "ms"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in summary["policies"]:
        second, last = row["rereads"][1], row["rereads"][-1]
        shares = (row["in_band_at_verify"]["mean"], second["in_band"], last["in_band"])
        table.add_row(
            row["policy"],
            f"{row['pulses']['mean']:.1f}",
            "" if row["pulses"]["sd"] is None else f"{row['pulses']['sd']:.1f}",
            f"{row['pulses_p95']['mean']:.0f}",
            *(f"{100 * share:.0f} %" for share in shares),
            f"{MICRO * last['error_sd_S']:.2f}",
            f"{1e9 * row['energy_J']['mean']:.0f}",
            f"{1e3 * row['seconds']['mean']:.1f}",
        )
    low, high = summary["window_S"]
    note = (
        f"pulses per cell, mean ± sd over programmings, and 95th percentile; share in the band of "
        f"±{MICRO * summary['tolerance_S']:.3g} µS at the last verify and read again after 1 and "
        f"10 s; error: rms after 10 s, µS, in a window of {MICRO * low:g} to {MICRO * high:g} µS; "
        "energy and bench time per cell; stuck cells left out"
    )
    if names := summary["widths_adapted"]:
        note += f"\nshortest or longest pulse as this bench allows: {', '.join(names)}"
    return [table, Text(f"{note}\n{provenance_note(run)}")]


def title(run: RunRecord) -> str:
    """Return the line that says what was compared."""
    s: Mapping[str, Any] = run.settings
    targets = f"{s['levels']} levels" if s["levels"] else "any conductance"
    more = f", {s['passes']} passes" if s["passes"] > 1 else ""
    return f"Write policies, {targets}{more}, {s['repeats']} programmings each"


def draw(
    run: RunRecord, results: Mapping[str, Arrays], summary: dict[str, Any], path: Path
) -> None:
    """Draw the Pareto figure of a record into a file."""
    from crossbar.figures.compare import pareto_figure
    from crossbar.figures.style import save

    save(pareto_figure(summary, title(run), provenance_note(run)), path)
