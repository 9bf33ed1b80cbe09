"""Hyperbolic-sine conduction, ohmic at low voltage."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Ampere, Array, Volt
from sim_backend.devices.device import Law, Where


@dataclass(frozen=True, slots=True)
class SinhLaw:
    """I = G sinh(bV)/b, the usual compact form for hopping and tunnelling; b = 0 is Ohm's law.

    Parameters
    ----------
    nonlinearity
        b, 1/V.

    References
    ----------
    The sinh term of Chang, Jo, Lu, Appl. Phys. A 102 (2011) 857.
    """

    nonlinearity: float

    @property
    def linear(self) -> bool:
        """True where f(V) = V exactly."""
        return self.nonlinearity == 0.0

    @property
    def shared(self) -> bool:
        """True: one f for all cells."""
        return True

    def at(self, cells: Where) -> Law:
        """Return this law."""
        return self

    def effective(self, voltage: Array) -> Array:
        """Return sinh(bV)/b, V."""
        if self.linear:
            return voltage
        return np.sinh(self.nonlinearity * voltage) / self.nonlinearity

    def slope(self, voltage: Array) -> Array:
        """Return cosh(bV)."""
        if self.linear:
            return np.ones_like(voltage)
        return np.cosh(self.nonlinearity * voltage)

    def inverse(self, effective: Array) -> Array:
        """Return arsinh(b f)/b, V."""
        if self.linear:
            return effective
        return np.arcsinh(self.nonlinearity * effective) / self.nonlinearity


def limited_voltage(law: Law, conductances: Array, voltage: Volt, compliance: Ampere) -> Array:
    """Return the voltage left at cells when a source limits its current.

    Parameters
    ----------
    law
        I-V law of the cells.
    conductances
        S, any shape, above zero.
    voltage
        Asked for, V.
    compliance
        Largest magnitude of the current, A.

    Returns
    -------
    Array
        V, shape of `conductances`: `voltage` itself where the current stays below `compliance`.
    """
    largest = law.inverse(compliance / conductances)
    return np.where(largest < abs(voltage), np.copysign(largest, voltage), voltage)
