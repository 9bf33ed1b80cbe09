"""`xbar read`, `program` and `matmul`: a bench by hand, from and to CSV files.

With ``--json`` all numbers are in SI units. Those made here end in their unit; those under
``bench`` and ``programming`` carry the names of the bench file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
import typer

from crossbar.backend import Array, DataError, Flag, LimitError
from crossbar.bench import Description
from crossbar.cli.bench_view import (
    LEFT_AS,
    MICRO,
    draw,
    draw_products,
    made_by,
    print_end,
    print_matrix,
    report_table,
)
from crossbar.cli.interrupted import TARGETS, interrupted_runs, program_settings, resumed
from crossbar.cli.options import (
    STORE,
    ArrayOption,
    BenchOption,
    FigurePath,
    JsonOption,
    SeedOption,
    StoreOption,
)
from crossbar.cli.output import bars, console, print_json
from crossbar.matrices import check_output, read_matrix, write_matrix
from crossbar.programming.report import Status
from crossbar.results import ProgramReport
from crossbar.session import Session, session

FIGURE = Path("conductances.png")
PRODUCTS = Path("products.png")


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


Repeats: TypeAlias = Annotated[int, typer.Option(min=2, help="Reads that are averaged.")]
UnitOption: TypeAlias = Annotated[Unit, typer.Option(help="Unit of the targets.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("read")(read)
    app.command("program")(program)
    app.command("matmul")(matmul)


def read(
    bench: BenchOption = "sim",
    array: ArrayOption = None,
    wait: Annotated[
        float, typer.Option(min=0.0, help="Let this much bench time (s) pass before reading.")
    ] = 0.0,
    repeats: Repeats = 4,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the conductances (S) to this CSV.")
    ] = None,
    seed: SeedOption = None,
    store: StoreOption = STORE,
    figure: FigurePath = FIGURE,
    as_json: JsonOption = False,
) -> None:
    """Read the conductance of every cell."""
    check_output(output)
    with _opened("read", bench, store, seed, array, repeats=repeats, wait=wait) as s:
        s.bench.backend.wait(wait)
        found = s.bench.crossbar().read(repeats)
        s.run.result("conductances", {"value": found.value, "uncertainty": found.uncertainty})
        facts = _facts(s, figure)
    voltage = s.bench.programming.cell.read_voltage
    waited = f" after waiting {wait:g} s" if wait else ""
    note = made_by(facts, f"mean of {repeats} reads at {voltage:g} V{waited}")
    if output is not None:
        write_matrix(output, found.value, f"conductances (S), one line per word line; {note[-1]}")
    draw(figure, found.value, "Conductances", note)
    clipped = int((found.flags & Flag.CLIPPED != 0).sum())
    if as_json:
        arrays = {"conductance_S": found.value, "standard_error_S": found.uncertainty}
        made = {"read_voltage_V": voltage, "repeats": repeats, "waited_s": wait}
        print_json(facts | made | _plain(arrays) | {"clipped_cells": clipped})
        return
    print_matrix("conductance (µS): word lines down, bit lines across", found.value * MICRO)
    worst = float(found.uncertainty.max()) * MICRO
    console.print(f"standard error up to {worst:.2g} µS; {clipped} cells with clipped reads")
    print_end(note, figure, output)


def program(
    targets: Annotated[Path, typer.Argument(help="CSV, one line per word line; empty = leave.")],
    unit: UnitOption = Unit.S,
    bench: BenchOption = "sim",
    array: ArrayOption = None,
    seed: SeedOption = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Go on with this run (number, or 'last'), which was interrupted."
        ),
    ] = None,
    store: StoreOption = STORE,
    figure: FigurePath = FIGURE,
    as_json: JsonOption = False,
) -> None:
    """Bring cells to the conductances in TARGETS.csv by write-verify.

    With --resume, no pulse that the interrupted run applied is applied again, and what it counted
    and measured is in the report.
    """
    wanted = _targets(targets, unit)
    description = _described(bench, array)
    runs = [] if resume is None else interrupted_runs(store, resume, wanted, description)
    settings = program_settings(description) | {"resumes": runs[-1] if runs else None}
    settings |= {"targets": str(targets), "unit": unit.value}
    with session(description, store, experiment="program", settings=settings, seed=seed) as s:
        s.run.result(TARGETS, {"target": wanted})
        going_on, record = resumed(s, runs)
        report = _program(going_on, wanted, targets, unit)
        facts = _facts(going_on, figure)
    if runs:
        facts["resumed"] = {
            "runs": runs,
            "calls_from_the_record": record.replayed,
            "pulses_in_doubt": record.in_doubt,
        }
    note = made_by(facts, f"read {report.reread_delay:g} s after programming")
    if runs:
        note.append(f"goes on with run {runs[-1]}: {record.replayed} calls are from the record")
    marked = {name: report.status == status for name, status in LEFT_AS.items()}
    draw(figure, report.reread, "Programmed conductances", note, marked)
    if as_json:
        meaning = {"-1": "not programmed"} | {str(s.value): s.name.lower() for s in Status}
        cells = _plain(_cells(report)) | {"status_meaning": meaning}
        print_json(facts | report.summary() | cells)
        return
    console.print(report_table(report))
    print_end(note, figure)


def matmul(
    inputs: Annotated[Path, typer.Argument(help="CSV of voltages (V), one line per input vector.")],
    targets: Annotated[
        Path | None, typer.Option(help="Program these conductances first, in the same session.")
    ] = None,
    unit: UnitOption = Unit.S,
    bench: BenchOption = "sim",
    array: ArrayOption = None,
    repeats: Repeats = 4,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the currents (A) to this CSV.")
    ] = None,
    seed: SeedOption = None,
    store: StoreOption = STORE,
    figure: FigurePath = PRODUCTS,
    as_json: JsonOption = False,
) -> None:
    """Drive the word lines with the voltages in INPUTS.csv and read the bit-line currents.

    The currents are shown beside what the conductances, read cell by cell, predict.
    """
    check_output(output)
    voltages = read_matrix(inputs)
    wanted = None if targets is None else _targets(targets, unit)
    settings = {"inputs": str(inputs), "targets": None if targets is None else str(targets)}
    with _opened("matmul", bench, store, seed, array, repeats=repeats, **settings) as s:
        _check_inputs(s, voltages, inputs)
        if wanted is not None and targets is not None:
            _program(s, wanted, targets, unit)
        arrays, clipped = _multiply(s, voltages, repeats)
        facts = _facts(s, figure)
    note = made_by(facts, f"mean of {repeats} reads")
    current, predicted = arrays["current_A"], arrays["predicted_A"]
    draw_products(figure, arrays["conductance_S"], predicted, current, note)
    if output is not None:
        write_matrix(output, current, f"bit-line currents (A), one line per input of {inputs.name}")
    rms = float(np.sqrt(np.mean((current - predicted) ** 2)))
    if as_json:
        made = {"rms_difference_A": rms, "repeats": repeats, "clipped_readings": clipped}
        print_json(facts | made | _plain(arrays))
        return
    print_matrix("bit-line currents (µA): inputs down, bit lines across", current * MICRO)
    error = float(arrays["standard_error_A"].max())
    console.print(f"rms difference from what the read conductances predict {rms * MICRO:.3g} µA")
    console.print(f"standard error up to {error * MICRO:.2g} µA; {clipped} clipped readings")
    print_end(note, figure, output)


@contextmanager
def _opened(
    command: str, bench: str, store: Path, seed: int | None, array: Path | None, **settings: object
) -> Iterator[Session]:
    description = _described(bench, array)
    with session(description, store, experiment=command, settings=settings, seed=seed) as s:
        yield s


def _described(bench: str, array: Path | None) -> Description:
    from crossbar.bench import load, remembering

    return load(bench) if array is None else remembering(load(bench), array)


def _check_inputs(s: Session, voltages: Array, inputs: Path) -> None:
    """Raise an error for inputs that do not suit the bench, before anything is driven."""
    lines, limit = s.bench.backend.shape[0], s.bench.backend.limits.read_voltage
    if voltages.shape[1] != lines:
        raise DataError(
            f"{inputs}: {voltages.shape[1]} columns; this array has {lines} word lines, "
            "one column each"
        )
    if (outside := np.argwhere(np.abs(voltages) > limit)).size:
        line, word = outside[0]
        raise LimitError(
            f"{inputs}, input {line}, word line {word}: {voltages[line, word]:g} V is outside "
            f"±{limit:g} V ({len(outside)} of {voltages.size} voltages are)"
        )


def _targets(path: Path, unit: Unit) -> Array:
    """Return target conductances from a file, S."""
    wanted = read_matrix(path, empty_allowed=True) * unit.siemens
    if np.all(np.isnan(wanted)):
        raise DataError(f"{path}: every field is empty; there is nothing to program")
    return wanted


def _program(s: Session, wanted: Array, path: Path, unit: Unit) -> ProgramReport:
    try:
        with bars() as progress:
            report = s.bench.crossbar().program_conductances(
                wanted, progress=lambda done, of: progress("cells", done, of)
            )
    except DataError as problem:
        raise DataError(f"{path}, read as {unit.value} (--unit): {problem}") from problem
    s.run.result("program", _cells(report))
    s.run.finish(summary=report.summary())
    return report


def _multiply(s: Session, voltages: Array, repeats: int) -> tuple[dict[str, Array], int]:
    """Return what was driven, read and predicted, and how many readings were clipped."""
    crossbar = s.bench.crossbar()
    first = crossbar.read(repeats)
    conductance = first.value
    readings = [s.bench.backend.drive(voltages) for _ in range(repeats)]
    measured = np.array([r.current - crossbar.offset for r in readings])
    current, error = measured.mean(axis=0), measured.std(axis=0, ddof=1) / np.sqrt(repeats)
    s.run.result("currents", {"current": current, "standard_error": error, "V": voltages})
    arrays = {
        "voltage_V": voltages,
        "current_A": current,
        "standard_error_A": error,
        "predicted_A": voltages @ conductance,
        "conductance_S": conductance,
    }
    clipped = int(np.sum([r.clipped for r in readings]))
    return arrays, clipped + int((first.flags & Flag.CLIPPED != 0).sum())


def _cells(report: ProgramReport) -> dict[str, Any]:
    return {
        "target_S": report.target,
        "verified_S": report.verified,
        "reread_S": report.reread,
        "status": report.status,
        "pulses": report.pulses,
    }


def _plain(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: values.tolist() for name, values in arrays.items()}


def _facts(s: Session, figure: Path) -> dict[str, Any]:
    """Return what made the numbers, for ``--json`` and for the notes."""
    return {
        "run": s.run.id,
        "store": str(s.store.path),
        "figure": str(figure),
        "seed": s.bench.seed,
        "bench_time_s": s.bench.backend.now,
        "bench": s.bench.describe(),
        "programming": asdict(s.bench.programming),
    }
