"""Steps of the amplitude from how the error compares with what the last pulse did."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Indices, Mask, Second, Siemens, Volt
from crossbar.programming.checks import check_settings

LARGEST_STEP = 2.0
"""Decades of error over shift that a step answers: a cell that did not move has infinitely many."""


@dataclass(frozen=True, slots=True)
class LogStepSettings:
    """Where the amplitudes start and end, and how they step.

    Parameters
    ----------
    set_start, set_stop
        First and largest SET amplitude, V.
    reset_start, reset_stop
        The same for RESET, V, given without the sign.
    gain
        Change of the amplitude for each decade of error over last shift, V.
    restart
        A shift larger than this makes the amplitude start again, S.
    width
        Of every pulse, s.

    Raises
    ------
    BenchError
        If a value is not positive and finite, or a stop is below its start.
    """

    set_start: Volt = 3.0
    set_stop: Volt = 4.5
    reset_start: Volt = 2.2
    reset_stop: Volt = 3.8
    gain: Volt = 0.3
    restart: Siemens = 16e-6
    width: Second = 100e-6

    def __post_init__(self) -> None:
        check_settings("log-step", self, (("set_start", "set_stop"), ("reset_start", "reset_stop")))

    @property
    def strongest(self) -> tuple[Volt, Volt]:
        """Largest amplitude of each direction, V."""
        return self.set_stop, -self.reset_stop

    @property
    def widths(self) -> tuple[Second, Second]:
        """The one width, s."""
        return self.width, self.width

    def policy(self, count: int) -> "LogStep":
        """Return the policy for this many cells."""
        return LogStep(count, self)


class LogStep:
    """Adds gain * log10(abs(error) / abs(last shift)): up if it moved too little, down if too much.

    Parameters
    ----------
    count
        Number of cells.
    settings
        Amplitudes and steps.

    References
    ----------
    3it-inpaqt/QDMS, the rule "log": 0.1 V per decade, restart after a shift above 20 % of the range
    and when the direction turns.
    """

    def __init__(self, count: int, settings: LogStepSettings) -> None:
        self._settings = settings
        self._direction = np.zeros(count, dtype=np.intp)
        self._amplitude = np.zeros(count)
        self._before = np.zeros(count)

    def next(self, index: Indices, conductance: Array, target: Array) -> tuple[Array, Array]:
        """Return signed amplitudes (V) and widths (s); see `Policy.next`."""
        s = self._settings
        up = target > conductance
        direction = np.where(up, 1, -1)
        error = np.abs(target - conductance)
        # Against the pulse's direction is no shift: such a pulse was too weak.
        shift = np.maximum((conductance - self._before[index]) * direction, 0.0)
        least = np.finfo(np.float64).tiny
        decades = np.log10(np.maximum(error, least)) - np.log10(np.maximum(shift, least))
        step = s.gain * np.clip(decades, -LARGEST_STEP, LARGEST_STEP)
        start = np.where(up, s.set_start, s.reset_start)
        goes_on = (direction == self._direction[index]) & (shift <= s.restart)
        amplitude = np.where(goes_on, self._amplitude[index] + step, start)
        amplitude = np.clip(amplitude, start, np.where(up, s.set_stop, s.reset_stop))
        self._direction[index], self._amplitude[index] = direction, amplitude
        self._before[index] = conductance
        return amplitude * direction, np.full(len(index), s.width)

    def exhausted(self, index: Indices) -> Mask:
        """Return True for cells whose last pulse had the largest amplitude."""
        s = self._settings
        top = np.where(self._direction[index] > 0, s.set_stop, s.reset_stop)
        return np.asarray(self._amplitude[index] >= top, dtype=np.bool_)
