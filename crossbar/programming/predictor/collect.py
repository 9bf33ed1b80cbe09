"""Pulses for a predictor, applied for that purpose: a journal of a bench or of its simulation."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Backend, BenchError, Cells, DataError, Second, Siemens, Volt
from crossbar.programming.predictor.fitting import Origin, fit_predictor
from crossbar.programming.predictor.predictor import Predictor
from crossbar.programming.predictor.shots import Shots, together

Inverse = Callable[[Array, Array], Array]
"""Widths, s, that nominal cells need from one conductance to another, S."""

SPREAD = 0.15  # log10 of the width; algorithms of the one-shot network: hindsight labels
FEW = 64
"""Pulses of a polarity from which a first map is fitted."""


@dataclass(frozen=True, slots=True)
class Collection:
    """How a bench is asked what its pulses do.

    Parameters
    ----------
    set_voltage, reset_voltage
        Amplitudes, magnitudes, V.
    low, high
        Conductances between which cells are sent to and fro, S.
    rounds
        Pulses that each cell gets.
    width_min, width_max
        Shortest and longest, s.
    read_voltage
        V.
    spread
        Standard deviation of log10 of the width about what is believed to be right.
    voltage_spread
        Amplitudes are drawn uniformly up to so far from the two, V: what a volt more is worth can
        only be learnt from different ones.

    Raises
    ------
    BenchError
        If a value is not positive and finite, or a range is empty.
    """

    set_voltage: Volt
    reset_voltage: Volt
    low: Siemens
    high: Siemens
    rounds: int = 40
    width_min: Second = 1e-6
    width_max: Second = 10e-3
    read_voltage: Volt = 0.2
    spread: float = SPREAD
    voltage_spread: Volt = 0.0

    def __post_init__(self) -> None:
        names = ("set_voltage", "reset_voltage", "high", "width_min", "read_voltage", "spread")
        for name in names:
            if not 0 < getattr(self, name) < np.inf:
                raise BenchError(f"{name} = {getattr(self, name)} is not a positive finite number")
        if not 0 <= self.voltage_spread < min(self.set_voltage, self.reset_voltage):
            raise BenchError(f"voltage_spread = {self.voltage_spread} V leaves no amplitude")
        if self.rounds < 1 or not 0 <= self.low < self.high:
            raise BenchError(f"{self.rounds} rounds from {self.low} to {self.high} S are nothing")
        if not self.width_min <= self.width_max < np.inf:
            raise BenchError(f"{self.width_min} to {self.width_max} s is not a range of widths")


def collect(
    backend: Backend,
    cells: Cells,
    settings: Collection,
    rng: np.random.Generator,
    offset: Array,
    inverse: Inverse | None = None,
) -> Shots:
    """Send cells to and fro between random conductances, and return every pulse.

    Parameters
    ----------
    backend
        Any bench.
    cells
        Distinct cells.
    settings
        Amplitudes, range and number of pulses.
    rng
        Chance of the aims and widths.
    offset
        Current of each bit line at 0 V, A.
    inverse
        What nominal cells need. Without it widths begin anywhere in their range, and what the
        pulses so far say, fitted after 1, 2, 4, 8 ... rounds, takes its place.
    """
    logs = np.log(settings.width_min), np.log(settings.width_max)

    def seen(current: Array) -> Array:
        return (current - offset[cells.bit]) / settings.read_voltage

    conductance = seen(backend.read(cells, settings.read_voltage).current)
    parts: list[Shots] = []
    believed = inverse
    for done in range(settings.rounds):
        if inverse is None and done and done & (done - 1) == 0:
            believed = _learnt(together(*parts), settings) or believed
        aim = rng.uniform(settings.low, settings.high, len(cells))
        if believed is None:
            width = np.exp(rng.uniform(*logs, len(cells)))
        else:
            spread = 10.0 ** (settings.spread * rng.standard_normal(len(cells)))
            width = believed(conductance, aim) * spread
        sizes = np.where(aim > conductance, settings.set_voltage, settings.reset_voltage)
        sizes += settings.voltage_spread * rng.uniform(-1.0, 1.0, len(cells))
        volts = np.copysign(sizes, aim - conductance)
        width = np.clip(width, settings.width_min, settings.width_max)
        reading = backend.pulse(cells, volts, width, settings.read_voltage)
        after = seen(reading.current)
        whole = ~reading.clipped
        parts.append(Shots(conductance[whole], after[whole], volts[whole], width[whole]))
        conductance = after
    return together(*parts)


def _learnt(shots: Shots, settings: Collection) -> Inverse | None:
    """Return what the pulses so far say, or None while they are too few."""
    try:
        if min(len(shots.of(1)), len(shots.of(-1))) < FEW:
            return None
        fitted: Predictor = fit_predictor(shots, Origin("", ""), (settings.low, settings.high))
    except DataError:
        return None

    def inverse(before: Array, target: Array) -> Array:
        return fitted.pulses(before, target, settings.width_min, settings.width_max)[1]

    return inverse
