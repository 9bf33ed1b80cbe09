"""The wirings that a virtual bench can have, by name."""

from typing import Protocol

from sim_backend.settings import SimulationSettings
from sim_backend.virtual.faults import Faults
from sim_backend.virtual.netlist_parallel import ParallelNetlist
from sim_backend.virtual.netlist_switched import SwitchedNetlist, SwitchedParts
from sim_backend.virtual.rig import Rig
from sim_backend.virtual.world import Netlist


class ArrayNetlist(Netlist, Protocol):
    """A wiring with an array behind it."""

    @property
    def rig(self) -> Rig:
        """The array."""
        ...


class Build(Protocol):
    """What builds a wiring with its array."""

    def __call__(
        self, settings: SimulationSettings, *, faults: Faults | None = ...
    ) -> ArrayNetlist:
        """Return the wiring, with what is wrong with it."""
        ...


def _switched_serial(settings: SimulationSettings, *, faults: Faults | None = None) -> ArrayNetlist:
    ratio = 2 if settings.write_scheme == "third" else 1
    return SwitchedNetlist(settings, SwitchedParts(select="serial", ratio=ratio), faults)


def _mux(settings: SimulationSettings, *, faults: Faults | None = None) -> ArrayNetlist:
    return SwitchedNetlist(settings, SwitchedParts(floating=True), faults)


def _mux_serial(settings: SimulationSettings, *, faults: Faults | None = None) -> ArrayNetlist:
    return SwitchedNetlist(settings, SwitchedParts(floating=True, select="serial"), faults)


NETLISTS: dict[str, Build] = {
    "parallel": ParallelNetlist,
    "switched": SwitchedNetlist,
    "switched-serial": _switched_serial,
    "mux": _mux,
    "mux-serial": _mux_serial,
}
"""What builds each wiring, with its array."""
