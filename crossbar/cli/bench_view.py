"""What a person sees of `xbar read`, `program` and `matmul`: tables, notes and figures."""

from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from crossbar.backend import Array
from crossbar.cli.output import console
from crossbar.programming.metrics import MultiplyError
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
    "out of reversals": Status.REVERSALS,
    "out of energy": Status.ENERGY,
}
"""What is said of cells that did not come into their band."""
SELDOM = (Status.REVERSALS, Status.ENERGY)
"""Of these nothing is said unless there are some: most benches set no such budget."""
LATE = 0.2
"""A re-read that comes later than this share of its time says when it came."""
EFFORT = (
    ("pulses", "pulses_per_cell", 1.0, ""),
    ("reversals", "reversals_per_cell", 1.0, ""),
    ("reads", "reads_per_cell", 1.0, ""),
    ("time", "seconds_per_cell", 1e3, "ms"),
    ("energy", "energy_per_cell_J", 1e9, "nJ"),
)
"""What a cell took: name, key of the summary, factor and unit of the table."""


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
    summary: Any = report.summary()
    table = Table(show_header=False, title="programming", title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    band = f"±{MICRO * report.tolerance:g} µS"
    table.add_row("cells", str(summary["cells"]))
    table.add_row(f"in {band} at the last verify", f"{100 * report.success_at_verify:.1f} %")
    table.add_row(f"in {band} when all were done", f"{100 * report.success_at_end:.1f} %")
    for read in summary["rereads"]:
        late = read["after_s"] - read["delay_s"] > LATE * max(read["delay_s"], 0.01)
        note = f", read at {read['after_s']:.2g} s" if late else ""
        note = f"{100 * read['success']:.1f} %, {_bits(read['bits'])}{note}"
        table.add_row(f"in {band} after {read['delay_s']:g} s", note)
    if report.left:
        left = ", ".join(map(str, report.left))
        table.add_row("left the band after each pass", f"{left} of {summary['cells']} cells")
    error = summary["error_on_reread"]
    if error["sd_S"] is not None:
        table.add_row(
            f"error after {report.reread_delay:g} s",
            f"median {MICRO * error['median_S']:.2g} µS, p95 {MICRO * error['p95_S']:.2g} µS, "
            f"sd {MICRO * error['sd_S']:.2g} µS ({100 * error['sd_of_range']:.2g} % of the range)",
        )
    for name, key, factor, unit in EFFORT:
        table.add_row(f"{name} per cell", _spread(summary[key], factor, unit))
    if summary["disturb"] is not None:
        for name, key in (("disturb, not pulsed", "untouched"), ("change since done", "finished")):
            table.add_row(name, _change(summary["disturb"][key]))
    if report.multiply is not None:
        table.add_row("products off, rms", _products(report.multiply))
    for name, status in LEFT_AS.items():
        if (cells := list(report.left_as(status))) or status not in SELDOM:
            table.add_row(name, named_cells(cells))
    table.add_row("clipped reads", str(summary["clipped_reads"]))
    table.add_row("bench time", f"{report.seconds:.3g} s")
    return table


def _bits(bits: float | None) -> str:
    return "no error" if bits is None else f"{bits:.1f} bits"


def _spread(values: dict[str, float | None], factor: float, unit: str) -> str:
    if values["mean"] is None:
        return "none"
    named = {name: factor * (value or 0.0) for name, value in values.items()}
    text = f"mean {named['mean']:.3g}, median {named['median']:.3g}, p95 {named['p95']:.3g}"
    return f"{text} {unit}".rstrip()


def _change(change: dict[str, Any]) -> str:
    """Return what cells suffered that were not pulsed, and what of it is only read noise."""
    if not change["cells"]:
        return "no such cell"
    noise = change["read_noise"]
    of = "" if noise is None else f" (read noise {100 * noise:.2g} %)"
    return (
        f"|dG/G| mean {100 * change['mean']:.2g} %{of}, max {100 * change['max']:.2g} %, "
        f"sum {change['cumulated']:.3g} over {change['cells']} cells"
    )


def _products(error: MultiplyError) -> str:
    """Return what products were worth before and after, each against what it should be."""
    return (
        f"{100 * error.after:.2g} % of the targets' ({100 * error.after_unstuck:.2g} % without "
        f"stuck cells); of the read cells' {100 * error.before:.2g} % before, "
        f"{100 * error.after_read:.2g} % after"
    )


def named_cells(cells: list[tuple[int, int]]) -> str:
    """Return the cells' names, or of many how many there are and the first of them."""
    if not cells:
        return "none"
    names = ", ".join(f"({word}, {bit})" for word, bit in cells[:NAMED])
    return f"{names} and {len(cells) - NAMED} more" if len(cells) > NAMED else names
