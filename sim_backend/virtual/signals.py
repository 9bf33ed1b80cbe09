"""Voltages as functions of time, between virtual instruments and the wiring."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array, Second, Volt


class Signal(Protocol):
    """A voltage that can be asked for at any time of the interval it was made for."""

    def at(self, times: Array) -> Array:
        """Return the voltage at these bench times, V, same shape."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """A piecewise-constant signal: ``value[k]`` holds from ``time[k]`` until ``time[k + 1]``.

    Parameters
    ----------
    time
        Bench time, s, ascending; the first is the start of the interval.
    value
        Volts, or the levels of all pins as the bits of whole numbers; shape ``(n,)``.
    """

    time: Array
    value: NDArray[Any]

    @classmethod
    def constant(cls, start: Second, value: float | int) -> "Steps":
        """Return a signal that does not change."""
        return cls(np.array([start]), np.array([value]))

    def at(self, times: Array) -> Array:
        """Return the value at each time; before the first time, the first value."""
        where = np.searchsorted(self.time, times, side="right") - 1
        held: Array = self.value[np.maximum(where, 0)]
        return held


@dataclass(frozen=True, slots=True, eq=False)
class Stimulus:
    """What the pins of an Analog Discovery 2 do in an interval of bench time.

    Parameters
    ----------
    start, end
        Of the interval, s.
    waveforms
        W1 and W2, V.
    pins
        Levels of the 16 digital pins, bit k is DIO k; a pin that nobody drives is low.
    supplies
        V+ and V-, V; 0 V while off.
    """

    start: Second
    end: Second
    waveforms: tuple[Steps, Steps]
    pins: Steps
    supplies: tuple[Volt, Volt]
