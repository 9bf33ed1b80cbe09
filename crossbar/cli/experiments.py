"""One command per experiment, its options taken from the fields of its settings."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from inspect import Parameter, Signature
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, get_type_hints

import typer

from crossbar.backend import DataError
from crossbar.cli.options import (
    STORE,
    ArrayOption,
    BenchOption,
    CsvFolder,
    FigurePath,
    GuiOption,
    JsonOption,
    ResumeOption,
    SeedOption,
    StoreOption,
)
from crossbar.cli.run_experiment import run_experiment
from crossbar.experiments import EXPERIMENTS, Experiment


def _iv_window(settings: Any, bench: str, seed: int | None, store: Path) -> None:
    # PyMeasure and Qt take seconds to import; only who asks for a window waits for them.
    from crossbar.cli.iv_window import open_window

    open_window(settings, bench, seed, store)


WINDOWS: Mapping[str, Callable[[Any, str, int | None, Path], None]] = MappingProxyType(
    {"iv": _iv_window}
)
"""Experiments that can be run in a window: ``window(settings, bench, seed, store)``."""


def add_to(app: typer.Typer) -> None:
    """Add every experiment of `EXPERIMENTS` to the command line."""
    for name, experiment in EXPERIMENTS.items():
        app.command(name, help=experiment.help)(command(name, experiment))


def command(name: str, experiment: Experiment) -> Callable[..., None]:
    """Return the command of an experiment: its settings as options, and the shared ones."""
    hints = get_type_hints(experiment.settings)
    own = [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=Annotated[
                hints[field.name], typer.Option(help=field.metadata["help"], show_default=True)
            ],
        )
        for field in fields(experiment.settings)
    ]
    on_bench = (("bench", BenchOption, "sim"),) if experiment.bench else ()
    shared = [
        Parameter(key, Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for key, kind, default in (
            *on_bench,
            ("seed", SeedOption, None),
            ("store", StoreOption, STORE),
            ("figure", FigurePath, Path(f"{name}.png")),
            *_options(name, experiment),
            ("as_json", JsonOption, False),
        )
    ]

    def run(**given: Any) -> None:
        chosen = {field.name: given.pop(field.name) for field in fields(experiment.settings)}
        settings = experiment.settings(**chosen)
        if not given.pop("gui", False):
            run_experiment(name, experiment, settings, **given)
            return
        if given["resume"] is not None:
            raise DataError("--gui begins anew: 'xbar resume' goes on with a run of the window too")
        WINDOWS[name](settings, given["bench"], given["seed"], given["store"])

    # Typer reads a function's signature; this one is written by the settings.
    run.__signature__ = Signature([*own, *shared])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in [*own, *shared]}
    return run


def _options(name: str, experiment: Experiment) -> list[tuple[str, Any, Any]]:
    """Return name, annotation and default of the options that only some experiments have."""
    found: list[tuple[str, Any, Any]] = []
    if experiment.bench and name != "moons":  # which programs every cell anew
        found.append(("array", ArrayOption, None))
    if experiment.resumable:
        found.append(("resume", ResumeOption, None))
    if experiment.write_csv is not None:
        found.append(("csv", CsvFolder, None))
    if name in WINDOWS:
        found.append(("gui", GuiOption, False))
    return found
