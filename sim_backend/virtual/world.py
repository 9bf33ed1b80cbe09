"""One virtual bench: its clock, its wiring, and everything that is plugged into it.

Nothing happens in a virtual bench until somebody asks. Then `World.advance` lets the time since the
last question pass: it takes what the instruments' pins did meanwhile, lets the wiring and the array
answer, and gives the scope its inputs.
"""

import time
from collections.abc import Callable
from typing import Protocol

from crossbar.backend import Ampere, Second, Volt
from sim_backend.virtual.clock import Clock
from sim_backend.virtual.signals import Signal, Steps, Stimulus


class Discovery(Protocol):
    """An Analog Discovery 2 as the wiring sees it."""

    def stimulus(self, start: Second, end: Second) -> Stimulus:
        """Return what its pins do from `start` to `end`."""
        ...

    def observe(self, start: Second, end: Second, inputs: tuple[Signal, Signal]) -> None:
        """Take the voltages at scope inputs 1 and 2 in that interval, V."""
        ...


class Netlist(Protocol):
    """The wiring between instruments and array, and the array itself."""

    def respond(self, stimulus: Stimulus) -> tuple[Signal, Signal]:
        """Let the interval pass for the array; return the voltages at scope inputs 1 and 2."""
        ...

    def set_source(self, voltage: Volt, limit: Ampere) -> None:
        """Take what a source meter drives from now on, V, and its current limit, A."""
        ...

    def open_source(self) -> None:
        """Take the source meter's output as open from now on."""
        ...

    def source_reading(self) -> tuple[Volt, Ampere]:
        """Return voltage and current at the source meter's terminals now, V and A."""
        ...

    def switch(self, closed: frozenset[int]) -> None:
        """Take which channels of the switch board are closed from now on."""
        ...


class Terminals(Protocol):
    """What hangs on a source meter's terminals."""

    def source(self, voltage: Volt, limit: Ampere) -> None:
        """Drive a voltage, V, with at most `limit` A in magnitude, from now on."""
        ...

    def disconnect(self) -> None:
        """Leave the terminals open from now on."""
        ...

    def measure(self, duration: Second) -> tuple[Volt, Ampere]:
        """Let `duration` pass; return voltage, V, and current, A, at the terminals at its end."""
        ...


class Resistor:
    """A resistor on a source meter: the simplest load, for tests and for trying a driver.

    Parameters
    ----------
    resistance
        Ohm.
    clock
        Bench time.
    """

    def __init__(self, resistance: float, clock: Clock) -> None:
        self._resistance = resistance
        self._clock = clock
        self._voltage = 0.0
        self._limit = 0.0

    def source(self, voltage: Volt, limit: Ampere) -> None:
        """Drive a voltage."""
        self._voltage, self._limit = voltage, limit

    def disconnect(self) -> None:
        """Leave the terminals open."""
        self._voltage = 0.0

    def measure(self, duration: Second) -> tuple[Volt, Ampere]:
        """Return voltage and current after `duration`."""
        self._clock.sleep(duration)
        current = self._voltage / self._resistance
        if abs(current) > self._limit:
            current = self._limit if current > 0 else -self._limit
        return current * self._resistance, current


class Loopback:
    """W1 on scope input 1 and W2 on scope input 2, and nothing else."""

    def respond(self, stimulus: Stimulus) -> tuple[Signal, Signal]:
        """Return the two waveforms."""
        return stimulus.waveforms

    def set_source(self, voltage: Volt, limit: Ampere) -> None:
        """Drive nothing: no source meter is wired."""

    def open_source(self) -> None:
        """Leave things as they are."""

    def source_reading(self) -> tuple[Volt, Ampere]:
        """Return nothing: 0 V and 0 A."""
        return 0.0, 0.0

    def switch(self, closed: frozenset[int]) -> None:
        """Leave things as they are: no switch is wired."""


class World:
    """A virtual bench.

    Parameters
    ----------
    clock
        Its time.
    netlist
        Its wiring, with the array.
    """

    def __init__(self, clock: Clock, netlist: Netlist) -> None:
        self.clock = clock
        self.netlist = netlist
        self._discovery: Discovery | None = None
        self.busy: Second = 0.0
        """What the wiring and the array took to compute, by the wall, s."""
        self._watches: list[Callable[[], None]] = []
        self._passed = clock.now

    def attach(self, discovery: Discovery) -> None:
        """Plug in the Analog Discovery 2; there is at most one."""
        self.advance()
        self._discovery = discovery

    def watch(self, look: Callable[[], None]) -> None:
        """Call this whenever time is about to pass, for an instrument that acts of itself."""
        self._watches.append(look)

    def advance(self) -> None:
        """Let the wiring and the array live through the time since the last call."""
        for look in self._watches:
            look()
        self._live(self.clock.now)

    def _live(self, end: Second) -> None:
        start = self._passed
        if end <= start:
            return
        self._passed = end
        began = time.monotonic()
        self._respond(start, end)
        self.busy += time.monotonic() - began

    def _respond(self, start: Second, end: Second) -> None:
        if self._discovery is None:
            low = Steps.constant(start, 0.0)
            pins = Steps.constant(start, 0)
            self.netlist.respond(Stimulus(start, end, (low, low), pins, (0.0, 0.0)))
            return
        inputs = self.netlist.respond(self._discovery.stimulus(start, end))
        self._discovery.observe(start, end, inputs)

    def source(self, voltage: Volt, limit: Ampere) -> None:
        """Drive a voltage from the source meter, V, with at most `limit` A."""
        self.advance()
        self.netlist.set_source(voltage, limit)

    def disconnect(self) -> None:
        """Open the source meter's output."""
        self.advance()
        self.netlist.open_source()

    def measure(self, duration: Second) -> tuple[Volt, Ampere]:
        """Let `duration` pass and return voltage and current at the source meter's terminals."""
        self.clock.sleep(duration)
        self.advance()
        return self.netlist.source_reading()

    def switch(self, closed: frozenset[int], moment: Second | None = None) -> None:
        """Close these channels of the switch board and open all others, at a moment before now."""
        self._live(self.clock.now if moment is None else moment)
        self.netlist.switch(closed)
