"""Virtual benches to be tortured: known cells, a witness at the terminals, and trouble ahead."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from crossbar.backend import Array, BenchError, Siemens
from crossbar.bench_file import Description
from crossbar.bench_instruments import plugged
from crossbar.bench_settings import hardware_settings, virtual_settings

if TYPE_CHECKING:
    from instruments.backend import HardwareBackend
    from sim_backend.virtual.bench import VirtualBench, VirtualSettings
    from sim_backend.virtual.remote import RemoteBench

LOWEST: Siemens = 1e-5
HIGHEST: Siemens = 7e-5
"""Ends of the ladder of conductances that the cells are placed on: no two are alike."""

SHORTED, MISSING = "shorted", "missing"


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsal:
    """A bench that is to be tortured: drivers not open yet, and the instruments they will meet.

    Parameters
    ----------
    drivers
        Our drivers.
    virtual
        The instruments, plugged in.
    """

    drivers: "HardwareBackend"
    virtual: "VirtualBench"

    @property
    def conductances(self) -> Array:
        """What a selected cell conducts, S, with its faults, and the paths beside it if any."""
        rig = self.virtual.netlist.rig
        real = rig.circuit.conductances(rig.conductances)
        if not self.virtual.settings.netlist.startswith("mux"):
            return real
        words, bits = rig.shape
        word, bit = np.full((words * bits, words), np.nan), np.full((words * bits, bits), np.nan)
        cells = np.arange(words * bits)
        word[cells, cells // bits], bit[cells, cells % bits] = 1.0, 0.0
        flow = rig.circuit.flow(rig.conductances, word, bit).current
        through: Array = flow[cells, cells % bits].reshape(rig.shape)
        return through


def tortured(description: Description) -> Description:
    """Return the same virtual bench with cells that do what is expected, and somebody watching.

    Raises
    ------
    BenchError
        If the bench is not a virtual one: nobody tortures a real array.
    """
    if description.rehearsed is None:
        raise BenchError(
            f"bench {description.name} is of kind {description.kind!r}; only a virtual bench can "
            "be tortured: rehearse yours with a file of kind 'virtual' that names it"
        )
    array = description.tables["array"]
    assert isinstance(array, dict)  # noqa: S101 - checked when the description was loaded
    tables = {
        **description.tables,
        "array": {**array, "line_resistance": 0.0},
        "device": {"model": "ideal"},
        "witness": True,
    }
    return replace(description, tables=tables)


@contextmanager
def rehearsal(
    description: Description,
    seed: int,
    *,
    array: Mapping[tuple[int, int], str] | None = None,
) -> Iterator[Rehearsal]:
    """Plug a bench to be tortured into this process; no two of its cells conduct alike.

    Parameters
    ----------
    description
        From `tortured`; its ``host`` is not used.
    seed
        Of the instruments' errors, and of where each conductance is.
    array
        Cells that are `SHORTED` or `MISSING`.
    """
    from instruments.backend import HardwareBackend
    from sim_backend.virtual.bench import VirtualBench
    from sim_backend.virtual.faults import Faults

    settings = replace(virtual_settings(description, seed), host=None, clock="fast")
    bad = array or {}
    faults = Faults(
        shorted=frozenset(cell for cell, what in bad.items() if what == SHORTED),
        missing=frozenset(cell for cell, what in bad.items() if what == MISSING),
    )
    assert description.rehearsed is not None  # noqa: S101 - `tortured` saw to it
    with VirtualBench(settings, faults=faults) as virtual:
        virtual.netlist.rig.set_conductances(ladder(virtual.netlist.rig.shape, seed))
        drivers = plugged(hardware_settings(description.rehearsed), virtual.ports)
        yield Rehearsal(HardwareBackend(drivers, timer=virtual.clock), virtual)


@contextmanager
def hosted(description: Description, seed: int) -> Iterator[tuple[Description, "RemoteBench"]]:
    """Put the instruments of a bench to be tortured into a process of their own.

    Yields
    ------
    Description
        Of the bench where they are now.
    RemoteBench
        What they do, as somebody with a meter would see it.
    """
    from sim_backend.virtual.remote import HostProcess, RemoteBench

    settings = replace(virtual_settings(description, seed), host=None, clock="fast")
    host = HostProcess(partial(_placed, settings, seed), tied=True)
    try:
        tables = {**description.tables, "host": str(host.path), "clock": "fast", "seed": seed}
        with RemoteBench(host.path) as watched:
            yield replace(description, tables=tables), watched
    finally:
        host.end()


def _placed(settings: "VirtualSettings", seed: int) -> "VirtualBench":
    """Return a virtual bench whose cells are placed."""
    from sim_backend.virtual.bench import VirtualBench

    virtual = VirtualBench(settings)
    virtual.netlist.rig.set_conductances(ladder(virtual.netlist.rig.shape, seed))
    return virtual


def grounded(description: Description) -> bool:
    """Return whether unselected lines are at 0 V during a pulse on a bench from `tortured`."""
    assert description.rehearsed is not None  # noqa: S101 - `tortured` saw to it
    return hardware_settings(description.rehearsed).schemes.write == "grounded"


def ladder(shape: tuple[int, int], seed: int) -> Array:
    """Return conductances that all differ, in any order, S."""
    steps = np.geomspace(LOWEST, HIGHEST, shape[0] * shape[1])
    mixed: Array = np.random.default_rng(seed).permutation(steps).reshape(shape)
    return mixed
