"""A program that was interrupted: what has to be the same for it to be gone on with."""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from crossbar.backend import Array, DataError
from crossbar.bench import Description
from crossbar.blob import plain_json
from crossbar.cli.runs import find_run, open_store
from crossbar.programming.resume import Resumed
from crossbar.session import Session
from crossbar.store import RunRecord, Store

TARGETS = "targets"
"""The result that a program records before it begins."""


def program_settings(description: Description) -> dict[str, object]:
    """Return what a program depends on besides its targets, as the record keeps it."""
    plain: dict[str, object] = json.loads(plain_json(asdict(description.programming)))
    return {"programming": plain}


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
        chain = _chain(store, run)
        _check_interrupted(store, run)
        _check_array(run, description)
        _check_same(store, chain[0], wanted, description)
    return [record.id for record in chain]


def resumed(session: Session, runs: list[int]) -> tuple[Session, Resumed]:
    """Return the session with a bench that answers from these runs first, and that bench."""
    calls = ((run, session.store.calls(run)) for run in runs)
    backend = Resumed(session.bench.backend, calls)
    return replace(session, bench=replace(session.bench, backend=backend)), backend


def _chain(store: Store, run: RunRecord) -> list[RunRecord]:
    """Return the run and those it went on with, the first one first."""
    chain = [run]
    while (before := chain[0].settings.get("resumes")) is not None:
        chain.insert(0, store.run(int(str(before))))
    return chain


def _check_interrupted(store: Store, run: RunRecord) -> None:
    if run.experiment != "program":
        raise DataError(f"run {run.id} is a {run.experiment}; only a program can be gone on with")
    if run.status == "finished":
        raise DataError(f"run {run.id} is finished; there is nothing to go on with")
    if run.status == "running":
        raise DataError(f"run {run.id} is still running, as process {run.pid} on {run.host}")
    later = [other.id for other in store.runs() if other.settings.get("resumes") == run.id]
    if later:
        raise DataError(f"run {run.id} was gone on with by run {later[-1]}; resume that one")


def _check_array(run: RunRecord, description: Description) -> None:
    """Raise an error if the bench does not have the array that the run left."""
    if run.bench_kind != description.kind:
        raise DataError(
            f"run {run.id} was on a bench of kind {run.bench_kind!r}, which has another array than "
            f"bench {description.name} of kind {description.kind!r}"
        )
    kept = {"sim": description.memory is not None, "virtual": "host" in description.tables}
    if not kept.get(description.kind, True):
        raise DataError(
            f"bench {description.name} has a fresh array each time; what run {run.id} did to "
            "another is gone (sim keeps one with --array FILE, virtual with a host in its file)"
        )
    memory = run.bench.get("memory")
    if description.memory is not None and not _same_file(memory, description.memory):
        raise DataError(
            f"run {run.id} was on the array in {memory}, not on the one in {description.memory}"
        )


def _same_file(memory: object, path: Path) -> bool:
    return isinstance(memory, str) and Path(memory).absolute() == path.absolute()


def _check_same(store: Store, run: RunRecord, wanted: Array, description: Description) -> None:
    targets = store.results(run.id).get(TARGETS)
    if targets is not None:
        there = targets["target"]
        if there.shape != wanted.shape:
            raise DataError(f"run {run.id} had targets of shape {there.shape}, not {wanted.shape}")
        differ = ~np.isclose(there, wanted, rtol=1e-9, atol=0, equal_nan=True)
        if differ.any():
            raise DataError(f"run {run.id} had other targets for {int(differ.sum())} of the cells")
    here = program_settings(description)["programming"]
    if name := _differing(run.settings.get("programming"), here):
        raise DataError(
            f"run {run.id} had another programming.{name} than bench {description.name} has"
        )


def _differing(there: object, here: object) -> str | None:
    """Return the dotted name of the first key in which two tables differ, or None."""
    if not isinstance(there, Mapping) or not isinstance(here, Mapping):
        return None
    for key in (*here, *(key for key in there if key not in here)):
        if there.get(key) != here.get(key):
            inner = _differing(there.get(key), here.get(key))
            return f"{key}.{inner}" if inner else str(key)
    return None
