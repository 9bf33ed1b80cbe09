"""Current of the simplified JART VCM v1b device, and the law that it gives each cell.

The device counts voltages with the opposite sign of ours: its SET is negative. Here voltages are
ours, SET positive, and so is the sign of a current; N is in 1e26 m^-3.

References
----------
IBM/aihwkit, branch of the JART device, rpu_JART_v1b_device.h and .cpp (Yu, Forschungszentrum
Jülich, 2022): the constants a0 ... k0, and the two branches of the current.
"""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Volt
from sim_backend.devices.device import Law, Where

READ: Volt = -0.2
"""At which conductances are stated: 0.2 V in the device's own sign, on its RESET branch."""

SET_EDGE: Volt = 1.5  # assumed: further out the fitted current turns over, and has no inverse
RESET_EDGE: Volt = 5.0  # assumed: further out the leads take more voltage than there is
REFERENCE = 0.008
"""N at which the RESET branch's fit is normalised; aihwkit, Ndiscmin."""

STEP: Volt = 1e-6
"""Of the difference that stands for the slope."""

STEPS = 60
"""Bisection alone would reach rounding with so many."""


def set_current(voltage: Array, concentration: Array) -> Array:
    """Return the current's magnitude, A, at positive voltages of at most `SET_EDGE`."""
    V, N = -voltage, concentration
    a0, a2, a3 = 4.81951e-5, 1.03685, 0.34567
    alpha = a0 * (1 + np.exp(-a2 / a3)) / (1 + np.exp(-(V + a2) / a3)) - a0
    beta = 4.2383e-5 * (1 - np.exp(-V)) - 7.0526e-4 * V
    c = 4.2125 * np.exp(-V / 1.4134) + 2.8646 * V - 4.004
    d = 7.4235 * np.exp(-V / 4.0585) + 1.4524 * V - 6.6103
    f = 6.326e-4 + (1.4711 - 6.326e-4) / (1 + (-V / 0.5199) ** 1.561)
    size: Array = alpha + beta / (1 + (c / N) ** d) ** f
    return size


def reset_current(voltage: Array, concentration: Array) -> Array:
    """Return the current's magnitude, A, at magnitudes of the voltage of at most `RESET_EDGE`."""
    g = 4.84e-3 * -np.expm1(-0.1353 * voltage)
    h = 5.548 + 6.8648 * voltage + 51.586 * np.exp(-0.36 * voltage)
    size: Array = g / (1 + h * (concentration / REFERENCE) ** -1.054) ** (1 / 1.0526)
    return size


def current(voltage: Array, concentration: Array) -> Array:
    """Return the current, A; beyond the edges of the fits it goes on in proportion.

    Parameters
    ----------
    voltage, concentration
        V and 1e26 m^-3, of shapes that broadcast.
    """
    V, N = np.broadcast_arrays(voltage, concentration)
    size = np.abs(V)
    inside = np.minimum(size, np.where(V > 0, SET_EDGE, RESET_EDGE))
    flowing = np.empty(V.shape)
    up = V > 0
    flowing[up] = set_current(inside[up], N[up])
    flowing[~up] = reset_current(inside[~up], N[~up])
    scale = np.divide(size, inside, out=np.ones(V.shape), where=inside > 0)
    signed: Array = np.copysign(flowing * scale, V)
    return signed


def conductance(concentration: Array) -> Array:
    """Return the conductances at `READ`, S."""
    read = np.full(np.shape(concentration), -READ)
    conductances: Array = reset_current(read, concentration) / -READ
    return conductances


def concentration_of(conductances: Array) -> Array:
    """Return N at which the conductance at `READ` is this, S; NaN where there is none."""
    g = 4.84e-3 * -np.expm1(0.1353 * READ)
    h = 5.548 - 6.8648 * READ + 51.586 * np.exp(0.36 * READ)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = (g / (-READ * np.asarray(conductances))) ** 1.0526 - 1
        concentrations: Array = REFERENCE * (ratio / h) ** (-1 / 1.054)
    return concentrations


def voltage_of(currents: Array, concentration: Array, scale: Array) -> Array:
    """Return the voltage, V, at which a device of `scale` times the current carries these, A.

    The current grows with the voltage throughout, so that Newton's steps, each kept between the
    best bounds so far, cannot miss.
    """
    wanted, N = np.broadcast_arrays(np.abs(currents / scale), concentration)
    sign = np.sign(np.broadcast_to(currents, wanted.shape))
    low = np.zeros(wanted.shape)
    edges = np.where(sign > 0, SET_EDGE, RESET_EDGE)
    at_edge = np.abs(current(sign * edges, N))
    # Beyond the edge the current is proportional, which the bound needs no search for.
    high = np.where(wanted > at_edge, edges * wanted / np.where(at_edge > 0, at_edge, 1.0), edges)
    guess = np.where(wanted > at_edge, high, edges / 2)
    for _ in range(STEPS):
        found = np.abs(current(sign * guess, N))
        low, high = np.where(found < wanted, guess, low), np.where(found > wanted, guess, high)
        slope = (np.abs(current(sign * (guess + STEP), N)) - found) / STEP
        step = guess + (wanted - found) / np.where(slope > 0, slope, np.inf)
        following = np.where((step > low) & (step < high), step, (low + high) / 2)
        following = np.where(found == wanted, guess, following)
        if np.all(np.abs(following - guess) <= 1e-15 + 4e-16 * guess):
            break
        guess = following
    return sign * guess


@dataclass(frozen=True, slots=True, eq=False)
class JartLaw:
    """I = G f(V) of cells in these states, with G the conductance at `READ`.

    Parameters
    ----------
    concentration
        N of each cell, 1e26 m^-3.
    """

    concentration: Array

    @property
    def linear(self) -> bool:
        """False."""
        return False

    @property
    def shared(self) -> bool:
        """False: f depends on the cell's state."""
        return False

    def at(self, cells: Where) -> Law:
        """Return the law of these cells."""
        return JartLaw(self.concentration[cells])

    def effective(self, voltage: Array) -> Array:
        """Return f(V), V."""
        return current(voltage, self.concentration) / conductance(self.concentration)

    def slope(self, voltage: Array) -> Array:
        """Return df/dV, by a difference that does not reach across 0 V."""
        size = np.abs(voltage)
        outer = np.copysign(size + STEP, voltage)
        difference = np.abs(self.effective(outer) - self.effective(voltage))
        return np.asarray(difference / STEP)

    def inverse(self, effective: Array) -> Array:
        """Return the voltage, V, at which f takes this value."""
        return voltage_of(effective, self.concentration, 1.0 / conductance(self.concentration))
