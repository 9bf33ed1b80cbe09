"""What the edges of a pulse take from its width."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Second, Volt
from sim_backend.devices.device import Device

CONSTANTS, POINTS = 10.0, 96
"""Time constants of an edge that count, and points on it."""


@dataclass(frozen=True, slots=True)
class Edges:
    """How the lines follow: with at most a slope, then exponentially.

    Parameters
    ----------
    slew
        V/s.
    constant
        s.
    """

    slew: float
    constant: Second

    def effective(self, device: Device, voltage: Volt, width: Second) -> Second:
        """Return how long the full voltage would do what a pulse with its edges does, s.

        The pulse rises from 0 V at its beginning and falls to 0 V from its end on.

        Parameters
        ----------
        device
            Whose stress counts.
        voltage
            Of the pulse, V.
        width
            From the beginning of the one edge to that of the other, s.
        """
        ramp = max(abs(voltage) / self.slew - self.constant, 0.0)
        left = self.constant / (self.constant + ramp)
        age = np.linspace(0.0, ramp + CONSTANTS * self.constant, POINTS)
        to_go = np.where(
            age < ramp,
            1.0 - age * (1.0 - left) / (ramp or 1.0),
            left * np.exp(-np.maximum(age - ramp, 0.0) / self.constant),
        )
        rates = device.stress(voltage * np.concatenate([1.0 - to_go, to_go, [1.0]]))
        if rates[-1] == 0.0:
            return width
        rising, falling = (rates[:-1] / rates[-1]).reshape(2, -1)
        part = age <= width
        last = float(age[-1])
        done = float(np.trapezoid(rising[part], age[part])) + max(width - last, 0.0)
        # A pulse that ends while it still rises falls from where it is: there is less left to do.
        return done + float(np.trapezoid(falling, age)) * min(width / last, 1.0)
