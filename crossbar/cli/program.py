"""`xbar program`: cells brought to conductances by write-verify, gone on with if interrupted.

With ``--json`` all numbers are in SI units, as in `crossbar.cli.bench_work`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
import typer

from crossbar.backend import Array, DataError
from crossbar.begun import keeps_array
from crossbar.bench import Description
from crossbar.cli.bench_view import LEFT_AS, draw, made_by, print_end, report_table
from crossbar.cli.interrupted import (
    TARGETS,
    answered_first,
    interrupted_runs,
    program_settings,
    replayed,
)
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
from crossbar.cli.resuming import PASSING, cannot, continue_with, described
from crossbar.matrices import read_matrix
from crossbar.programming.report import Status
from crossbar.results import ProgramReport
from crossbar.session import Session, session

FIGURE = Path("conductances.png")


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


UnitOption: TypeAlias = Annotated[Unit, typer.Option(help="Unit of the targets.")]


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What is to be programmed.

    Parameters
    ----------
    wanted
        S, array shape, NaN where a cell is left alone.
    path, unit
        The file that they are from.
    """

    wanted: Array
    path: Path
    unit: Unit

    @classmethod
    def read(cls, path: Path, unit: Unit) -> "Targets":
        """Return the targets in a file.

        Raises
        ------
        DataError
            If it cannot be read, or is empty.
        """
        wanted = read_matrix(path, empty_allowed=True) * unit.siemens
        if np.all(np.isnan(wanted)):
            raise DataError(f"{path}: every field is empty; there is nothing to program")
        return cls(wanted, path, unit)


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

    If it is interrupted, xbar resume goes on with it: no pulse that was applied is applied again,
    and what was counted and measured is in the report.
    """
    given = Targets.read(targets, unit)
    description = described(bench, array)
    runs = [] if resume is None else interrupted_runs(store, resume, given.wanted, description)
    run_program(given, description, runs, seed=seed, store=store, figure=figure, as_json=as_json)


def run_program(
    targets: Targets,
    description: Description,
    runs: Sequence[int] = (),
    *,
    seed: int | None,
    store: Path,
    figure: Path,
    as_json: bool,
) -> None:
    """Program, record it, and show what came out.

    Parameters
    ----------
    targets
        What to program.
    description
        The bench.
    runs
        Interrupted ones that this goes on with, the first one first.
    seed, store, figure, as_json
        As the command takes them.
    """
    number = 0
    settings = program_settings(description) | {"resumes": runs[-1] if runs else None}
    settings |= {"targets": str(targets.path), "unit": targets.unit.value}
    given: dict[str, Any] = {"experiment": "program", "settings": settings, "seed": seed}
    try:
        with session(description, store, **given, files={"figure": figure}, after=runs) as s:
            number = s.run.id
            s.run.result(TARGETS, {"target": targets.wanted})
            going_on, record = answered_first(s, runs)
            report = programmed(going_on, targets)
            facts = facts_of(going_on, figure)
            if runs:
                facts["resumed"] = {"runs": list(runs), **replayed(record)}
    except PASSING as problem:
        if not number or not keeps_array(description):
            raise
        raise type(problem)(f"{problem}; {continue_with(store, number)}") from problem
    except KeyboardInterrupt as problem:
        if number:
            kept = keeps_array(description)
            problem.add_note(continue_with(store, number) if kept else cannot(description))
        raise
    show_program(report, facts, figure, as_json)


def show_program(report: ProgramReport, facts: dict[str, Any], figure: Path, as_json: bool) -> None:
    """Show what became of the cells: table or JSON, and the figure."""
    note = made_by(facts, f"read {report.reread_delay:g} s after programming")
    if resumed := facts.get("resumed"):
        doubt = resumed["pulses_in_doubt"]
        note.append(
            f"goes on with run {resumed['runs'][-1]}: {resumed['calls_from_the_record']} calls "
            f"are from the record{f', {doubt} in doubt, which counts' if doubt else ''}"
        )
    marked = {name: report.status == status for name, status in LEFT_AS.items()}
    draw(figure, report.reread, "Programmed conductances", note, marked)
    if as_json:
        meaning = {"-1": "not programmed"} | {str(s.value): s.name.lower() for s in Status}
        cells = plain_lists(_cells(report)) | {"status_meaning": meaning}
        print_json(facts | report.summary() | cells)
        return
    console.print(report_table(report))
    print_end(note, figure)


def programmed(s: Session, targets: Targets) -> ProgramReport:
    """Program cells in a session, and record what became of them.

    Raises
    ------
    DataError
        If the bench cannot be programmed so; it names the file.
    """
    try:
        with bars() as progress:
            report = s.bench.crossbar().program_conductances(
                targets.wanted, progress=lambda done, of: progress("cells", done, of)
            )
    except DataError as problem:
        raise DataError(
            f"{targets.path}, read as {targets.unit.value} (--unit): {problem}"
        ) from problem
    s.run.result("program", _cells(report))
    s.run.finish(summary=report.summary())
    return report


def _cells(report: ProgramReport) -> dict[str, Any]:
    return {
        "target_S": report.target,
        "verified_S": report.verified,
        "reread_S": report.reread,
        "status": report.status,
        "pulses": report.pulses,
    }


def plain_lists(arrays: dict[str, Any]) -> dict[str, Any]:
    """Return arrays as lists, for ``--json``."""
    return {name: values.tolist() for name, values in arrays.items()}


def facts_of(s: Session, figure: Path) -> dict[str, Any]:
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
