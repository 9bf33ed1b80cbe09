"""A virtual Analog Discovery 2 for tests: with W1 and W2 on the scope, and on a virtual clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.libdwf.discovery import VirtualDiscovery
from sim_backend.virtual.libdwf.imperfections import Imperfections
from sim_backend.virtual.libdwf.mount import Way, mounted
from sim_backend.virtual.signals import Signal, Stimulus
from sim_backend.virtual.world import Loopback, World

PERFECT = Imperfections(noise=0.0)


class Witness(Loopback):
    """A loop back that remembers what it was shown."""

    def __init__(self) -> None:
        self.seen: list[Stimulus] = []

    def respond(self, stimulus: Stimulus) -> tuple[Signal, Signal]:
        self.seen.append(stimulus)
        return stimulus.waveforms


@contextmanager
def opened(
    netlist: Loopback | None = None,
    *,
    latency: float = 1e-3,
    configuration: int = 0,
    imperfections: Imperfections = PERFECT,
    way: Way | None = None,
) -> Iterator[Any]:
    """Open a virtual device through pydwf; settings take effect when they are configured."""
    from pydwf import DwfLibrary

    world = World(FastClock(latency), netlist or Loopback())
    with mounted(VirtualDiscovery(world, imperfections=imperfections), way):
        library = DwfLibrary()
        device = library.deviceControl.open(0, configuration)
        device.autoConfigureSet(False)
        try:
            yield device
        finally:
            library.deviceControl.closeAll()
