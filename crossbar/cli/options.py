"""Options that every command shares, and where their defaults come from."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

BenchOption: TypeAlias = Annotated[
    str, typer.Option("--bench", "-b", help="Bench: sim, ideal, or a TOML file.")
]
SeedOption: TypeAlias = Annotated[
    int | None, typer.Option("--seed", help="Seed of everything random; by default the bench's.")
]
StoreOption: TypeAlias = Annotated[
    Path,
    typer.Option("--store", envvar="CROSSBAR_STORE", help="Run store to record in."),
]
JsonOption: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print data for scripts instead of tables.")
]
FigurePath: TypeAlias = Annotated[
    Path, typer.Option("--figure", "-o", help="Where the figure goes (.png, .pdf, .svg).")
]

STORE = Path("crossbar-runs.sqlite")
