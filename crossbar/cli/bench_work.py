"""`xbar read`, `program` and `matmul`: a bench by hand, from and to CSV files."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from crossbar.backend import Array, DataError, Mask
from crossbar.cli.options import (
    STORE,
    BenchOption,
    FigurePath,
    JsonOption,
    SeedOption,
    StoreOption,
)
from crossbar.cli.output import bars, console, print_json
from crossbar.matrices import read_matrix, write_matrix
from crossbar.results import ProgramReport
from crossbar.session import Session, session

MICRO = 1e6
FIGURE = Path("conductances.png")
WIDEST = 12
"""Matrices with more bit lines than this do not fit 80 columns; the figure shows them."""


class Unit(StrEnum):
    """Units in which a person may write conductances."""

    S = "S"
    MILLI = "mS"
    MICRO = "uS"
    NANO = "nS"

    @property
    def siemens(self) -> float:
        """How many siemens one of this unit is."""
        return {"S": 1.0, "mS": 1e-3, "uS": 1e-6, "nS": 1e-9}[self.value]


Repeats = Annotated[int, typer.Option(min=2, help="Reads that are averaged.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("read")(read)
    app.command("program")(program)
    app.command("matmul")(matmul)


@contextmanager
def _opened(
    command: str, bench: str, store: Path, seed: int | None, **settings: object
) -> Iterator[Session]:
    from crossbar.bench import load

    with session(load(bench), store, experiment=command, settings=settings, seed=seed) as s:
        yield s


def read(
    bench: BenchOption = "sim",
    seed: SeedOption = None,
    repeats: Repeats = 4,
    store: StoreOption = STORE,
    figure: FigurePath = FIGURE,
    as_json: JsonOption = False,
) -> None:
    """Read the conductance of every cell."""
    with _opened("read", bench, store, seed, repeats=repeats) as s:
        found = s.bench.crossbar().read(repeats)
        s.run.result("conductances", {"value": found.value, "uncertainty": found.uncertainty})
    note = _note(s, f"mean of {repeats} reads at {s.bench.programming.cell.read_voltage:g} V")
    _draw(figure, found.value, "Conductances", note)
    if as_json:
        print_json(
            _facts(s, figure)
            | {
                "conductance_S": found.value.tolist(),
                "standard_error_S": found.uncertainty.tolist(),
                "clipped": int((found.flags != 0).sum()),
            }
        )
        return
    console.print(_matrix_table("conductance (µS)", found.value * MICRO, figure))
    worst = float(np.nanmax(found.uncertainty)) * MICRO
    console.print(f"{note}; largest standard error {worst:.3g} µS")
    console.print(f"figure in {figure}")


def program(
    targets: Annotated[Path, typer.Argument(help="CSV, one line per word line; empty = leave.")],
    unit: Annotated[Unit, typer.Option(help="Unit of the targets.")] = Unit.S,
    bench: BenchOption = "sim",
    seed: SeedOption = None,
    store: StoreOption = STORE,
    figure: FigurePath = FIGURE,
    as_json: JsonOption = False,
) -> None:
    """Bring cells to the conductances in TARGETS.csv by write-verify."""
    wanted = read_matrix(targets, empty_allowed=True) * unit.siemens
    with _opened("program", bench, store, seed, targets=str(targets), unit=unit.value) as s:
        report = _program(s, wanted)
    note = _note(s, f"read {report.reread_delay:g} s after programming; framed: stuck")
    stuck = np.isin(report.status, [2])
    _draw(figure, report.reread, "Programmed conductances", note, stuck)
    if as_json:
        print_json(_facts(s, figure) | report.summary() | _cells(report))
        return
    console.print(_report_table(report))
    console.print(note)
    console.print(f"figure in {figure}")


def matmul(
    inputs: Annotated[Path, typer.Argument(help="CSV of voltages (V), one line per input vector.")],
    targets: Annotated[
        Path | None, typer.Option(help="Program these conductances first, in the same session.")
    ] = None,
    unit: Annotated[Unit, typer.Option(help="Unit of the targets.")] = Unit.S,
    repeats: Repeats = 4,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the currents (A) to this CSV.")
    ] = None,
    bench: BenchOption = "sim",
    seed: SeedOption = None,
    store: StoreOption = STORE,
    figure: FigurePath = FIGURE,
    as_json: JsonOption = False,
) -> None:
    """Drive the word lines with the voltages in INPUTS.csv and read the bit-line currents.

    The currents are shown beside what the conductances, read cell by cell, predict.
    """
    voltages = read_matrix(inputs)
    wanted = None if targets is None else read_matrix(targets, empty_allowed=True) * unit.siemens
    settings = {"inputs": str(inputs), "targets": None if targets is None else str(targets)}
    with _opened("matmul", bench, store, seed, repeats=repeats, **settings) as s:
        if voltages.shape[1] != s.bench.backend.shape[0]:
            raise DataError(
                f"{inputs}: {voltages.shape[1]} columns; this array has "
                f"{s.bench.backend.shape[0]} word lines, one column each"
            )
        if wanted is not None:
            _program(s, wanted)
        crossbar = s.bench.crossbar()
        read_first = crossbar.read(repeats)
        readings = [s.bench.backend.drive(voltages) for _ in range(repeats)]
        measured = np.array([r.current - crossbar.offset for r in readings])
        current, error = measured.mean(axis=0), measured.std(axis=0, ddof=1) / np.sqrt(repeats)
        predicted = voltages @ read_first.value
        clipped = int(np.sum([r.clipped for r in readings]))
        s.run.result("currents", {"current": current, "standard_error": error, "V": voltages})
    note = _note(s, f"mean of {repeats} reads")
    _draw(figure, read_first.value, "Conductances", note)
    if output is not None:
        write_matrix(output, current, f"bit-line currents (A), one line per input of {inputs.name}")
    rms = np.sqrt(np.mean((current - predicted) ** 2))
    if as_json:
        print_json(
            _facts(s, figure)
            | {
                "current_A": current.tolist(),
                "standard_error_A": error.tolist(),
                "predicted_A": predicted.tolist(),
                "clipped": clipped,
            }
        )
        return
    console.print(_matrix_table("bit-line currents (µA)", current * MICRO, figure))
    console.print(
        f"against read conductances: rms difference {rms * MICRO:.3g} µA, "
        f"standard error up to {error.max() * MICRO:.3g} µA, {clipped} readings clipped"
    )
    console.print(note)
    console.print(f"figure in {figure}")


def _program(s: Session, wanted: Array) -> ProgramReport:
    with bars() as progress:
        report = s.bench.crossbar().program_conductances(
            wanted, progress=lambda done, of: progress("cells", done, of)
        )
    s.run.result(
        "program", {name: np.asarray(v) for name, v in _cells(report, plain=False).items()}
    )
    s.run.finish(summary=report.summary())
    return report


def _cells(report: ProgramReport, *, plain: bool = True) -> dict[str, Any]:
    arrays: dict[str, Any] = {
        "target_S": report.target,
        "verified_S": report.verified,
        "reread_S": report.reread,
        "status": report.status,
        "pulses": report.pulses,
    }
    return {name: a.tolist() for name, a in arrays.items()} if plain else dict(arrays)


def _draw(
    figure: Path, conductances: Array, title: str, note: str, marked: Mask | None = None
) -> None:
    from crossbar.figures.conductances import conductance_map
    from crossbar.figures.style import save

    save(conductance_map(conductances, title, note=note, marked=marked), figure)


def _facts(s: Session, figure: Path) -> dict[str, Any]:
    return {
        "run": s.run.id,
        "store": str(s.store.path),
        "figure": str(figure),
        "seed": s.bench.seed,
        "bench": s.bench.describe(),
        "programming": asdict(s.bench.programming),
    }


def _note(s: Session, what: str) -> str:
    seed = "" if s.bench.seed is None else f", seed {s.bench.seed}"
    return f"bench {s.bench.name} ({s.bench.kind}){seed}; {what}; run {s.run.id}"


def _matrix_table(title: str, values: Array, figure: Path) -> Table | str:
    """Return a small matrix as a table; a large one is only told of, the figure shows it."""
    if values.shape[1] > WIDEST:
        return (
            f"{title}: {values.shape[0]} x {values.shape[1]} values, "
            f"{np.nanmin(values):.4g} to {np.nanmax(values):.4g}; see {figure}"
        )
    table = Table(title=title, title_justify="left", padding=(0, 0, 0, 1), box=None)
    table.add_column("", justify="right", style="dim")
    for bit in range(values.shape[1]):
        table.add_column(str(bit), justify="right", header_style="dim")
    for k, row in enumerate(values):
        table.add_row(str(k), *(f"{v:.3g}" for v in row))
    return table


def _report_table(report: ProgramReport) -> Table:
    """Return the figures of a programming as a table."""
    summary = report.summary()
    pulses: Any = summary["pulses_per_cell"]
    stuck: Any = summary["stuck_cells"]
    table = Table(show_header=False, title="programming", title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    band = f"±{MICRO * report.tolerance:g} µS"
    table.add_row("cells", str(summary["cells"]))
    table.add_row(f"in {band} at the last verify", f"{100 * report.success_at_verify:.1f} %")
    table.add_row(
        f"in {band} after {report.reread_delay:g} s", f"{100 * report.success_on_reread:.1f} %"
    )
    table.add_row(
        "pulses per cell",
        f"mean {pulses['mean']:.1f}, median {pulses['median']:.0f}, p95 {pulses['p95']:.0f}",
    )
    table.add_row("stuck", ", ".join(f"({w}, {b})" for w, b in stuck) or "none")
    table.add_row("out of pulses", str(summary["out_of_budget_cells"]))
    table.add_row("clipped reads", str(summary["clipped_reads"]))
    table.add_row("bench time", f"{report.seconds:.3g} s")
    return table
