"""A resistor on a source meter that writes down what is done to it, whatever anybody says later."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from crossbar.backend import Ampere, Ohm, Second, Volt
from sim_backend.virtual.clock import Clock
from sim_backend.virtual.world import Resistor

CREEP = 1e-2
"""How much the resistance grows in a second, relative: no two readings are the same."""


SAME = 2e-6
"""How far a reading may be from what was measured, relative: replies have seven digits."""


class Source(Protocol):
    """A source meter, seen from its terminals."""

    @property
    def on(self) -> bool:
        """True while the output is on."""
        ...


@dataclass(frozen=True, slots=True)
class Driven:
    """What stood at the terminals from some moment on.

    Parameters
    ----------
    voltage
        V, as programmed.
    limit
        Current limit in force, A.
    on
        Whether the output was on.
    """

    voltage: Volt
    limit: Ampere
    on: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """One measurement, as it really was.

    Parameters
    ----------
    resistance
        Ohm, at that moment.
    voltage, current
        At the terminals, V and A.
    """

    resistance: Ohm
    voltage: Volt
    current: Ampere


@dataclass(frozen=True, slots=True)
class Reading:
    """What a driver says of one measurement.

    Parameters
    ----------
    voltage, current
        V and A.
    limited
        Whether the limit was active.
    measured
        Whether the voltage is measured, and not the level.
    """

    voltage: Volt
    current: Ampere
    limited: bool
    measured: bool


class Witness:
    """A resistor that creeps, and remembers.

    Parameters
    ----------
    resistance
        At first, ohm.
    clock
        Bench time.
    """

    def __init__(self, resistance: Ohm, clock: Clock) -> None:
        self.driven: list[Driven] = []
        self.taken: list[Taken] = []
        self.source_meter: Source | None = None
        self._resistance = resistance
        self._clock = clock
        self._standing = 0.0, 0.0

    @property
    def resistance(self) -> Ohm:
        """Resistance now, ohm."""
        return self._resistance * (1 + CREEP * self._clock.now)

    def source(self, voltage: Volt, limit: Ampere) -> None:
        """Drive a voltage."""
        self._standing = voltage, limit
        on = self.source_meter is not None and self.source_meter.on
        self.driven.append(Driven(voltage, limit, on))

    def disconnect(self) -> None:
        """Leave the terminals open."""
        self.source(0.0, 0.0)

    def measure(self, duration: Second) -> tuple[Volt, Ampere]:
        """Return voltage and current after `duration`."""
        self._clock.sleep(duration)
        now = Resistor(self.resistance, self._clock)
        now.source(*self._standing)
        voltage, current = now.measure(0.0)
        self.taken.append(Taken(self.resistance, voltage, current))
        return voltage, current

    def beyond(self, voltage: Volt, limit: Ampere) -> list[Driven]:
        """Return what was driven with the output on and was more than this."""
        most_voltage, most_limit = voltage * (1 + 1e-6), limit * (1 + 1e-6)
        return [
            each
            for each in self.driven
            if each.on and not (abs(each.voltage) <= most_voltage and each.limit <= most_limit)
        ]


def is_true(taken: Sequence[Taken], reading: Reading, *, level: Volt, limit: Ampere) -> bool:
    """Return whether a reading was really taken at a level, and says so if the limit was active.

    Parameters
    ----------
    taken
        What was measured since the reading was asked for.
    reading
        Of a driver. It may say too often that the limit was active.
    level, limit
        Asked for, V and A.
    """
    for each in taken:
        wanted = level / each.resistance
        active = abs(wanted) > limit
        current = limit * (1 if wanted > 0 else -1) if active else wanted
        voltage = current * each.resistance if reading.measured else level
        if (
            _same(each.current, current)
            and _same(reading.current, current)
            and _same(reading.voltage, voltage)
            and reading.limited >= active
        ):
            return True
    return False


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= SAME * abs(other) + 1e-15
