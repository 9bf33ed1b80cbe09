"""``--resume``: what has to be the same for an interrupted experiment to be gone on with."""

from contextlib import closing
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from crossbar.backend import DataError
from crossbar.bench import Description
from crossbar.cli.runs import find_run, open_store
from crossbar.resumable import WHERE, Interrupted, interrupted


def resumed(
    experiment: str,
    settings: Any,
    name: str,
    store: Path,
    *,
    description: Description | None,
    seed: int | None,
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
    description
        The bench to go on on; None if the experiment needs none.
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
    unknown = sorted(set(found.settings) ^ {field.name for field in fields(kind)})
    if unknown:
        raise DataError(f"run {run.id} is of another version: {', '.join(unknown)} differ")
    defaults, taken = asdict(kind()), dict(found.settings)
    where = {field.name for field in fields(kind) if field.metadata.get(WHERE)}
    for key, given in asdict(settings).items():
        before = found.settings[key]
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
    if description is not None and (run.bench_kind, run.bench_name) != (
        description.kind,
        description.name,
    ):
        raise DataError(
            f"run {run.id} was on bench {run.bench_kind} {run.bench_name}, not on "
            f"{description.kind} {description.name}: name its own with --bench"
        )
    return kind(**taken), found
