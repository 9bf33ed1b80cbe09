"""`xbar info`: what is installed, from where, and which benches there are."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from crossbar.backend import BenchError
from crossbar.cli.options import JsonOption
from crossbar.cli.output import console, print_json
from crossbar.provenance import import_locations, provenance


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("info")(info)


def info(
    bench: Annotated[
        str | None, typer.Option("--bench", "-b", help="Print this bench's TOML, as a start.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show versions, where each package was imported from, and the benches found."""
    from crossbar.bench import load

    if bench is not None:
        description = load(bench)
        if as_json:
            print_json(
                {
                    "name": description.name,
                    "kind": description.kind,
                    "memory": None if description.memory is None else str(description.memory),
                    "toml": description.text,
                }
            )
        else:
            typer.echo(description.text, nl=False)
        return
    facts = gather(Path())
    if as_json:
        print_json(facts)
        return
    table = Table(show_header=False, title="crossbar-hil", title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for section in ("versions", "packages", "benches"):
        for name, value in facts[section].items():
            table.add_row(name, str(value))
        table.add_section()
    console.print(table)
    for warning in facts["warnings"]:
        console.print(f"warning: {warning}")


def gather(folder: Path) -> dict[str, Any]:
    """Return versions, package locations and benches, those in a folder's TOML files included."""
    from crossbar.bench import BENCHES, load

    made = provenance()
    versions = dict(made["versions"]) if isinstance(made["versions"], dict) else {}
    benches: dict[str, str] = dict(BENCHES)
    for path in sorted(folder.glob("*.toml")):
        if path.name == "pyproject.toml":
            continue
        try:
            found = load(str(path))
            kept = "" if found.memory is None else f", its array kept in {found.memory}"
            benches[str(path)] = f"{found.kind} bench{kept}"
        except BenchError as problem:
            # Listing is not opening: a file that is no bench is worth a line, not an exit.
            benches[str(path)] = f"not usable: {problem}"
    return {
        "versions": versions,
        "packages": {place.name: place.file for place in import_locations()},
        "benches": benches,
        "warnings": [place.warning for place in import_locations() if place.warning],
    }
