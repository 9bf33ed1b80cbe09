"""Benches by name or by file: loaded, and opened behind their guard."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from crossbar.backend import Backend, BenchError, Ohm
from crossbar.bench_file import (
    BENCHES,
    KINDS,
    BenchFile,
    Description,
    Programming,
    read_bench_file,
)
from crossbar.bench_instruments import opened_instruments
from crossbar.bench_settings import hardware_settings, simulation_settings, virtual_settings
from crossbar.crossbar import Crossbar
from crossbar.exposure import Exposure, opened
from crossbar.guard import Guarded
from crossbar.weight_writing import ONE, Copies

__all__ = [
    "BENCHES",
    "KINDS",
    "Bench",
    "Description",
    "Programming",
    "load",
    "open_bench",
    "remembering",
    "with_lines",
]

Opened = tuple[Backend, int | None, Mapping[str, object]]
"""A backend, the seed of its simulation if it has one, and what else made its numbers."""


@dataclass(frozen=True, slots=True)
class Bench:
    """An open bench.

    Parameters
    ----------
    name, kind
        As in its description.
    backend
        Guarded by the bench's limits.
    programming
        What a programmed cell is.
    seed
        Of the simulation; None where chance is nature's.
    memory
        File in which a simulated array is kept; None where it is fresh, or real.
    made
        What else made the numbers, beside what the backend knows of itself.
    """

    name: str
    kind: str
    backend: Backend
    programming: Programming
    seed: int | None
    memory: Path | None = None
    made: Mapping[str, object] = field(default_factory=dict)

    def crossbar(self, mapping: str = "differential", copies: Copies = ONE) -> Crossbar:
        """Return a crossbar on this bench, with the bench's own programming settings."""
        p = self.programming
        return Crossbar(
            self.backend, p.cell, p.pulses, mapping=mapping, metrics=p.metrics, copies=copies
        )

    def describe(self) -> dict[str, object]:
        """Return what made the numbers: name, limits and whatever the backend says of itself."""
        memory = None if self.memory is None else str(self.memory)
        return {**self.backend.describe(), **self.made, "name": self.name, "memory": memory}


def load(spec: str) -> Description:
    """Return the description of a bench, checked to the last key.

    Parameters
    ----------
    spec
        A name in `BENCHES`, or the path of a TOML file.

    Raises
    ------
    BenchError
        If there is no such bench, or the file is not a complete and correct description.
    """
    return _load(spec, Path())


def _load(spec: str, folder: Path) -> Description:
    file = read_bench_file(spec, folder)
    if file.kind == "virtual":
        return _load_virtual(file)
    limits, programming = file.limits(), file.programming()
    description = Description(
        *(file.name, file.kind, file.tables, limits, programming, file.text), path=file.path
    )
    if file.kind == "hardware":
        hardware_settings(description)  # so that every key is checked before anything is opened
        return description
    simulation_settings(description, None)
    memory = file.tables.get("memory")
    return description if memory is None else remembering(description, file.folder / str(memory))


def _load_virtual(file: BenchFile) -> Description:
    rehearsed = file.tables.pop("bench", None)
    if not isinstance(rehearsed, str):
        raise BenchError(
            f"{file.where}: bench = {rehearsed!r} does not name the bench it rehearses"
        )
    real = _load(rehearsed, file.folder)
    if real.kind != "hardware":
        raise BenchError(
            f"{file.where}: bench {rehearsed} is of kind {real.kind!r}; instruments are rehearsed "
            "for a bench of kind 'hardware'"
        )
    if isinstance(host := file.tables.get("host"), str):
        file.tables["host"] = str((file.folder / host).absolute())
    description = Description(
        *(file.name, file.kind, file.tables, real.limits, real.programming, file.text),
        rehearsed=real,
        path=file.path,
    )
    virtual_settings(description, None)
    return description


def remembering(description: Description, memory: Path) -> Description:
    """Return the description of the same simulated bench with its array kept in this file.

    Raises
    ------
    BenchError
        If the bench is not a simulation: a real array keeps its own state.
    """
    if description.kind != "sim":
        raise BenchError(
            f"bench {description.name} is of kind {description.kind!r} and keeps its own array; "
            f"only a simulated one is kept in a file ({memory})"
        )
    return replace(description, memory=memory)


def with_lines(description: Description, segment: Ohm) -> Description:
    """Return the description of the same bench with another resistance of its line segments, ohm.

    Raises
    ------
    BenchError
        If the array is a real one, or the resistance is negative or not finite.
    """
    if description.kind == "hardware":
        raise BenchError(
            f"bench {description.name} has a real array: its lines have the resistance that they "
            "have; only that of a simulated or a virtual one can be chosen"
        )
    array = description.tables["array"]
    assert isinstance(array, dict)  # noqa: S101 - checked when the description was loaded
    tables = {**description.tables, "array": {**array, "line_resistance": segment}}
    changed = replace(description, tables=tables)
    # Whatever is wrong with the resistance is said now.
    if description.kind == "sim":
        simulation_settings(changed, None)
    else:
        virtual_settings(changed, None)
    return changed


@contextmanager
def open_bench(bench: Description | str, *, seed: int | None = None) -> Iterator[Bench]:
    """Open a bench, guarded by its limits; leaving the block leaves every line at 0 V.

    A simulated array with a memory goes on from its file, and is saved however the block is left.

    Parameters
    ----------
    bench
        A description, or what `load` takes.
    seed
        Of a simulation, instead of the one in its description; a real bench has none.

    Raises
    ------
    BenchError
        As `load`; also if the memory of a simulated array cannot be used.
    InstrumentError
        If an instrument cannot be opened; all that were are safe again then.
    """
    description = load(bench) if isinstance(bench, str) else bench
    opener = _open_simulated if description.kind == "sim" else _open_instruments
    with opener(description, seed) as (backend, used, made), _exposed(made, backend) as exposure:
        yield Bench(
            name=description.name,
            kind=description.kind,
            backend=Guarded(backend, description.limits, exposure),
            programming=description.programming,
            seed=used,
            memory=description.memory,
            made=made,
        )


@contextmanager
def _exposed(made: Mapping[str, object], backend: Backend) -> Iterator[Exposure | None]:
    """Open what the cells of an array that outlives this program have received before."""
    array = made.get("array")
    if array is None:
        yield None
    else:
        with opened(str(array), backend.shape) as exposure:
            yield exposure


@contextmanager
def _open_simulated(description: Description, seed: int | None) -> Iterator[Opened]:
    """Open a simulated bench: a fresh one, or the one in a file."""
    from sim_backend import SimulatedBackend
    from sim_backend.memory import followed

    settings, memory = simulation_settings(description, seed), description.memory
    if memory is None:
        with SimulatedBackend(settings) as backend:
            yield backend, settings.seed, {}
    else:
        with followed(settings, memory) as kept:
            yield kept, settings.seed, {}


@contextmanager
def _open_instruments(description: Description, seed: int | None) -> Iterator[Opened]:
    with opened_instruments(description, seed) as opened:
        yield opened
