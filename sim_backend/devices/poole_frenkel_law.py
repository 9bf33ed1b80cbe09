"""Poole-Frenkel emission as the law of each cell, with its inverse in closed form."""

from dataclasses import dataclass

import numpy as np
from scipy.special import lambertw

from crossbar.backend import Array, Volt
from sim_backend.devices import kinetics
from sim_backend.devices.device import Law, Where

READ: Volt = 0.1
"""At which R is stated; joksas/nonideality-aware-mnn-training, simulations/data.py."""


@dataclass(frozen=True, slots=True, eq=False)
class PooleFrenkelLaw:
    """I = G V exp(k (sqrt|V| - sqrt(0.1 V))), with G the conductance at 0.1 V.

    Parameters
    ----------
    exponent
        k of each cell, V^-1/2, zero or more.
    """

    exponent: Array

    @property
    def linear(self) -> bool:
        """False."""
        return False

    @property
    def shared(self) -> bool:
        """False: k is the cell's, and depends on its state."""
        return False

    def at(self, cells: Where) -> Law:
        """Return the law of these cells."""
        return PooleFrenkelLaw(self.exponent[cells])

    def effective(self, voltage: Array) -> Array:
        """Return f(V), V."""
        return voltage * self._enhancement(voltage)

    def slope(self, voltage: Array) -> Array:
        """Return df/dV."""
        return self._enhancement(voltage) * (1.0 + self.exponent * np.sqrt(np.abs(voltage)) / 2)

    def inverse(self, effective: Array) -> Array:
        """Return the voltage, V, by Lambert's W: u exp(k u / 2) is known for u = sqrt|V|."""
        k = np.maximum(self.exponent, 1e-12)  # of k = 0 the limit
        known = np.sqrt(np.abs(effective)) * np.exp(k * np.sqrt(READ) / 2)
        root = lambertw(k * known / 2).real * 2 / k
        voltages: Array = np.copysign(root**2, effective)
        return voltages

    def _enhancement(self, voltage: Array) -> Array:
        exponent = self.exponent * (np.sqrt(np.abs(voltage)) - np.sqrt(READ))
        factor: Array = np.exp(np.minimum(exponent, kinetics.LARGEST_EXPONENT))
        return factor
