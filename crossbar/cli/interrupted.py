"""A program that was interrupted: what has to be the same for it to be gone on with."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from crossbar.backend import Array, DataError
from crossbar.begun import begun, check_bench, difference, keeps_array
from crossbar.bench import Description
from crossbar.blob import plain_json
from crossbar.cli.resuming import check_memory, gone
from crossbar.cli.runs import find_run, open_store
from crossbar.programming.resume import Resumed
from crossbar.resumable import chain, check_interrupted
from crossbar.session import Session
from crossbar.store import RunRecord, Store

TARGETS = "targets"
"""The result that a program records before it begins."""


def program_settings(description: Description) -> dict[str, object]:
    """Return what a program depends on besides its targets, as the record keeps it."""
    plain: dict[str, object] = json.loads(plain_json(asdict(description.programming)))
    return {"programming": plain}


def recorded_targets(store: Store, run: RunRecord) -> Array | None:
    """Return the targets of an interrupted program, S; None if it ended before they were kept."""
    for link in reversed(chain(store, run)):
        if (kept := store.results(link.id).get(TARGETS)) is not None:
            return np.array(kept["target"])
    return None


def interrupted_runs(path: Path, name: str, wanted: Array, description: Description) -> list[int]:
    """Return the runs that together are an interrupted program, the first one first.

    Parameters
    ----------
    path
        The run store.
    name
        The last of them: a number, or ``last``.
    wanted
        Targets of the program that is to go on, S, NaN where a cell is left alone.
    description
        The bench that it is to go on on.

    Raises
    ------
    StoreError
        If there is no such run.
    DataError
        If it is no interrupted program, another one, or its array is not there any more.
    """
    with closing(open_store(path)) as store:
        run = find_run(store, name)
        if run.experiment != "program":
            raise DataError(f"run {run.id} is of {run.experiment!r}, and no program")
        runs = chain(store, run)
        check_interrupted(store, run)
        _check_array(store, runs, description)
        _check_same(store, run, wanted, description)
    return [record.id for record in runs]


def answered_first(session: Session, runs: Sequence[int]) -> tuple[Session, Resumed]:
    """Return the session with a bench that answers from these runs first, and that bench."""
    calls = ((run, session.store.calls(run)) for run in runs)
    backend = Resumed(session.bench.backend, calls)
    return replace(session, bench=replace(session.bench, backend=backend)), backend


def replayed(record: Resumed) -> Mapping[str, object]:
    """Return how much a bench has answered from the record, as plain values."""
    return {"calls_from_the_record": record.replayed, "pulses_in_doubt": record.in_doubt}


def _check_array(store: Store, runs: list[RunRecord], description: Description) -> None:
    """Raise an error if the bench does not have the array that the run left."""
    run = runs[-1]
    if run.bench_kind != description.kind:
        raise DataError(
            f"run {run.id} was on a bench of kind {run.bench_kind!r}, which has another array than "
            f"bench {description.name} of kind {description.kind!r}"
        )
    if not keeps_array(description):
        raise DataError(gone("program", run, description))
    check_memory(store, tuple(runs), begun(store, run), description)


def _check_same(store: Store, run: RunRecord, wanted: Array, description: Description) -> None:
    there = recorded_targets(store, run)
    if there is not None:
        if there.shape != wanted.shape:
            raise DataError(f"run {run.id} had targets of shape {there.shape}, not {wanted.shape}")
        differ = ~np.isclose(there, wanted, rtol=1e-9, atol=0, equal_nan=True)
        if differ.any():
            raise DataError(f"run {run.id} had other targets for {int(differ.sum())} of the cells")
    if (before := begun(store, run)) is not None:
        check_bench(run, before, description)
    here = program_settings(description)["programming"]
    if found := difference(run.settings.get("programming"), here):
        raise DataError(
            f"run {run.id} had another programming.{found[0]} than bench {description.name} has"
        )
