"""The wirings that a virtual bench can have, by name."""

from collections.abc import Callable

from sim_backend.settings import SimulationSettings
from sim_backend.virtual.netlist_parallel import ParallelNetlist
from sim_backend.virtual.world import Netlist

NETLISTS: dict[str, Callable[[SimulationSettings], Netlist]] = {
    "parallel": ParallelNetlist,
}
"""What builds each wiring, with its array, without faults."""
