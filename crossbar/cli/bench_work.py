"""`xbar read` and `matmul`: a bench by hand, from and to CSV files.

With ``--json`` all numbers are in SI units. Those made here end in their unit; those under
``bench`` and ``programming`` carry the names of the bench file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np
import typer

from crossbar.backend import Array, DataError, Flag, LimitError
from crossbar.cli.bench_view import MICRO, draw, draw_products, made_by, print_end, print_matrix
from crossbar.cli.options import (
    STORE,
    ArrayOption,
    BenchOption,
    FigurePath,
    JsonOption,
    SeedOption,
    StoreOption,
)
from crossbar.cli.output import console, print_json
from crossbar.cli.program import (
    FIGURE,
    Targets,
    Unit,
    UnitOption,
    facts_of,
    plain_lists,
    program,
    programmed,
)
from crossbar.cli.resuming import described
from crossbar.matrices import check_output, read_matrix, write_matrix
from crossbar.session import Session, session

PRODUCTS = Path("products.png")

Repeats: TypeAlias = Annotated[int, typer.Option(min=2, help="Reads that are averaged.")]


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
        facts = facts_of(s, figure)
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
        print_json(facts | made | plain_lists(arrays) | {"clipped_cells": clipped})
        return
    print_matrix("conductance (µS): word lines down, bit lines across", found.value * MICRO)
    worst = float(found.uncertainty.max()) * MICRO
    console.print(f"standard error up to {worst:.2g} µS; {clipped} cells with clipped reads")
    print_end(note, figure, output)


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
    wanted = None if targets is None else Targets.read(targets, unit)
    settings = {"inputs": str(inputs), "targets": None if targets is None else str(targets)}
    with _opened("matmul", bench, store, seed, array, repeats=repeats, **settings) as s:
        _check_inputs(s, voltages, inputs)
        if wanted is not None:
            programmed(s, wanted)
        arrays, clipped = _multiply(s, voltages, repeats)
        facts = facts_of(s, figure)
    note = made_by(facts, f"mean of {repeats} reads")
    current, predicted = arrays["current_A"], arrays["predicted_A"]
    draw_products(figure, arrays["conductance_S"], predicted, current, note)
    if output is not None:
        write_matrix(output, current, f"bit-line currents (A), one line per input of {inputs.name}")
    rms = float(np.sqrt(np.mean((current - predicted) ** 2)))
    if as_json:
        made = {"rms_difference_A": rms, "repeats": repeats, "clipped_readings": clipped}
        print_json(facts | made | plain_lists(arrays))
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
    description = described(bench, array)
    with session(description, store, experiment=command, settings=settings, seed=seed) as s:
        yield s


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
