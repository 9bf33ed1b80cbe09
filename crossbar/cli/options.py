"""Options that every command shares, and where their defaults come from."""

import os
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from crossbar.backend import DataError

FIGURES = (".png", ".pdf", ".svg")
"""Endings of the file formats that figures are drawn in."""


def check_figure(path: Path | None) -> Path | None:
    """Return the path of a figure that can be written, before bench time is spent on it.

    Raises
    ------
    DataError
        If the ending is not one of `FIGURES`, or there is no folder to write it to.
    """
    if path is None:
        return None
    if path.suffix.lower() not in FIGURES:
        ending = repr(path.suffix) if path.suffix else "nothing"
        raise DataError(f"figure {path} ends in {ending}; {', '.join(FIGURES)} can be drawn")
    if not path.parent.is_dir():
        raise DataError(f"figure {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise DataError(f"figure {path} is a folder")
    if not os.access(path.parent, os.W_OK):
        raise DataError(f"figure {path}: the folder {path.parent} may not be written to")
    return path


def check_folder(path: Path | None) -> Path | None:
    """Return a folder that files can be written to, made if it does not exist.

    Raises
    ------
    DataError
        If it is a file, or cannot be made or written to.
    """
    if path is None:
        return None
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise DataError(f"folder {path} cannot be made: {problem}") from problem
    if not os.access(path, os.W_OK):
        raise DataError(f"folder {path} may not be written to")
    return path


BenchOption: TypeAlias = Annotated[
    str, typer.Option("--bench", "-b", help="Bench: sim, ideal, virtual, or a TOML file.")
]
SeedOption: TypeAlias = Annotated[
    int | None,
    typer.Option("--seed", min=0, help="Seed of everything random; by default the bench's."),
]
StoreOption: TypeAlias = Annotated[
    Path,
    typer.Option("--store", envvar="CROSSBAR_STORE", help="The run store, an SQLite file."),
]
JsonOption: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print data for scripts instead of tables.")
]
FigurePath: TypeAlias = Annotated[
    Path,
    typer.Option(
        "--figure",
        "-o",
        help="Where the figure goes (.png, .pdf, .svg).",
        callback=check_figure,
    ),
]
FigurePathOrNone: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--figure",
        "-o",
        help="Where the figure goes (.png, .pdf, .svg); if missing, run-N.png.",
        callback=check_figure,
    ),
]
ArrayOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--array",
        help="Keep the simulated array in this file, from command to command; "
        "without it each starts on a fresh one.",
    ),
]
CsvFolder: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        metavar="DIR",
        help="Also write a PyMeasure CSV per cell to this folder.",
        callback=check_folder,
    ),
]
ResumeOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--resume",
        metavar="RUN",
        help="Go on with an interrupted run: its number, or 'last'. Its settings and seed are "
        "taken; what it had finished is not done again.",
    ),
]
GuiOption: TypeAlias = Annotated[
    bool, typer.Option("--gui", help="Measure in PyMeasure's window, with live curves.")
]

STORE = Path("crossbar-runs.sqlite")
