"""Pins that a serial protocol drives."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array, Second
from sim_backend.virtual.libdwf.chassis import Chassis
from sim_backend.virtual.libdwf.failure import invalid
from sim_backend.virtual.signals import Steps

PINS = 16


class ProtocolPins:
    """The pins that protocols hold, and what they do during a transfer.

    Parameters
    ----------
    chassis
        Of the device.
    """

    def __init__(self, chassis: Chassis) -> None:
        self._chassis = chassis
        self._held: dict[int, int] = {}
        self._times: Array = np.empty(0)
        self._levels: NDArray[np.int32] = np.empty(0, np.int32)

    def hold(self, levels: dict[int, int]) -> None:
        """Drive pins at these levels from now on."""
        self._chassis.advance()
        self._held.update(levels)

    def release(self, *pins: int) -> None:
        """Leave pins alone from now on."""
        self._chassis.advance()
        for pin in pins:
            self._held.pop(pin, None)

    def reset(self) -> None:
        """Leave all pins alone from now on."""
        self.release(*list(self._held))

    def send(self, levels: dict[int, NDArray[Any]], step: Second) -> Second:
        """Let pins take one level after the other; return when the first began.

        Parameters
        ----------
        levels
            Levels of each pin, all of the same length.
        step
            For which each level holds, s.
        """
        self._chassis.advance()
        start = self._chassis.now
        count = max(len(values) for values in levels.values())
        total = np.zeros(count + 1, np.int32)
        for pin in self._held.keys() | levels.keys():
            idle = self._held.get(pin, 0)
            values = levels.get(pin, np.full(count, idle))
            total |= np.append(values, idle).astype(np.int32) << pin
        self._times = start + step * np.arange(count + 1, dtype=np.float64)
        self._levels = total
        for pin in levels:
            self._held.setdefault(pin, 0)
        self._chassis.world.clock.sleep(step * count)
        self._chassis.advance()
        self._times, self._levels = np.empty(0), np.empty(0, np.int32)
        return start

    def levels(self, start: Second, end: Second) -> tuple[Steps, int]:
        """Return the levels of its pins in an interval, and which pins it drives."""
        mask = sum(1 << pin for pin in self._held)
        if not len(self._times):
            fixed = sum(level << pin for pin, level in self._held.items())
            return Steps.constant(start, fixed), mask
        inside = (self._times > start) & (self._times < end)
        at_start = Steps(self._times, self._levels).at(np.array([start])).astype(np.int32)
        return (
            Steps(
                np.concatenate([[start], self._times[inside]]),
                np.concatenate([at_start, self._levels[inside]]),
            ),
            mask,
        )


def pin_number(number: int, position: int = 1) -> int:
    """Return the number of a pin that exists."""
    if not 0 <= number < PINS:
        raise invalid(position, f"there is no pin {number}, only 0 to {PINS - 1}")
    return number
