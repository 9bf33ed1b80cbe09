"""What a person sees of `xbar read`, `program` and `matmul`: tables, notes and figures."""

from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from crossbar.backend import Array
from crossbar.cli.output import console
from crossbar.programming.report import Status
from crossbar.results import ProgramReport

MICRO = 1e6
WIDTH = 80
LONGEST = 32
"""Matrices with more lines than this, or wider than 80 columns, are told of and not printed."""
NAMED = 8
"""Cells that are named one by one; of more, the first ones are."""

LEFT_AS = {
    "stuck": Status.STUCK,
    "out of reach": Status.UNREACHED,
    "out of range": Status.UNREADABLE,
    "out of pulses": Status.BUDGET,
}
"""What is said of cells that did not come into their band."""


def draw(
    figure: Path, conductances: Array, title: str, note: list[str], marked: Any = None
) -> None:
    """Draw a map of conductances (S) into a file; `marked` are cells to be framed, by name."""
    from crossbar.figures.conductances import conductance_map
    from crossbar.figures.style import save

    save(conductance_map(conductances, title, note="\n".join(note), marked=marked), figure)


def draw_products(
    figure: Path, conductances: Array, predicted: Array, current: Array, note: list[str]
) -> None:
    """Draw the map (S) beside measured against predicted currents (A) into a file."""
    from crossbar.figures.conductances import product_figure
    from crossbar.figures.style import save

    save(product_figure(conductances, predicted, current, note="\n".join(note)), figure)


def made_by(facts: dict[str, Any], what: str) -> list[str]:
    """Return the lines under a table or a figure that say what made the numbers."""
    bench = facts["bench"]
    made = f"bench {bench['name']} ({bench['kind']})"
    if facts["seed"] is not None:
        made += f", seed {facts['seed']}"
    if bench["memory"] is not None:
        made += f", array kept in {bench['memory']}"
    elif bench["kind"] == "sim":
        made += ", a fresh array (--array FILE keeps one)"
    return [made, f"{what}; bench time {facts['bench_time_s']:.6g} s; run {facts['run']}"]


def print_end(note: list[str], figure: Path, output: Path | None = None) -> None:
    """Print what made the numbers, and where the figure and the numbers are."""
    for line in note:
        console.print(line, markup=False)
    written = f"figure in {figure}" + (f", numbers in {output}" if output is not None else "")
    console.print(written, markup=False)


def print_matrix(title: str, values: Array) -> None:
    """Print a matrix with up to three digits for most values; of a large one only its range."""
    # A few stuck cells do not take the digits from the others.
    usual = max(float(np.percentile(np.abs(values), 90)), 1e-3)
    decimals = int(np.clip(2 - np.floor(np.log10(usual)), 0, 3))
    cells = [[f"{v:.{decimals}f}" for v in row] for row in values]
    width = max(5, *(len(cell) for row in cells for cell in row)) + 1
    if 3 + width * values.shape[1] > WIDTH or len(values) > LONGEST:
        low, middle, high = np.percentile(values, [0, 50, 100])
        console.print(title.partition(":")[0])
        console.print(
            f"{values.shape[0]} x {values.shape[1]} values, too many to print (--output, --json): "
            f"{low:.4g} to {high:.4g}, median {middle:.4g}"
        )
        return
    console.print(title)
    console.print("   " + "".join(f"{bit:>{width}}" for bit in range(values.shape[1])), style="dim")
    for k, row in enumerate(cells):
        console.print(f"[dim]{k:>3}[/dim]" + "".join(f"{cell:>{width}}" for cell in row))


def report_table(report: ProgramReport) -> Table:
    """Return the figures of a programming as a table."""
    summary = report.summary()
    pulses: Any = summary["pulses_per_cell"]
    table = Table(show_header=False, title="programming", title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    band = f"±{MICRO * report.tolerance:g} µS"
    table.add_row("cells", str(summary["cells"]))
    table.add_row(f"in {band} at the last verify", f"{100 * report.success_at_verify:.1f} %")
    table.add_row(f"in {band} when all were done", f"{100 * report.success_at_end:.1f} %")
    table.add_row(
        f"in {band} after {report.reread_delay:g} s", f"{100 * report.success_on_reread:.1f} %"
    )
    table.add_row(
        "pulses per cell",
        f"mean {pulses['mean']:.1f}, median {pulses['median']:.0f}, p95 {pulses['p95']:.0f}",
    )
    for name, status in LEFT_AS.items():
        table.add_row(name, named_cells(list(report.left_as(status))))
    table.add_row("clipped reads", str(summary["clipped_reads"]))
    table.add_row("bench time", f"{report.seconds:.3g} s")
    return table


def named_cells(cells: list[tuple[int, int]]) -> str:
    """Return the cells' names, or of many how many there are and the first of them."""
    if not cells:
        return "none"
    names = ", ".join(f"({word}, {bit})" for word, bit in cells[:NAMED])
    return f"{names} and {len(cells) - NAMED} more" if len(cells) > NAMED else names
