"""What a recipe gave, straight from the files that its devices were measured into."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from crossbar.backend import DataError
from crossbar.campaigns.records import Telling
from crossbar.curves.reading import data_files, read_many
from crossbar.merit.device import Merit, MeritSettings
from crossbar.merit.files import merits_of

QUANTITY = "usability"
"""The only quantity that files are asked for."""


def telling_of_files(
    paths: Sequence[Path],
    settings: MeritSettings | None = None,
    note: str = "",
    progress: Callable[[str, int, int], None] = lambda work, done, total: None,
) -> Telling:
    """Return the mean usability of the devices in measured files, with its standard error.

    Of one device there is no standard error: the campaign's own noise then counts. The source
    names each file with its SHA-256, each device with its figures, and the form of the usability.

    Parameters
    ----------
    paths
        Files or folders.
    settings
        None takes the defaults.
    note
        A person's.
    progress
        Told of devices.

    Raises
    ------
    DataError
        If a file cannot be read, or a device has no usability: what is to be said of the recipe is
        then for a person to decide.
    """
    found, skipped = read_many(paths)
    merits, without = merits_of(found, settings, progress)
    for _, reason in (*skipped, *without):
        raise DataError(f"{reason}; leave it out, or tell that the recipe failed")
    for one in merits:
        if one.worth is None:
            why = f"it is {one.kind.name}, {one.kind.reason}" if one.spread else "one cycle alone"
            raise DataError(
                f"{one.device} in {one.origin.source} has no usability: {why}; leave it out, or "
                "tell that the recipe failed"
            )
    if not merits:
        raise DataError("the files hold no device")
    values = np.array([one.worth for one in merits], dtype=np.float64)
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    source = {
        "files": [{"file": str(file), "sha256": _sha256(file)} for file in _files(paths)],
        "form": merits[0].settings.form,
        "of": "the 95 % bound of the spread",
        "value": "mean over devices" if error is not None else "one device",
        "sd": "standard error of that mean" if error is not None else "not known",
        "devices": [_facts(one) for one in merits],
    }
    return Telling("told", float(values.mean()), error, source, note)


def _facts(one: Merit) -> dict[str, object]:
    return {
        "device": one.device,
        "kind": one.kind.name,
        "usability": one.worth,
        "rho": one.rho,
        "sigma": one.sigma,
        "bound": one.bound,
        "cycles": one.cycles,
    }


def _files(paths: Sequence[Path]) -> list[Path]:
    """Return every file, those of folders too; of a run in a store, the store."""
    listed: list[Path] = []
    for path in paths:
        listed += [Path(f) for f in data_files(path)] if path.is_dir() else [path]
    return [Path(str(file).partition("#")[0]) for file in listed]


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
