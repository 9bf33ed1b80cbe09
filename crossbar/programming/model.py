"""A model of the array and of each cell, fitted while they are programmed, says which amplitude."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, BenchError, Indices, Mask, Second, Siemens, Volt
from crossbar.programming.checks import check_settings
from crossbar.programming.rate_fit import RateFit

NEAREST_END = 5e-3
"""Of the range: closer to an end than this the law would divide by nothing."""

BEYOND = 1.1
"""A range that a conductance or a target exceeds is taken to end this much above it."""

STILL = 0.25
"""A pulse that moved a cell by less than this part of what it aimed at did not move it."""

ATYPICAL = 3
"""After this many pulses without a move a cell says nothing about the others: it may be stuck."""

LEAST_DOSE = 1e-4
"""Noise of a dose that is left where the conductance, and with it the drift, is next to nothing."""


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What is expected of the cells before the first pulse, and how far a pulse aims.

    A pulse's dose moves the distance y from the end of the range that it drives to by dy = -y^g
    for each unit of dose, y a fraction of the range.

    Parameters
    ----------
    set_voltage, reset_voltage
        Reference amplitudes as magnitudes, V.
    dose
        Expected of one pulse at the reference amplitudes.
    dose_sigma
        How well ln(dose) is known before the first pulse.
    voltage_scale
        Amplitude that makes the dose e-fold, V, expected.
    scale_sigma
        How well it is known, as a fraction.
    cell_sigma
        Spread of ln(dose) from cell to cell.
    alike
        Correlation of SET and RESET in what an array and a cell deviate by, below 1.
    cycle_sigma
        Spread of the dose from pulse to pulse, as a fraction.
    drift
        What a conductance moves without a pulse between two reads, as a fraction of it.
    keep
        Weight of a cell's earlier pulses when a new one is learned from, up to 1.
    conductance_max
        Upper end of the range, S; the lower end is 0 S.
    set_exponent, reset_exponent
        g of each direction: how strongly a pulse of the same dose moves less toward the end.
    aim
        Part of the error that a pulse is to remove, up to 1.
    push
        What the amplitude rises for each pulse in a row that did not move a cell, V, from the
        second such pulse on.
    set_min, set_max
        Smallest and largest SET amplitude, V.
    reset_min, reset_max
        The same for RESET, V, given without the sign.
    width
        Of every pulse, s.

    Raises
    ------
    BenchError
        If a value is not positive and finite, amplitudes do not ascend, or a part is above 1.
    """

    set_voltage: Volt = 3.0  # arXiv 2412.02779, the SET threshold
    reset_voltage: Volt = 2.2  # arXiv 2412.02779, the RESET threshold
    dose: float = 0.015  # assumed
    dose_sigma: float = 1.0  # assumed
    voltage_scale: Volt = 0.25  # assumed
    scale_sigma: float = 0.3  # assumed
    cell_sigma: float = 0.5  # assumed
    alike: float = 0.7  # assumed
    cycle_sigma: float = 0.25  # assumed
    drift: float = 0.1  # assumed
    keep: float = 0.9  # assumed
    conductance_max: Siemens = 1e-4  # assumed
    set_exponent: float = 1.5  # assumed
    reset_exponent: float = 2.0  # assumed
    aim: float = 0.85
    push: Volt = 0.3
    set_min: Volt = 1.0
    set_max: Volt = 4.5
    reset_min: Volt = 1.0
    reset_max: Volt = 3.8
    width: Second = 100e-6

    def __post_init__(self) -> None:
        check_settings("model", self, (("set_min", "set_max"), ("reset_min", "reset_max")))
        for name in ("aim", "keep"):
            if getattr(self, name) > 1:
                raise BenchError(f"model {name} = {getattr(self, name)} is above 1")
        if self.alike >= 1:
            raise BenchError(f"model alike = {self.alike} is not below 1")

    @property
    def strongest(self) -> tuple[Volt, Volt]:
        """Largest amplitude of each direction, V."""
        return self.set_max, -self.reset_max

    @property
    def widths(self) -> tuple[Second, Second]:
        """The one width, s."""
        return self.width, self.width

    def policy(self, count: int) -> "Model":
        """Return the policy for this many cells."""
        return Model(count, self)


