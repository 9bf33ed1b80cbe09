"""Everything that a virtual bench can have, plugged in: for programs that are not ours.

An Analog Discovery 2, a switch board and two source meters on one wiring. One source meter is on
the wiring's terminals for it; the other has a resistor.
"""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack

from crossbar.backend import BenchError
from sim_backend.settings import SimulationSettings
from sim_backend.virtual.clock import FastClock, WallClock
from sim_backend.virtual.k2400 import Virtual2400
from sim_backend.virtual.k6487 import Virtual6487
from sim_backend.virtual.libdwf.discovery import VirtualDiscovery
from sim_backend.virtual.libdwf.imperfections import Imperfections
from sim_backend.virtual.netlists import NETLISTS
from sim_backend.virtual.servers import PtyServer, TcpServer
from sim_backend.virtual.switch_board import VirtualSwitchBoard
from sim_backend.virtual.visa import Instrument
from sim_backend.virtual.world import Loopback, Netlist, Resistor, Terminals, World

LOOPBACK = "loopback"
"""W1 on scope input 1, W2 on scope input 2, and nothing else."""
KEITHLEYS = ("2400", "6487")
RESISTANCE = 10e3
"""On a source meter that is on no array, ohm."""
ADDRESSES = {"6487": "GPIB0::22::INSTR", "2400": "GPIB0::24::INSTR"}
"""VISA names of the source meters; the addresses they leave the factory with."""


class Plugged:
    """A virtual bench with all instruments; nothing is mounted and nothing served yet.

    Parameters
    ----------
    wiring
        ``loopback``, or a name in `sim_backend.virtual.netlists.NETLISTS`.
    seed
        Of the simulation.
    wall
        True lets bench time pass with the wall's; False only by exchanges and by waiting.
    keithley
        Which source meter is on the array.

    Raises
    ------
    BenchError
        If there is no such wiring or source meter.
    """

    def __init__(
        self, wiring: str = LOOPBACK, *, seed: int = 0, wall: bool = False, keithley: str = "2400"
    ) -> None:
        if wiring != LOOPBACK and wiring not in NETLISTS:
            known = ", ".join((LOOPBACK, *NETLISTS))
            raise BenchError(f"no wiring is called {wiring!r}; there are {known}")
        if keithley not in KEITHLEYS:
            raise BenchError(f"no source meter is called {keithley!r}; there are 2400 and 6487")
        self.by_wall = wall
        self._made = {"wiring": wiring, "seed": seed, "wall": wall, "keithley": keithley}
        self.clock = WallClock() if wall else FastClock()
        netlist: Netlist = (
            Loopback() if wiring == LOOPBACK else NETLISTS[wiring](SimulationSettings(seed=seed))
        )
        self.world = World(self.clock, netlist)
        self.discovery = VirtualDiscovery(self.world, imperfections=Imperfections(seed=seed))
        self.board = VirtualSwitchBoard(self.world)
        terminals: dict[str, Terminals] = {
            each: Resistor(RESISTANCE, self.clock) for each in KEITHLEYS
        }
        if wiring != LOOPBACK:
            terminals[keithley] = self.world
        self.instruments: Mapping[str, Instrument] = {
            ADDRESSES["6487"]: Virtual6487(terminals["6487"], self.clock),
            ADDRESSES["2400"]: Virtual2400(terminals["2400"], self.clock),
        }
        self.ports: dict[str, str] = {}
        """Where instruments are served, by name; empty before `serve`."""

    def serve(self, lock: AbstractContextManager[bool]) -> ExitStack:
        """Serve the source meters on TCP, and the switch board on a pseudo-terminal.

        Parameters
        ----------
        lock
            Held by whoever uses an instrument: they share one world.
        """
        with ExitStack() as stack:
            for name, address in ADDRESSES.items():
                instrument = self.instruments[address]
                self.ports[name] = stack.enter_context(TcpServer(instrument, lock=lock)).resource
            if hasattr(os, "openpty"):  # not on Windows
                self.ports["switch board"] = stack.enter_context(
                    PtyServer(self.board, lock=lock)
                ).device
            return stack.pop_all()

    def dacs(self) -> Mapping[str, int]:
        """Return nothing: it has no board of its own."""
        return {}

    def seen(self) -> Mapping[str, object]:
        """Return nothing: nobody watches."""
        return {}

    def plan(self, trouble: Mapping[int, str]) -> None:
        """Refuse: trouble is for benches that rehearse ours."""
        raise BenchError(f"no trouble ({trouble}) can be planned for another program's bench")

    def describe(self) -> Mapping[str, object]:
        """Return what the bench was made with."""
        return dict(self._made)
