"""`xbar runs`: list, show and export what the run store holds."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from crossbar.backend import Flag, StoreError
from crossbar.export import export_csv, export_h5
from crossbar.store import RunRecord, Store

DEFAULT_STORE = Path("crossbar-runs.sqlite")
_REFUSALS = ("LimitError", "BudgetError", "ClosedError")  # nothing was driven

app = typer.Typer(help="What was measured: list, show and export runs.", no_args_is_help=True)

StorePath = Annotated[
    Path, typer.Option("--store", envvar="CROSSBAR_STORE", help="The run store to read.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="Number of a run, or 'last'.")]


class Format(StrEnum):
    """File formats of an export."""

    CSV = "csv"
    H5 = "h5"


@app.command("list")
def list_command(store: StorePath = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """List the runs, the oldest first."""
    with open_store(store) as opened:
        runs = opened.runs()
    if as_json:
        typer.echo(json.dumps([_brief(run) for run in runs]))
    else:
        Console().print(run_table(runs))


@app.command("show")
def show_command(run: RunName, store: StorePath = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Show what a run depended on and what it did."""
    with open_store(store) as opened:
        facts = run_facts(opened, find_run(opened, run))
    if as_json:
        typer.echo(json.dumps(facts))
    else:
        Console().print(facts_table(facts))


@app.command("export")
def export_command(
    run: RunName,
    form: Annotated[Format, typer.Option("--format", help="csv: a table; h5: arrays.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", help="The file to write; if missing, run-N.csv or run-N.h5."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    store: StorePath = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Write a run to a file for other programs."""
    with open_store(store) as opened:
        number = find_run(opened, run).id
        path = output if output is not None else Path(f"run-{number}.{form}")
        write = {Format.CSV: export_csv, Format.H5: export_h5}[form]
        write(opened, number, path, overwrite=overwrite)
    if as_json:
        typer.echo(json.dumps({"run": number, "format": str(form), "path": str(path)}))
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
        table.add_column(title, overflow="fold", justify="right" if title == "run" else "left")
    for run in runs:
        cells = (
            *(str(run.id), run.experiment, _bench(run), _text(run.seed)),
            *(run.started[:19].replace("T", " "), _took(run), run.status),
        )
        table.add_row(*(Text(cell) for cell in cells))
    return table


def run_facts(store: Store, run: RunRecord) -> dict[str, object]:
    """Return everything about a run but its arrays, as plain values.

    Pulses and readings are counted cell by cell. A call that failed on the bench, or that has no
    outcome because the process died, counts as applied; a refused one does not.
    """
    calls: Counter[str] = Counter()
    pulses = clipped = failed = open_ended = 0
    for call in store.calls(run.id):
        calls[call.verb] += 1
        failed += call.error is not None
        open_ended += call.ended is None
        if call.verb == "pulse" and not (call.error or "").startswith(_REFUSALS):
            pulses += call.asked["voltages"].size
        if call.answered and "flags" in call.answered:
            flags = call.answered["flags"].astype(np.uint8)
            clipped += int(np.count_nonzero(flags & Flag.CLIPPED))
    return asdict(run) | {
        "calls": dict(calls),
        "failed_calls": failed,
        "calls_without_outcome": open_ended,
        "pulses": pulses,
        "clipped_readings": clipped,
        "results": {
            name: {array: list(values.shape) for array, values in arrays.items()}
            for name, arrays in store.results(run.id).items()
        },
        "notes": len(store.notes(run.id)),
    }


def facts_table(facts: dict[str, object]) -> Table:
    """Return the facts of a run as a table that fits 80 columns."""
    table = Table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        lines = "\n".join(_lines(value)) if isinstance(value, dict) else _text(value)
        table.add_row(Text(name.replace("_", " ")), Text(lines or "-"))
    return table


def _lines(values: dict[str, object], indent: str = "") -> Iterator[str]:
    """Yield nested values line by line."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield f"{indent}{name}:"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}{name}: {_text(value)}"


def _brief(run: RunRecord) -> dict[str, object]:
    names = ("id", "experiment", "started", "ended", "status", "bench_kind", "bench_name", "seed")
    return {name: getattr(run, name) for name in names}


def _bench(run: RunRecord) -> str:
    same = run.bench_name == run.bench_kind
    return run.bench_kind if same else f"{run.bench_kind} {run.bench_name}"


def _took(run: RunRecord) -> str:
    if run.ended is None:
        return "-"
    took = datetime.fromisoformat(run.ended) - datetime.fromisoformat(run.started)
    seconds = took.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _text(value: object) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value)
