"""How fast a state moves, and where it is after a dose: closed forms shared by device models."""

from collections.abc import Callable

import numpy as np

from crossbar.backend import Array, Second, Volt

LARGEST_EXPONENT = 600.0
"""Beyond e^600 times the rate at threshold every state is at its end within a femtosecond."""

COMPLIANCE_GRID = 1200
"""Points per solve under compliance: 100 per decade, 2.3 % steps of the dose."""

SLOWEST = 1e-30
"""Of the free rate: slower than this, nothing moves in the age of the universe."""


def sinh_ratio(voltage: Array, reference: Volt | Array, scale: Volt) -> Array:
    """Return sinh(abs(V)/s) / sinh(V_ref/s) without overflow, zero at 0 V.

    Parameters
    ----------
    voltage
        V, any shape; its sign is ignored.
    reference
        Voltage at which the ratio is 1, V, above zero.
    scale
        s, V.
    """
    size = np.abs(voltage)
    exponent = np.minimum((size - reference) / scale, LARGEST_EXPONENT)
    return np.exp(exponent) * np.expm1(-2 * size / scale) / np.expm1(-2 * reference / scale)


def decay(distance: Array, dose: Array, exponent: float) -> Array:
    """Return y after a dose D of dy/dD = -y^γ, in closed form.

    Parameters
    ----------
    distance
        y at the start: how far the state is from the end that it moves to. At or beyond that end
        (y ≤ 0) nothing moves.
    dose
        D ≥ 0, same shape.
    exponent
        γ > 0. Below 1 the end is reached in finite time, and kept.
    """
    ahead = np.maximum(distance, 0.0)
    if exponent == 1.0:
        moved = ahead * np.exp(-dose)
    else:
        order = exponent - 1.0
        # 0^order diverges for order < 0; a state at its end is replaced below in any case
        scaled = np.where(ahead > 0, ahead, 1.0) ** order
        moved = ahead * np.maximum(1.0 + order * dose * scaled, 0.0) ** (-1.0 / order)
    return np.where(distance > 0, moved, distance)


def moved(state: Array, dose: Array, set_exponent: float, reset_exponent: float) -> Array:
    """Return states in [0, 1] after signed doses: positive moves to 1, negative to 0.

    Parameters
    ----------
    state
        x, any shape.
    dose
        Integral of the rate over time, same shape; its sign is the polarity.
    set_exponent, reset_exponent
        γ of dx/dD = (1-x)^γ and of dx/dD = -x^γ.
    """
    after = np.array(state, dtype=np.float64)
    up, down = dose > 0, dose < 0
    after[up] = 1.0 - decay(1.0 - after[up], dose[up], set_exponent)
    after[down] = decay(after[down], -dose[down], reset_exponent)
    return after


def dose_under_compliance(
    rate: Callable[[Array], Array],
    cell_voltage: Callable[[Array], Array],
    voltage: Volt,
    width: Second,
) -> float:
    """Return the dose that a cell takes while its voltage is lowered as its conductance grows.

    Separating dD/dt = rate(V(D)) gives t(D) as an integral, which is tabulated once over all
    doses up to the one without compliance, and read at `width`.

    Parameters
    ----------
    rate
        Magnitude of the rate, 1/s, at these voltages.
    cell_voltage
        Voltage at the cell, V, after these doses (magnitudes, ≥ 0).
    voltage
        Voltage asked for, V.
    width
        s.

    Returns
    -------
    float
        Magnitude of the dose.
    """
    full = float(rate(np.array([voltage]))[0])
    free = full * width
    if free == 0.0:
        return 0.0
    doses = np.concatenate([[0.0], free * np.geomspace(1e-12, 1.0, COMPLIANCE_GRID)])
    voltages = cell_voltage(doses)
    if np.all(voltages == voltage):
        return free
    slowness = 1.0 / np.maximum(rate(voltages), full * SLOWEST)
    steps = np.diff(doses) * (slowness[1:] + slowness[:-1]) / 2
    return float(np.interp(width, np.concatenate([[0.0], np.cumsum(steps)]), doses))
