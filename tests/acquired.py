"""An experiment run to the end or to an interrupt, and what it left in the record."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from crossbar.backend import Backend
from crossbar.bench import Bench, load
from crossbar.cli import run as xbar
from crossbar.experiments import EXPERIMENTS
from crossbar.guard import Guarded
from crossbar.recorder import Recorded
from crossbar.session import session
from crossbar.store import Arrays, RunRecord, Store

BENCHES = ("sim", "virtual", "virtual-switched")
STORE = "s.sqlite"
Progress = Callable[[str, int, int], None]


def quiet(_work: str, _done: int, _total: int) -> None:
    """Take progress and do nothing with it."""


def acquire(
    folder: Path, name: str, settings: Any, bench: str = "sim", progress: Progress = quiet
) -> dict[str, Arrays]:
    """Run an experiment on a bench that is known by name, and return what is in the record."""
    with session(
        load(bench), folder / STORE, experiment=name, settings=asdict(settings), seed=3
    ) as s:
        EXPERIMENTS[name].run(settings, s.bench, s.run, s.seed, progress)
        return s.store.results(s.run.id)


def acquire_from(backend: Backend, folder: Path, name: str, settings: Any) -> dict[str, Arrays]:
    """Run an experiment on a backend whose truth the caller knows, and close it."""
    made = {"kind": "sim"}
    with (
        Store.open(folder / STORE) as store,
        store.start(experiment=name, settings=asdict(settings), bench=made) as run,
        closing(Recorded(Guarded(backend, backend.limits), run)) as recorded,
    ):
        bench = Bench("sim", "sim", recorded, load("sim").programming, 0)
        EXPERIMENTS[name].run(settings, bench, run, 0)
        return store.results(run.id)


def interrupted(
    folder: Path, name: str, settings: Any, work: str, at: int, bench: str = "sim"
) -> dict[str, Arrays]:
    """Interrupt an experiment at a step of its progress, and return what was kept.

    The run is marked as interrupted, and the last thing that the bench was asked is to close.
    """

    def impatient(now: str, done: int, _total: int) -> None:
        if now == work and done >= at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        acquire(folder, name, settings, bench, impatient)
    record, results, verbs = recorded(folder)
    assert record.status == "interrupted"
    assert verbs[-1] == "close"
    return results


def recorded(folder: Path) -> tuple[RunRecord, dict[str, Arrays], list[str]]:
    """Return the last run of the folder's store, its results and the verbs of its calls."""
    with Store.open(folder / STORE, readonly=True) as store:
        record = store.runs()[-1]
        calls = [call.verb for call in store.calls(record.id)]
        return record, store.results(record.id), calls


def drawn(folder: Path, name: str, settings: Any, results: dict[str, Arrays]) -> bytes:
    """Return the figure of a record, and see to it that its tables can be made."""
    experiment = EXPERIMENTS[name]
    record, _, _ = recorded(folder)
    summary = experiment.summarise(results)
    assert experiment.measured(results)
    assert experiment.tables(record, summary)
    path = folder / "figure.png"
    experiment.draw(record, results, summary, path)
    return path.read_bytes()


def undriven(folder: Path) -> bool:
    """Return whether the last run asked the bench for nothing but to close."""
    return recorded(folder)[2] == ["close"]


def command(text: str) -> int:
    """Run a command of `xbar` as it is typed, and return its exit code."""
    return xbar(text.split())
