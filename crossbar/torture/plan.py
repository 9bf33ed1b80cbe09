"""What a tortured run does: a few calls of every verb, drawn from a seed."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from crossbar.backend import Ampere, Array, Backend, Cells, Limits, Reading, Second, Sweep, Volt

HIGHEST: Volt = 2.8
"""Largest amplitude: a half-selected cell of the bench that is tortured does not move at 1.4 V."""
GENTLE: Volt = 1.2
"""Largest voltage of sweeps and waveforms, which are to leave the cells as they are."""
FRACTION = 0.6
"""Of the largest read voltage that reads are made at."""
WIDTHS: tuple[Second, Second] = (5e-5, 2e-4)
DWELL: Second = 2e-3
INTERVAL: Second = 1e-4

Answer: TypeAlias = Reading | Sweep | None


@dataclass(frozen=True, slots=True)
class Pulse:
    """One pulse on each of some cells, with their verify reads."""

    cells: tuple[tuple[int, int], ...]
    voltages: tuple[Volt, ...]
    width: Second
    read_voltage: Volt

    def act(self, bench: Backend) -> Answer:
        """Ask the bench for it."""
        widths = np.full(len(self.cells), self.width)
        cells = Cells.of(self.cells)
        return bench.pulse(cells, np.array(self.voltages), widths, self.read_voltage)


@dataclass(frozen=True, slots=True)
class Read:
    """One read of each of some cells."""

    cells: tuple[tuple[int, int], ...]
    voltage: Volt

    def act(self, bench: Backend) -> Answer:
        """Ask the bench for it."""
        return bench.read(Cells.of(self.cells), self.voltage)


@dataclass(frozen=True, slots=True)
class Drive:
    """A multiply of some vectors."""

    voltages: tuple[tuple[Volt, ...], ...]

    def act(self, bench: Backend) -> Answer:
        """Ask the bench for it."""
        return bench.drive(np.array(self.voltages))


@dataclass(frozen=True, slots=True)
class Staircase:
    """A sweep of one cell."""

    cell: tuple[int, int]
    voltages: tuple[Volt, ...]
    compliance: Ampere
    dwell: Second = DWELL

    def act(self, bench: Backend) -> Answer:
        """Ask the bench for it."""
        return bench.sweep(self.cell, np.array(self.voltages), self.compliance, self.dwell)


@dataclass(frozen=True, slots=True)
class Waveform:
    """A waveform on one cell."""

    cell: tuple[int, int]
    voltages: tuple[Volt, ...]
    largest: Ampere
    interval: Second = INTERVAL

    def act(self, bench: Backend) -> Answer:
        """Ask the bench for it."""
        return bench.trace(self.cell, np.array(self.voltages), self.interval, self.largest)


@dataclass(frozen=True, slots=True)
class Wait:
    """Some bench time."""

    duration: Second

    def act(self, bench: Backend) -> Answer:
        """Ask the bench for it."""
        bench.wait(self.duration)
        return None


Step: TypeAlias = Pulse | Read | Drive | Staircase | Waveform | Wait


def drawn(
    rng: np.random.Generator, shape: tuple[int, int], limits: Limits, *, plays: bool
) -> tuple[Step, ...]:
    """Return the steps of a run: each verb at least once, in any order.

    Parameters
    ----------
    rng
        Source of all chance.
    shape
        Of the array.
    limits
        Nothing is asked for that they would refuse.
    plays
        True if the wiring has a generator on its lines.
    """
    low = FRACTION * limits.read_voltage
    steps: list[Step] = [
        _pulse(rng, shape, limits, low),
        Read(_cells(rng, shape, 4), low),
        Drive(_vectors(rng, shape, low)),
        Staircase(_cells(rng, shape, 1)[0], _points(limits, 5), limits.current),
        _pulse(rng, shape, limits, low),
        Wait(float(rng.uniform(0.0, 1.0))),
    ]
    if plays:
        steps.append(Waveform(_cells(rng, shape, 1)[0], _points(limits, 21), limits.current))
    order = rng.permutation(len(steps))
    # A last look at what the rest has left behind.
    return (*(steps[k] for k in order), Read(_cells(rng, shape, 4), low))


def _cells(
    rng: np.random.Generator, shape: tuple[int, int], count: int
) -> tuple[tuple[int, int], ...]:
    flat = rng.choice(shape[0] * shape[1], size=min(count, shape[0] * shape[1]), replace=False)
    return tuple((int(k) // shape[1], int(k) % shape[1]) for k in flat)


def _pulse(rng: np.random.Generator, shape: tuple[int, int], limits: Limits, low: Volt) -> Pulse:
    cells = _cells(rng, shape, int(rng.integers(1, 4)))
    most = min(HIGHEST, limits.voltage)
    voltages = tuple(float(rng.choice([-1, 1]) * most * rng.uniform(0.8, 1)) for _ in cells)
    width = float(np.clip(rng.choice(WIDTHS), limits.width_min, limits.width_max))
    return Pulse(cells, voltages, width, low)


def _vectors(
    rng: np.random.Generator, shape: tuple[int, int], low: Volt
) -> tuple[tuple[Volt, ...], ...]:
    vectors: Array = low * rng.uniform(0.2, 1.0, (2, shape[0]))
    return tuple(tuple(vector) for vector in vectors.tolist())


def _points(limits: Limits, count: int) -> tuple[Volt, ...]:
    """Return a triangle that leaves cells as they are."""
    most = min(GENTLE, limits.voltage)
    rising = np.linspace(0.2, 1.0, count // 2 + 1)
    return tuple((most * np.concatenate([rising, rising[-2::-1]])).tolist())
