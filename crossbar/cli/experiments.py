"""One command per experiment, its options taken from the fields of its settings."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from inspect import Parameter, Signature
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, get_type_hints

import typer

from crossbar.backend import CrossbarError, StoreError
from crossbar.cli import interrupt
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
from crossbar.cli.output import Bars, bars, console, print_json
from crossbar.experiments import EXPERIMENTS, Experiment
from crossbar.store import Arrays, Store


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
        run_experiment(name, experiment, experiment.settings(**chosen), **given)

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


def run_experiment(
    name: str,
    experiment: Experiment,
    settings: Any,
    *,
    seed: int | None,
    store: Path,
    figure: Path,
    as_json: bool,
    bench: str = "",
    resume: str | None = None,
    array: Path | None = None,
    csv: Path | None = None,
    gui: bool = False,
) -> None:
    """Run an experiment, record it, and show what came out.

    What finished before an interrupt is in the record, and is shown, all the same.
    """
    if gui:
        WINDOWS[name](settings, bench, seed, store)
        return
    started = time.monotonic()
    interrupted: KeyboardInterrupt | None = None
    number = 0
    try:
        with _recorded(name, experiment, settings, bench, seed, store, resume, array) as work:
            number = work.number
            with bars() as progress:
                work.run(progress)
    except CrossbarError as problem:
        if number and _measured(experiment, store, number):
            hint = f"what was finished before: xbar runs figure {number}"
            raise type(problem)(f"{problem}; {hint}") from problem
        raise
    except KeyboardInterrupt as problem:
        if not number:
            raise
        interrupt.arrived()  # what is measured is shown in peace
        interrupted = problem
    seconds = time.monotonic() - started
    show_experiment(store, number, figure, as_json, csv=csv, seconds=seconds)
    if interrupted is not None:
        if experiment.resumable and not as_json:
            console.print(f"go on with: xbar {name} --resume {number}", markup=False)
        raise interrupted


@dataclass(frozen=True, slots=True)
class _Work:
    """A run that was begun: its number, and what does it, given whom to tell of progress."""

    number: int
    run: Callable[[Bars], None]


@contextmanager
def _recorded(
    name: str,
    experiment: Experiment,
    settings: Any,
    bench: str,
    seed: int | None,
    store: Path,
    resume: str | None,
    array: Path | None,
) -> Iterator[_Work]:
    """Open what an experiment needs, and begin its run."""
    from crossbar.bench import load, remembering
    from crossbar.resumable import RESUMES, Record
    from crossbar.session import session, software_session

    description = load(bench) if experiment.bench else None
    if description is not None and array is not None:
        description = remembering(description, array)
    earlier: Mapping[str, Arrays] = {}
    kept = asdict(settings)
    if resume is not None:
        from crossbar.cli.resuming import resumed

        settings, found = resumed(name, settings, resume, store, description=description, seed=seed)
        earlier, seed = found.results, found.run.seed
        kept = {**asdict(settings), RESUMES: found.run.id}
    if description is not None and experiment.adapted is not None:
        description = experiment.adapted(settings, description)
    given: dict[str, Any] = {"experiment": name, "settings": kept, "seed": seed}
    opened: Any = (
        software_session(store, **given)
        if description is None
        else session(description, store, **given)
    )
    with opened as s:
        record = Record(s.run, earlier) if experiment.resumable else s.run
        places = (record,) if description is None else (s.bench, record)

        def run(progress: Bars) -> None:
            experiment.run(settings, *places, s.seed, progress)
            s.run.finish(summary=experiment.summarise(s.store.results(s.run.id)))

        yield _Work(s.run.id, run)


def _measured(experiment: Experiment, store: Path, number: int) -> bool:
    """Return whether a run got as far as anything to show; False if the store cannot tell."""
    try:
        with Store.open(store, readonly=True) as opened:
            return experiment.measured(opened.results(number))
    except StoreError:
        return False


def show_experiment(
    store: Path,
    number: int,
    figure: Path,
    as_json: bool,
    *,
    csv: Path | None = None,
    seconds: float | None = None,
) -> None:
    """Show a recorded run of an experiment: table or JSON, and the figure, from the record alone.

    A run that ended before anything was measured on the crossbar has neither, and that is said.

    Raises
    ------
    StoreError
        If the run is not one of an experiment.
    """
    with Store.open(store, readonly=True) as opened:
        run, results = opened.run(number), opened.results(number)
    if run.experiment not in EXPERIMENTS:
        raise StoreError(
            f"run {number} is of {run.experiment!r}, which has no figure; "
            f"{', '.join(EXPERIMENTS)} have one"
        )
    experiment = EXPERIMENTS[run.experiment]
    summary = experiment.summarise(results)
    measured = experiment.measured(results)
    if measured:
        experiment.draw(run, results, summary, figure)
    written: list[Path] = []
    if measured and csv is not None and experiment.write_csv is not None:
        written = experiment.write_csv(run, results, csv)
    if as_json:
        print_json(
            {
                "experiment": run.experiment,
                "run": run.id,
                "status": run.status,
                "store": str(store),
                "figure": str(figure) if measured else None,
                **({} if csv is None else {"csv": [str(path) for path in written]}),
                "seed": run.seed,
                "bench": run.bench,
                "settings": run.settings,
                "seconds": seconds,
                **summary,
            }
        )
        return
    if not measured:
        where = " on the crossbar" if experiment.bench else ""
        console.print(
            f"run {run.id} ({run.status}) in {store}: no {experiment.piece}{where} was finished, "
            "so there is no table and no figure",
            markup=False,
            soft_wrap=True,
        )
        return
    for part in experiment.tables(run, summary):
        console.print(part)
    files = f", {len(written)} CSV in {csv}" if written else ""
    console.print(
        f"run {run.id} ({run.status}) in {store}, figure in {figure}{files}",
        markup=False,
        soft_wrap=True,
    )
