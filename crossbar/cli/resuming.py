"""Going on with an interrupted experiment: what has to be the same, and what is taken over."""

import os
import shlex
from contextlib import closing
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from crossbar.backend import ClusterError, DataError, InstrumentError, StoreError
from crossbar.begun import Begun, begun, check_bench, keeps_array
from crossbar.bench import Description
from crossbar.cli.options import STORE
from crossbar.cli.runs import find_run, open_store
from crossbar.experiments import Experiment
from crossbar.resumable import RESUMES, WHERE, Interrupted, interrupted
from crossbar.store import RunRecord, Store

PASSING = (InstrumentError, ClusterError, StoreError)
"""Errors of what a run depends on: when that is there again, the run can go on."""

KEEPS = {"sim": "--array FILE", "virtual": 'a line host = "bench.sock" in its file'}
"""What keeps the array of a bench that would have a fresh one each time, by kind."""


def resumed(
    experiment: str, settings: Any, name: str, store: Path, *, seed: int | None
) -> tuple[Any, Interrupted]:
    """Return the settings of an interrupted experiment, and what it had finished.

    Parameters
    ----------
    experiment
        Its name.
    settings
        As given on the command line: an option that says something else than the interrupted run
        is refused, one left at its default is taken from that run. What only says where the work
        is done (`WHERE`) may differ, and is taken as given.
    name
        Number of the run, or ``last``.
    store
        The run store.
    seed
        As given; None for that of the interrupted run.

    Raises
    ------
    StoreError
        If there is no such run.
    DataError
        If it cannot be gone on with, or was another experiment than is asked for now.
    """
    with closing(open_store(store)) as opened:
        found = interrupted(opened, find_run(opened, name), experiment)
    run = found.run
    kind = type(settings)
    own = own_settings(kind, run)
    defaults, taken = asdict(kind()), dict(own)
    where = {field.name for field in fields(kind) if field.metadata.get(WHERE)}
    for key, given in asdict(settings).items():
        before = own[key]
        if key in where:
            taken[key] = given
        elif given not in (defaults[key], before):
            option = key.replace("_", "-")
            raise DataError(
                f"run {run.id} has --{option} {before}, not {given}; --resume goes on with its "
                "settings"
            )
    if seed is not None and seed != run.seed:
        raise DataError(f"run {run.id} has seed {run.seed}, not {seed}")
    return kind(**taken), found


def own_settings(kind: type[Any], run: RunRecord) -> dict[str, Any]:
    """Return the settings of a run's experiment, by name.

    Raises
    ------
    DataError
        If they are not those that this version knows.
    """
    found = {name: value for name, value in run.settings.items() if name != RESUMES}
    if unknown := sorted(set(found) ^ {field.name for field in fields(kind)}):
        raise DataError(f"run {run.id} is of another version: {', '.join(unknown)} differ")
    return found


def described(bench: str, array: Path | None) -> Description:
    """Return a bench, with its array kept in a file if one is given."""
    from crossbar.bench import load, remembering

    return load(bench) if array is None else remembering(load(bench), array)


def check_here(store: Path, found: Interrupted, description: Description) -> None:
    """Raise `DataError` unless a run can be gone on with on this bench.

    Parameters
    ----------
    store
        The run store.
    found
        What is to be gone on with.
    description
        The bench as its settings want it.
    """
    run = found.run
    if (run.bench_kind, run.bench_name) != (description.kind, description.name):
        raise DataError(
            f"run {run.id} was on bench {run.bench_kind} {run.bench_name}, not on "
            f"{description.kind} {description.name}: name its own with --bench"
        )
    with closing(open_store(store)) as opened:
        before = begun(opened, run)
        if before is not None:
            check_bench(run, before, description)
        check_memory(opened, found.chain, before, description)


def check_memory(
    store: Store, runs: tuple[RunRecord, ...], before: Begun | None, description: Description
) -> None:
    """Raise `DataError` unless a simulated array is in the file that it was in, if it was in one.

    Parameters
    ----------
    store, runs
        What is gone on with, the first run first.
    before
        How the last of them was begun; None if an earlier version began it.
    description
        The bench.
    """
    run, told = runs[-1], runs[-1].bench.get("memory")
    # As it was said then: a folder may be moved as a whole, and its array with it.
    there = set() if told is None else {Path(str(told)).absolute()}
    if before is not None and before.memory is not None:
        there.add(before.memory)
    here = None if description.memory is None else description.memory.absolute()
    if here is None:
        if not there:
            return
        raise DataError(
            f"bench {description.name} has a fresh array each time, and run {run.id} was on the "
            f"one in {told} (--array {told})"
        )
    if here not in there:
        was = f"the array in {told}" if there else "a fresh array"
        raise DataError(f"run {run.id} was on {was}, not on the one in {description.memory}")
    if here.exists():
        return
    if any(call.answered is not None for link in runs for call in store.calls(link.id)):
        raise DataError(
            f"{here} is not there any more, and with it the array that run {run.id} was on; "
            "begin anew"
        )


def check_array(name: str, experiment: Experiment, run: RunRecord, bench: Description) -> None:
    """Raise `DataError` for an experiment that needs the very array that is gone."""
    if experiment.same_array and not keeps_array(bench):
        raise DataError(gone(name, run, bench))


def gone(name: str, run: RunRecord, bench: Description) -> str:
    """Return why a run cannot be gone on with whose array was a fresh one."""
    return (
        f"bench {bench.name} has a fresh array each time; what run {run.id} did to another is "
        f"gone: begin xbar {name} anew ({KEEPS[bench.kind]} keeps one)"
    )


def cannot(bench: Description) -> str:
    """Return the line that says of an interrupted run that there is nothing to go on with."""
    return f"it cannot be continued: its array was a fresh one ({KEEPS[bench.kind]} keeps one)"


def continue_with(store: Path, number: int) -> str:
    """Return the line that says how a run is continued."""
    usual = Path(os.environ.get("CROSSBAR_STORE", STORE))
    option = "" if store == usual else f" --store {shlex.quote(str(store))}"
    return f"continue with: xbar resume {number}{option}"
