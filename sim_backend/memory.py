"""A simulated array that is kept in a file between programs, as a real one keeps its state.

The file is NumPy's ``.npz`` without pickles: the arrays of `SimulatedBackend.snapshot` and a header
that names the format, its version, and what the array was made of. Time stands still while no
program has the array open. Of a program that is killed, `followed` leaves the array as it was after
the last call that was answered (or the one that was being made), `remembered` as it was opened.
"""

import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from crossbar.backend import BenchError, DataError
from sim_backend.backend import SimulatedBackend
from sim_backend.checkpoints import Checkpointed
from sim_backend.devices.device import State
from sim_backend.lock import locked
from sim_backend.settings import SimulationSettings

FORMAT = "crossbar-hil simulated array"
VERSION = 2
HEADER = "header"
MISSING = "no such setting"


@contextmanager
def remembered(settings: SimulationSettings, path: Path) -> Iterator[SimulatedBackend]:
    """Open the simulated bench whose array is in a file; however the block is left, it is saved.

    Parameters
    ----------
    settings
        What the bench is made of.
    path
        The file. Where there is none, the array is fresh.

    Raises
    ------
    BenchError
        If another process has the file open, it cannot be read or written, it is damaged or
        foreign, or it was made with other settings. Such a file is left as it is.
    """
    file = path.resolve()  # so that a link and its target have one lock, and a link survives
    with locked(file), SimulatedBackend(settings) as backend:
        if file.exists():
            _load(backend, settings, file)
        try:
            yield backend
        finally:
            backend.close()
            _save(backend.snapshot(), settings, file)


@contextmanager
def followed(settings: SimulationSettings, path: Path) -> Iterator[Checkpointed]:
    """Open it like `remembered`, and save it after every call too.

    The file outlives the program at once; to outlive a power cut it has to wait for the end.

    Raises
    ------
    BenchError
        As `remembered`.
    """
    file = path.resolve()
    with remembered(settings, file) as backend:

        def save() -> None:
            _save(backend.snapshot(), settings, file, durably=False)

        yield Checkpointed(backend, save)


def fingerprint(settings: SimulationSettings) -> dict[str, object]:
    """Return what the state of an array depends on, by name as in a bench file.

    Converters, schemes, times and limits may change from one program to the next, as they may on a
    bench that keeps its array; what was drawn, and the wires, belong to the array.
    """
    device = settings.device.build((1, 1), np.random.default_rng(0)).describe()
    constants: Any = device["constants"]
    return {
        "array.word_lines": settings.word_lines,
        "array.bit_lines": settings.bit_lines,
        "array.line_resistance": settings.line_resistance,
        "device.model": settings.device.name,
        **{f"device.{name}": value for name, value in constants.items()},
        "tia.gain_sigma": settings.tia.gain_sigma,
        "tia.offset_sigma": settings.tia.offset_sigma,
        "seed": settings.seed,
    }


def _load(backend: SimulatedBackend, settings: SimulationSettings, file: Path) -> None:
    """Put the array in the file onto a fresh backend, or raise `BenchError`."""
    arrays = _arrays(file)
    header = _header(arrays.pop(HEADER, None), file)
    _check_settings(header.get("settings"), fingerprint(settings), file)
    fresh = backend.snapshot()
    if wrong := _differing(arrays, fresh):
        raise BenchError(f"{file}: the array in it is damaged: {wrong}")
    try:
        backend.restore(arrays)
    except (ValueError, TypeError, KeyError, DataError) as problem:
        raise BenchError(f"{file}: the array in it is damaged: {problem}") from problem


def _arrays(file: Path) -> dict[str, Any]:
    """Return every array of an ``.npz`` file."""
    try:
        with file.open("rb") as opened:
            archive = np.load(opened, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise BenchError(f"{file} is not the memory of a simulated array")
            with archive:
                return {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, MemoryError) as problem:
        raise BenchError(
            f"{file} is not the memory of a simulated array, or it is damaged"
        ) from problem
    except OSError as problem:
        raise BenchError(f"{file}: cannot be read: {problem.strerror or problem}") from problem


def _header(written: object, file: Path) -> Mapping[str, Any]:
    """Return the header of a file in our format and version."""
    header: Any = None
    if isinstance(written, np.ndarray) and written.shape == () and written.dtype.kind == "U":
        try:
            header = json.loads(str(written))
        except ValueError:
            header = None  # told below, as for every file that is not ours
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise BenchError(f"{file} is not the memory of a simulated array")
    if header.get("version") != VERSION:
        raise BenchError(
            f"{file} is in version {header.get('version')} of the format; this program knows "
            f"version {VERSION}"
        )
    return header


def _check_settings(made: object, here: Mapping[str, object], file: Path) -> None:
    """Raise `BenchError` naming the first setting that differs, and how many more do."""
    if not isinstance(made, dict):
        raise BenchError(f"{file}: the array in it is damaged: its settings are missing")
    names = [*here, *(name for name in made if name not in here)]
    pairs = [(name, made.get(name, MISSING), here.get(name, MISSING)) for name in names]
    differing = [(name, there, now) for name, there, now in pairs if there != now]
    if differing:
        name, there, now = differing[0]
        more = f" (and {len(differing) - 1} more settings differ)" if len(differing) > 1 else ""
        raise BenchError(
            f"{file} was made with {name} = {there}, this bench has {now}{more}; "
            "use those settings, or another file"
        )


def _differing(arrays: Mapping[str, Any], fresh: State) -> str | None:
    """Return what tells these arrays from a state of this bench, or None."""
    if unknown := sorted(set(arrays) ^ set(fresh)):
        return f"{unknown[0]!r} is missing or does not belong in it"
    for name, expected in fresh.items():
        found = arrays[name]
        text = expected.dtype.kind == "U"
        if not isinstance(found, np.ndarray) or found.shape != expected.shape:
            return f"{name!r} has the wrong shape"
        if found.dtype.kind != "U" if text else found.dtype != expected.dtype:
            return f"{name!r} has the wrong type"
        if not text and not np.all(np.isfinite(found)):
            return f"{name!r} is not finite"
    return None


def _save(state: State, settings: SimulationSettings, file: Path, *, durably: bool = True) -> None:
    """Write a state whole or not at all."""
    header = {"format": FORMAT, "version": VERSION, "settings": fingerprint(settings)}
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with partial.open("wb") as opened:
            np.savez(opened, **{HEADER: np.array(json.dumps(header)), **state})  # type: ignore[arg-type]
            opened.flush()
            if durably:
                os.fsync(opened.fileno())
        os.replace(partial, file)
    except OSError as problem:
        raise BenchError(
            f"{file}: the array cannot be saved: {problem.strerror or problem}"
        ) from problem
    finally:
        partial.unlink(missing_ok=True)
