"""How a run was begun: what has to be known of it later, so that somebody can go on with it.

It is a note of the run, written before anything is asked of the bench. Runs of earlier versions
have none.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crossbar.backend import DataError
from crossbar.bench_file import Description
from crossbar.blob import plain_json
from crossbar.store import RunRecord, Store

BEGUN = "begun"
"""Key of the note."""
RECEIVED = "received"
"""Key of a note: what the cells had received before the run, where that outlives programs."""
ELSEWHERE = ("port", "resource", "baud", "deadline")
"""Keys of an instrument's table that say where it answers and how long it may take: it is the same
instrument."""
NOT_THE_BENCH = ("seed", "memory", "host")
"""Keys at the top of a bench file that a run keeps apart, or that its array is told by."""


@dataclass(frozen=True, slots=True)
class Begun:
    """How a run was begun.

    Parameters
    ----------
    folder
        Where; paths of its settings start from there.
    files
        What the command writes, by the name of its option.
    bench
        Name or path of its bench; None if it needs none.
    memory
        File of its simulated array; None where that is fresh, or real.
    made
        What its bench was made of, as `made_of` says it.
    """

    folder: Path
    files: Mapping[str, str]
    bench: str | None
    memory: Path | None
    made: Mapping[str, object]


def begun_note(
    description: Description | None, files: Mapping[str, Path | None]
) -> dict[str, object]:
    """Return the note of a run that begins here and now.

    Parameters
    ----------
    description
        Its bench; None if it needs none.
    files
        What the command writes, by the name of its option; None is not kept.
    """
    here = Path.cwd()
    told: dict[str, object] = {
        "folder": str(here),
        "files": {name: str(here / path) for name, path in files.items() if path is not None},
    }
    if description is not None:
        path, memory = description.path, description.memory
        told["bench"] = description.name if path is None else str(here / path)
        told["memory"] = None if memory is None else str(here / memory)
        told["made"] = made_of(description)
    return {BEGUN: told}


def begun(store: Store, run: RunRecord) -> Begun | None:
    """Return how a run was begun; None if an earlier version of this program began it.

    Raises
    ------
    DataError
        If the note is damaged.
    """
    found: Any = noted(store, run.id, BEGUN)
    if found is None:
        return None
    try:
        memory = found.get("memory")
        return Begun(
            folder=Path(found["folder"]),
            files={str(name): str(path) for name, path in found["files"].items()},
            bench=found.get("bench"),
            memory=None if memory is None else Path(memory),
            made=dict(found.get("made", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise DataError(f"run {run.id}: the note of how it was begun is damaged") from problem


def noted(store: Store, run: int, key: str) -> object:
    """Return what the first note with this key says; None without one."""
    return next((note[key] for _, note in store.notes(run) if key in note), None)


def made_of(description: Description) -> dict[str, object]:
    """Return what of a bench its numbers depend on, as the record keeps it."""
    made: dict[str, object] = {
        "kind": description.kind,
        "limits": asdict(description.limits),
        "programming": asdict(description.programming),
    }
    for name, table in description.tables.items():
        if name not in NOT_THE_BENCH:
            made[name] = _same(table)
    if description.rehearsed is not None:
        made["rehearsed"] = made_of(description.rehearsed)
    plain: dict[str, object] = json.loads(plain_json(made))
    return plain


def _same(table: object) -> object:
    if not isinstance(table, Mapping):
        return table
    return {key: value for key, value in table.items() if key not in ELSEWHERE}


def keeps_array(description: Description) -> bool:
    """Return whether the array outlives the program that has the bench open."""
    kept = {"sim": description.memory is not None, "virtual": "host" in description.tables}
    return kept.get(description.kind, True)


def time_goes_on(description: Description) -> bool:
    """Return whether cells age while no program has the bench open."""
    return description.kind == "hardware" or description.tables.get("clock") == "wall"


def difference(there: object, here: object, name: str = "") -> tuple[str, object, object] | None:
    """Return the dotted name of the first key in which two tables differ, and its two values."""
    if not isinstance(there, Mapping) or not isinstance(here, Mapping):
        # As text: a NaN is not equal to itself.
        return None if json.dumps(there) == json.dumps(here) else (name, there, here)
    for key in (*here, *(key for key in there if key not in here)):
        inner = f"{name}.{key}" if name else str(key)
        if found := difference(there.get(key), here.get(key), inner):
            return found
    return None


def check_bench(run: RunRecord, before: Begun, description: Description) -> None:
    """Raise `DataError`, saying what differs, unless a bench is still what a run was on."""
    found = difference(before.made, made_of(description))
    if found is None:
        return
    name, there, here = found
    if isinstance(there, Mapping | list) or isinstance(here, Mapping | list):
        what = f"another {name}"
    else:
        what = f"{name} = {_text(here)} where it had {_text(there)}"
    raise DataError(
        f"bench {description.name} is not what it was when run {run.id} began: it has {what}; "
        "a run is gone on with on the bench that it began on"
    )


def _text(value: object) -> str:
    return "nothing" if value is None else str(value)
