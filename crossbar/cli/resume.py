"""`xbar resume`: continue an interrupted run of any kind, everything else from its record."""

from collections.abc import Iterator
from contextlib import chdir, closing, contextmanager
from pathlib import Path
from typing import Any

from crossbar.backend import DataError
from crossbar.begun import Begun, begun
from crossbar.bench import BENCHES
from crossbar.cli.interrupted import interrupted_runs, recorded_targets
from crossbar.cli.options import STORE, JsonOption, StoreOption, check_figure, check_folder
from crossbar.cli.program import FIGURE, Targets, Unit, run_program
from crossbar.cli.resuming import described, own_settings
from crossbar.cli.run_experiment import run_experiment
from crossbar.cli.runs import RunName, find_run, open_store
from crossbar.experiments import EXPERIMENTS
from crossbar.resumable import check_interrupted, waiting
from crossbar.store import RunRecord, Store

PROGRAM = "program"
NAMED = 5
"""Interrupted runs that are named, the latest ones."""
AT_ONCE = {
    "read": "run xbar read again",
    "scan": "run xbar bench scan again",
    "matmul": "run xbar matmul again; targets that take long are programmed first by xbar program, "
    "which can be continued",
}
"""Commands that keep nothing before they have ended, and what to do instead."""


def resume(run: RunName, store: StoreOption = STORE, as_json: JsonOption = False) -> None:
    """Continue an interrupted run: a program, a sweep, a study, any experiment.

    Bench, seed, settings and files are those of its record, where they were when it began. What
    was finished is not done again; a bench that was changed since is refused.
    """
    with closing(open_store(store)) as opened:
        found = find_run(opened, run)
        if run == "last" and found.status == "finished" and (others := waiting(opened)):
            raise DataError(
                f"the last run, {found.id}, is finished; interrupted were {_listed(others)}"
            )
        before = _continued(opened, found)
    here = Path.cwd()
    if here == before.folder:
        _continue(found, before, store, as_json)
        return
    with _in(before.folder, found):
        # Elsewhere than who asks: what is said of files has to be true there too.
        _continue(found, before, here / store, as_json)


def _continued(store: Store, run: RunRecord) -> Begun:
    """Return how a run was begun; raise `DataError` if it cannot be continued."""
    name = run.experiment
    if name in AT_ONCE:
        raise DataError(f"run {run.id} is a {name}, which is done in one go: {AT_ONCE[name]}")
    if name != PROGRAM and name not in EXPERIMENTS:
        raise DataError(
            f"run {run.id} is of {name!r}, which no command of xbar makes; whatever made it can go "
            "on with it by crossbar.resumable"
        )
    check_interrupted(store, run)
    before = begun(store, run)
    if before is not None:
        return before
    if not store.results(run.id) and next(store.calls(run.id), None) is None:
        raise DataError(f"run {run.id} ended before anything was recorded: begin it anew")
    raise DataError(
        f"run {run.id} does not say how it was begun, as those of earlier versions do not: give "
        f"its command again, xbar {_command(run)} --resume {run.id}, with its --bench and files"
    )


@contextmanager
def _in(folder: Path, run: RunRecord) -> Iterator[None]:
    """Be in the folder that a run was begun in."""
    if not folder.is_dir():
        raise DataError(
            f"the folder {folder}, in which run {run.id} was begun, is not there: give its command "
            f"again where its files are now, xbar {_command(run)} --resume {run.id}"
        )
    with chdir(folder):
        yield


def _listed(runs: list[int]) -> str:
    """Return the last of many numbers."""
    return ", ".join(map(str, runs[-NAMED:]))


def _command(run: RunRecord) -> str:
    return f"{PROGRAM} TARGETS" if run.experiment == PROGRAM else run.experiment


def _continue(run: RunRecord, before: Begun, store: Path, as_json: bool) -> None:
    """Continue a run from the folder that it was begun in."""
    if (
        before.bench is not None
        and before.bench not in BENCHES
        and not Path(before.bench).is_file()
    ):
        raise DataError(f"run {run.id} was on the bench in {before.bench}, which is not there")

    def file(option: str) -> Path | None:
        if option not in before.files:
            return None
        path = Path(before.files[option])
        # As it was said, to somebody who is where it was said.
        near = not store.is_absolute() and path.is_relative_to(before.folder)
        return path.relative_to(before.folder) if near else path

    figure = check_figure(file("figure"))
    shared: dict[str, Any] = {"seed": run.seed, "store": store, "as_json": as_json}
    if run.experiment == PROGRAM:
        _program(run, before, figure=figure or FIGURE, **shared)
        return
    experiment = EXPERIMENTS[run.experiment]
    run_experiment(
        *(run.experiment, experiment),
        experiment.settings(**own_settings(experiment.settings, run)),
        **shared,
        figure=figure or before.folder / f"{run.experiment}.png",
        csv=check_folder(file("csv")),
        bench=before.bench or "",
        array=before.memory,
        resume=str(run.id),
    )


def _program(run: RunRecord, before: Begun, *, store: Path, **shared: Any) -> None:
    """Continue a program; its targets are those of the record, if it got as far as that."""
    path, unit = Path(str(run.settings["targets"])), Unit(str(run.settings["unit"]))
    with closing(open_store(store)) as opened:
        wanted = recorded_targets(opened, run)
    targets = Targets.read(path, unit) if wanted is None else Targets(wanted, path, unit)
    description = described(before.bench or "", before.memory)
    runs = interrupted_runs(store, str(run.id), targets.wanted, description)
    run_program(targets, description, runs, store=store, **shared)
