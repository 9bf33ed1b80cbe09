"""`xbar runs`: list, show, redraw and export what the run store holds."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from crossbar.backend import StoreError
from crossbar.cli.options import STORE, FigurePathOrNone, JsonOption, StoreOption
from crossbar.cli.output import console, print_json
from crossbar.cli.run_facts import bench_text, facts_table, run_facts, took, wall
from crossbar.cli.show_experiment import show_experiment
from crossbar.export import export_csv, export_h5
from crossbar.store import RunRecord, Store

app = typer.Typer(help="List, show, draw and export runs.", no_args_is_help=True)

RunName = Annotated[str, typer.Argument(metavar="RUN", help="Number of a run, or 'last'.")]


class Format(StrEnum):
    """File formats of an export."""

    CSV = "csv"
    H5 = "h5"


@app.command("list")
def list_command(store: StoreOption = STORE, as_json: JsonOption = False) -> None:
    """List the runs, the oldest first."""
    with open_store(store) as opened:
        runs = opened.runs()
    if as_json:
        print_json([_brief(run) for run in runs])
    else:
        console.print(run_table(runs))


@app.command("show")
def show_command(run: RunName, store: StoreOption = STORE, as_json: JsonOption = False) -> None:
    """Show what a run depended on and what it did."""
    with open_store(store) as opened:
        facts = run_facts(opened, find_run(opened, run))
    if as_json:
        print_json(facts)
    else:
        console.print(facts_table(facts))
        console.print("* assumed, not measured; --json shows everything")


@app.command("figure")
def figure_command(
    run: RunName,
    figure: FigurePathOrNone = None,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """Draw table and figure of an experiment again, from its record alone."""
    with open_store(store) as opened:
        number = find_run(opened, run).id
    path = Path(f"run-{number}.png") if figure is None else figure
    show_experiment(store, number, path, as_json)


@app.command("export")
def export_command(
    run: RunName,
    form: Annotated[Format, typer.Option("--format", help="csv: a table; h5: arrays.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", help="The file to write; if missing, run-N.csv or run-N.h5."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """Write a run to a file for other programs."""
    with open_store(store) as opened:
        number = find_run(opened, run).id
        path = output if output is not None else Path(f"run-{number}.{form}")
        write = {Format.CSV: export_csv, Format.H5: export_h5}[form]
        write(opened, number, path, overwrite=overwrite)
    if as_json:
        print_json({"run": number, "format": str(form), "path": str(path)})
    else:
        typer.echo(f"run {number} written to {path}")


def open_store(path: Path) -> Store:
    """Return the store for reading.

    Raises
    ------
    StoreError
        If there is none; listing runs must not make an empty one where somebody mistyped a path.
    """
    if not path.is_file():
        raise StoreError(f"no run store at {path}; name another with --store or CROSSBAR_STORE")
    return Store.open(path, readonly=True)


def find_run(store: Store, name: str) -> RunRecord:
    """Return the run of this number, or the last one.

    Raises
    ------
    StoreError
        If there is no such run.
    """
    if name == "last":
        runs = store.runs()
        if not runs:
            raise StoreError(f"{store.path}: there are no runs yet")
        return runs[-1]
    if not name.isdecimal():
        raise StoreError(f"a run is a number or 'last', not {name!r}")
    return store.run(int(name))


def run_table(runs: list[RunRecord]) -> Table:
    """Return a table of runs that fits 80 columns."""
    table = Table()
    for title in ("run", "experiment", "bench", "seed", "started (UTC)", "took", "status"):
        right = title in ("run", "took")
        table.add_column(title, overflow="fold", justify="right" if right else "left")
    for run in runs:
        cells = (
            *(str(run.id), run.experiment, bench_text(run.bench_kind, run.bench_name)),
            *("-" if run.seed is None else str(run.seed), wall(run.started)),
            *(took(run.started, run.ended), run.status),
        )
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _brief(run: RunRecord) -> dict[str, object]:
    names = ("id", "experiment", "started", "ended", "status", "bench_kind", "bench_name", "seed")
    return {name: getattr(run, name) for name in names}