class Model:
    """Chooses the amplitude whose expected dose removes most of the error.

    ln(dose) is a line in the amplitude: its two parameters are fitted to all cells together, a
    third to each cell and direction, weighted by what the pulse can have told through the noise.
    A cell that does not move at all is no cell of this law, and gets more from pulse to pulse.

    Parameters
    ----------
    count
        Number of cells.
    settings
        Expectations and amplitudes.

    References
    ----------
    Law: the memristor equation dx/dt = k sinh(V/V_s) (1 - x)^g of the threshold-switching models.
    """

    def __init__(self, count: int, settings: ModelSettings) -> None:
        s = self._settings = settings
        self._fit = RateFit(
            count,
            intercept=float(np.log(s.dose)),
            slope=1 / s.voltage_scale,
            intercept_sigma=s.dose_sigma,
            slope_sigma=s.scale_sigma / s.voltage_scale,
            cell_sigma=s.cell_sigma,
            alike=s.alike,
            keep=s.keep,
        )
        # The last pulse of each cell; up is -1 before the first.
        self._up = np.full(count, -1, dtype=np.intp)
        self._volts = np.zeros(count)
        self._dose = np.zeros(count)
        self._before = np.zeros(count)
        self._aimed = np.zeros(count)
        self._end = np.full(count, s.conductance_max)
        self._still = np.zeros(count, dtype=np.intp)
        self._full = np.zeros(count, dtype=np.bool_)

    def next(self, index: Indices, conductance: Array, target: Array) -> tuple[Array, Array]:
        """Return signed amplitudes (V) and widths (s); see `Policy.next`."""
        s = self._settings
        pulsed = self._up[index] >= 0
        self._learn(index[pulsed], conductance[pulsed])
        move = s.aim * (target - conductance)
        up = (move > 0).astype(np.intp)
        end = np.maximum(s.conductance_max, BEYOND * np.maximum(conductance, target))
        dose = self._between(conductance, conductance + move, end, up)
        reference, low, high = np.where(
            up == 1,
            np.array([[s.set_voltage], [s.set_min], [s.set_max]]),
            np.array([[s.reset_voltage], [s.reset_min], [s.reset_max]]),
        )
        intercept, slope = self._fit.line(index, up)
        smallest = np.finfo(np.float64).tiny
        amplitude = reference + (np.log(np.maximum(dose, smallest)) - intercept) / slope
        # The first pulse that does not move a cell may be the law's mistake, which it has learned.
        pushes = np.maximum(self._still[index] - 1, 0)
        amplitude = np.clip(amplitude + s.push * pushes, low, high)
        self._up[index], self._end[index] = up, end
        self._before[index], self._aimed[index] = conductance, move
        self._volts[index], self._full[index] = amplitude - reference, amplitude >= high
        self._dose[index] = np.exp(intercept + slope * self._volts[index])
        return np.where(up == 1, amplitude, -amplitude), np.full(len(index), s.width)

    def begin(self, index: Indices) -> None:
        """Take cells up again; what they did since their last pulse says nothing of it."""
        self._up[index] = -1
        self._still[index] = 0

    def _learn(self, index: Indices, conductance: Array) -> None:
        """Compare what the last pulse of each cell did with what it was to do."""
        s, up, end = self._settings, self._up[index], self._end[index]
        before = self._before[index]
        moved = np.abs(conductance - before) >= STILL * np.abs(self._aimed[index])
        self._still[index] = np.where(moved, 0, self._still[index] + 1)
        drifted = s.drift * np.abs(conductance) * self._steepness(conductance, end, up)
        self._fit.learn(
            index,
            up,
            self._volts[index],
            expected=self._dose[index],
            seen=self._between(before, conductance, end, up),
            spread=s.cycle_sigma,
            noise=drifted + LEAST_DOSE,
            typical=self._still[index] < ATYPICAL,
        )

    def _between(self, first: Array, last: Array, end: Array, up: Indices) -> Array:
        """Return the dose that leads from one conductance to another, in this direction."""
        return self._dose_to(last, end, up) - self._dose_to(first, end, up)

    def _dose_to(self, conductance: Array, end: Array, up: Indices) -> Array:
        """Return the integral of dy/y^g from the far end of the range to each conductance."""
        s, y = self._settings, _distance(conductance, end, up)
        up_to, down_to = _integral(y, s.set_exponent), _integral(y, s.reset_exponent)
        return np.where(up == 1, up_to, down_to)

    def _steepness(self, conductance: Array, end: Array, up: Indices) -> Array:
        """Return the derivative of `_dose_to`, 1/S, as a magnitude."""
        s, y = self._settings, _distance(conductance, end, up)
        return np.asarray(y ** -np.where(up == 1, s.set_exponent, s.reset_exponent) / end)

    def exhausted(self, index: Indices) -> Mask:
        """Return True for cells whose last pulse had the largest amplitude."""
        return self._full[index]


def _distance(conductance: Array, end: Array, up: Indices) -> Array:
    """Return how far each cell is from the end that it is driven to, as a fraction of the range."""
    part = conductance / end
    return np.asarray(np.clip(np.where(up == 1, 1 - part, part), NEAREST_END, 1.0))


def _integral(y: Array, exponent: float) -> Array:
    """Return the integral of dy/y^g from y to 1."""
    if exponent == 1:
        return np.asarray(-np.log(y))
    return np.asarray((y ** (1 - exponent) - 1) / (exponent - 1))
