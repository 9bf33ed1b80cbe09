"""An experiment run on its bench and recorded, begun or gone on with, and what came out shown."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from crossbar.backend import CrossbarError, StoreError
from crossbar.begun import keeps_array, time_goes_on
from crossbar.bench import Description
from crossbar.cli import interrupt
from crossbar.cli.interrupted import answered_first, replayed
from crossbar.cli.output import Bars, bars
from crossbar.cli.resuming import (
    PASSING,
    cannot,
    check_array,
    check_here,
    continue_with,
    described,
    resumed,
)
from crossbar.cli.show_experiment import show_experiment
from crossbar.experiments import Experiment
from crossbar.resumable import RESUMES, Interrupted, Record, passed
from crossbar.session import session, software_session
from crossbar.store import Run, Store


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
) -> None:
    """Run an experiment, record it, and show what came out.

    What finished before an interrupt is in the record, and is shown, all the same.
    """
    started = time.monotonic()
    interrupted: KeyboardInterrupt | None = None
    number, last = 0, ""
    try:
        plan = _plan(name, experiment, settings, bench, seed, store, resume, array)
        with _recorded(plan, {"figure": figure, "csv": csv}) as work:
            number, last = work.number, plan.last(work.number)
            with bars() as progress:
                work.run(progress)
    except CrossbarError as problem:
        hints = []
        if number and _measured(experiment, store, number):
            hints.append(f"what was finished before: xbar runs figure {number}")
        if number and isinstance(problem, PASSING):
            hints.append(last)
        if not hints:
            raise
        raise type(problem)("; ".join([str(problem), *hints])) from problem
    except KeyboardInterrupt as problem:
        if not number:
            raise
        interrupt.arrived()  # what is measured is shown in peace
        interrupted = problem
    seconds = time.monotonic() - started
    show_experiment(store, number, figure, as_json, csv=csv, seconds=seconds)
    if interrupted is not None:
        interrupted.add_note(last)
        raise interrupted


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """What is to be run: on a bench or none, after an interrupted run or none."""

    name: str
    experiment: Experiment
    settings: Any
    seed: int | None
    store: Path
    description: Description | None
    found: Interrupted | None

    @property
    def fresh(self) -> bool:
        """Whether the array is a fresh one."""
        return self.description is not None and not keeps_array(self.description)

    def last(self, number: int) -> str:
        """Return what there is to say of how the run that is begun now is continued."""
        if self.description is not None and self.experiment.same_array and self.fresh:
            return cannot(self.description)
        return continue_with(self.store, number)


def _plan(
    name: str,
    experiment: Experiment,
    settings: Any,
    bench: str,
    seed: int | None,
    store: Path,
    resume: str | None,
    array: Path | None,
) -> _Plan:
    """Return what is to be run; raise an error if it cannot be, before anything is opened."""
    description = described(bench, array) if experiment.bench else None
    if experiment.located is not None:
        settings = experiment.located(settings)
    found: Interrupted | None = None
    if resume is not None:
        settings, found = resumed(name, settings, resume, store, seed=seed)
        seed = found.run.seed
    if description is not None and experiment.adapted is not None:
        description = experiment.adapted(settings, description)
    if found is not None and description is not None:
        check_here(store, found, description)
        check_array(name, experiment, found.run, description)
    return _Plan(name, experiment, settings, seed, store, description, found)


@dataclass(frozen=True, slots=True)
class _Work:
    """A run that was begun: its number, and what does it, given whom to tell of progress."""

    number: int
    run: Callable[[Bars], None]


@contextmanager
def _recorded(plan: _Plan, files: Mapping[str, Path | None]) -> Iterator[_Work]:
    """Open what an experiment needs, and begin its run."""
    experiment, found = plan.experiment, plan.found
    after = () if found is None else tuple(link.id for link in found.chain)
    kept = asdict(plan.settings) | ({RESUMES: after[-1]} if after else {})
    given: dict[str, Any] = {"experiment": plan.name, "settings": kept, "seed": plan.seed}
    given["files"] = files

    def finished(run: Run, store: Store) -> None:
        run.finish(summary=experiment.summarise(store.results(run.id)))

    if plan.description is None:
        with software_session(plan.store, **given) as s:

            def compute(progress: Bars) -> None:
                record = _record(plan, s.run, s.store)
                experiment.run(plan.settings, record, s.seed, progress)
                finished(s.run, s.store)

            yield _Work(s.run.id, compute)
        return
    with session(plan.description, plan.store, **given, after=after) as opened:

        def measure(progress: Bars) -> None:
            again = after if experiment.replayed and not plan.fresh else ()
            on, answers = answered_first(opened, again)
            record = Record(on.run) if again else _record(plan, on.run, on.store)
            experiment.run(plan.settings, on.bench, record, on.seed, progress)
            if again:
                on.run.note(replayed(answers))
            finished(on.run, on.store)

        yield _Work(opened.run.id, measure)


def _record(plan: _Plan, run: Run, store: Store) -> Record:
    """Return the record of a run that begins, or goes on with another."""
    if (found := plan.found) is None:
        return Record(run)
    goes_on = plan.description is not None and time_goes_on(plan.description)
    runs = [link.id for link in found.chain]
    return Record(
        *(run, found.results, found.origins, found.begun, plan.fresh),
        passed=partial(passed, store, runs, goes_on),
    )


def _measured(experiment: Experiment, store: Path, number: int) -> bool:
    """Return whether a run got as far as anything to show; False if the store cannot tell."""
    try:
        with Store.open(store, readonly=True) as opened:
            return experiment.measured(opened.results(number))
    except StoreError:
        return False
