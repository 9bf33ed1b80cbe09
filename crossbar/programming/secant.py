"""The width that the last pulse says is right: for cells whose pulses are repeatable."""

from dataclasses import dataclass, fields

import numpy as np

from crossbar.backend import Array, BenchError, Indices, Mask, Second, Volt


@dataclass(frozen=True, slots=True)
class SecantSettings:
    """Two fixed amplitudes, and the widths between which each pulse may choose.

    Parameters
    ----------
    set_voltage, reset_voltage
        Amplitudes as magnitudes, V.
    width
        Of a cell's first pulse in each direction, s.
    width_min, width_max
        Shortest and longest pulse, s.

    Raises
    ------
    BenchError
        If a value is not positive and finite, or the first width is outside the range.
    """

    set_voltage: Volt = 3.0
    reset_voltage: Volt = 2.2
    width: Second = 100e-6
    width_min: Second = 1e-6
    width_max: Second = 10e-3

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 < value < np.inf:
                raise BenchError(f"secant {field.name} = {value} is not a positive finite number")
        if not self.width_min <= self.width <= self.width_max:
            raise BenchError(
                f"secant width {self.width} s is outside its range {self.width_min} s "
                f"to {self.width_max} s"
            )

    @property
    def strongest(self) -> tuple[Volt, Volt]:
        """Amplitudes of SET and RESET, V."""
        return self.set_voltage, -self.reset_voltage

    @property
    def widths(self) -> tuple[Second, Second]:
        """Shortest and longest width, s."""
        return self.width_min, self.width_max

    def policy(self, count: int) -> "Secant":
        """Return the policy for this many cells."""
        return Secant(count, self)


class Secant:
    """Aims with the slope (S/s) that the last pulse of the same direction showed.

    On a cell that moves in proportion to the width it lands on the target with the second pulse of
    a direction; on one whose pulses vary from cycle to cycle it overshoots, and `Ispp` does better.

    Parameters
    ----------
    count
        Number of cells.
    settings
        Amplitudes and widths.
    """

    def __init__(self, count: int, settings: SecantSettings) -> None:
        self._settings = settings
        # Per direction (RESET, SET) and cell: the width that moved it by one siemens.
        self._width_per_siemens = np.full((2, count), np.nan)
        self._last_error = np.full(count, np.nan)
        self._last_width = np.full(count, np.nan)
        self._last_up = np.zeros(count, dtype=np.intp)

    def next(self, index: Indices, conductance: Array, target: Array) -> tuple[Array, Array]:
        """Return signed amplitudes (V) and widths (s); see `Policy.next`."""
        s, error = self._settings, target - conductance
        self._learn(index, error)
        up = (error > 0).astype(np.intp)
        # A cell on its target may be asked for as well: no error takes the shortest width.
        least = np.finfo(np.float64).tiny
        with np.errstate(over="ignore"):
            wanted = np.maximum(np.abs(error), least) * self._width_per_siemens[up, index]
        width = np.clip(np.where(np.isnan(wanted), s.width, wanted), s.width_min, s.width_max)
        self._last_error[index], self._last_width[index] = error, width
        self._last_up[index] = up
        return np.where(up == 1, s.set_voltage, -s.reset_voltage), width

    def _learn(self, index: Indices, error: Array) -> None:
        """Take the slope from what the last pulse did to the error."""
        moved = np.where(self._last_up[index] == 1, 1, -1) * (self._last_error[index] - error)
        # A pulse that moved nothing, or the wrong way, says nothing about the slope.
        told = moved > 0
        with np.errstate(over="ignore"):
            slope = self._last_width[index[told]] / moved[told]
        self._width_per_siemens[self._last_up[index[told]], index[told]] = slope
        # Nor can a cell that does not move be reached with the width that did not move it.
        still = ~told & ~np.isnan(self._last_error[index])
        self._width_per_siemens[self._last_up[index[still]], index[still]] = np.inf

    def exhausted(self, index: Indices) -> Mask:
        """Return True for cells whose last pulse was the longest."""
        return np.asarray(self._last_width[index] >= self._settings.width_max, dtype=np.bool_)
