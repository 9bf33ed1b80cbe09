"""Incremental widths: each pulse a little longer than the last, at one amplitude."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, BenchError, Indices, Mask, Second, Volt
from crossbar.programming.checks import check_settings


@dataclass(frozen=True, slots=True)
class WidthSettings:
    """Two amplitudes and the widths w = start * ratio^n.

    Parameters
    ----------
    set_voltage, reset_voltage
        Amplitudes as magnitudes, V.
    set_start, reset_start
        Width of the first pulse in a direction, s.
    ratio
        From one width to the next.
    stop
        Longest width, s.

    Raises
    ------
    BenchError
        If a value is not positive and finite, widths do not grow, or they stop below their start.
    """

    set_voltage: Volt = 3.0
    reset_voltage: Volt = 2.2
    set_start: Second = 100e-6
    reset_start: Second = 100e-6
    ratio: float = 2.0
    stop: Second = 50e-3

    def __post_init__(self) -> None:
        check_settings("width", self, (("set_start", "stop"), ("reset_start", "stop")))
        if self.ratio <= 1:
            raise BenchError(f"width ratio = {self.ratio} is not above 1: widths would not grow")

    @property
    def strongest(self) -> tuple[Volt, Volt]:
        """The two amplitudes, V."""
        return self.set_voltage, -self.reset_voltage

    @property
    def widths(self) -> tuple[Second, Second]:
        """Shortest and longest width, s."""
        return min(self.set_start, self.reset_start), self.stop

    def policy(self, count: int) -> "Width":
        """Return the policy for this many cells."""
        return Width(count, self)


class Width:
    """Lengthens the pulse while the direction repeats, and starts again when it turns.

    Parameters
    ----------
    count
        Number of cells.
    settings
        Amplitudes and widths.

    References
    ----------
    ArC ONE's converge-to-state module, which steps the width from pulse to pulse in percent.
    """

    def __init__(self, count: int, settings: WidthSettings) -> None:
        self._settings = settings
        self._direction = np.zeros(count, dtype=np.intp)
        self._width = np.zeros(count)

    def next(self, index: Indices, conductance: Array, target: Array) -> tuple[Array, Array]:
        """Return signed amplitudes (V) and widths (s); see `Policy.next`."""
        s = self._settings
        direction = np.where(target > conductance, 1, -1)
        longer = np.minimum(self._width[index] * s.ratio, s.stop)
        start = np.where(direction > 0, s.set_start, s.reset_start)
        width = np.where(direction == self._direction[index], longer, start)
        self._direction[index], self._width[index] = direction, width
        return np.where(direction > 0, s.set_voltage, -s.reset_voltage), width

    def exhausted(self, index: Indices) -> Mask:
        """Return True for cells whose last pulse was the longest."""
        return np.asarray(self._width[index] >= self._settings.stop, dtype=np.bool_)
