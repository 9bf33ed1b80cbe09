"""The course of one perovskite cell's state without chance, fast enough to be fitted.

The same laws as `sim_backend.devices.perovskite`, for one cell after another point: Python's own
floats are several times faster here than arrays of one element.
"""

import math
from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Mask, Second
from sim_backend.devices import kinetics
from sim_backend.devices.perovskite import Perovskite

STILL = 1e-9
"""Doses below this move nothing that a measurement sees."""


@dataclass(frozen=True, slots=True, eq=False)
class Drive:
    """What a cell was made to see, point by point.

    Parameters
    ----------
    voltage
        V, at the cell where `limited` is False, and asked for where it is True.
    current
        Measured, A: what the cell carried where a compliance held it.
    limited
        True where a compliance held the current.
    dwell
        Time at each point, s.
    """

    voltage: Array
    current: Array
    limited: Mask
    dwell: Second


def conducted(model: Perovskite, states: Array, voltages: Array) -> Array:
    """Return the currents, A, of states at voltages."""
    G = model.conductance_off + states * (model.conductance_on - model.conductance_off)
    b = model.nonlinearity
    currents: Array = G * (np.sinh(b * voltages) / b if b else voltages)
    return currents


def rates(model: Perovskite, voltages: Array) -> Array:
    """Return magnitudes of the median cell's rate, 1/s."""
    threshold = np.where(voltages > 0, model.set_threshold, model.reset_threshold)
    rates: Array = model.rate * kinetics.sinh_ratio(voltages, threshold, model.voltage_scale)
    return rates


def states_after(
    model: Perovskite, drive: Drive, start: float, gains: Array | float = 0.0
) -> Array:
    """Return the state after each point's dwell.

    Parameters
    ----------
    model
        Its medians; spreads, relaxation and drift are left out.
    drive
        Of shape ``(n,)``.
    start
        State before the first point.
    gains
        ln of a factor on each point's dose, shape ``(n,)``, or on all of them.
    """
    signed = np.copysign(rates(model, drive.voltage) * drive.dwell, drive.voltage)
    doses = signed * np.exp(gains)
    moving = np.flatnonzero(np.abs(doses) > STILL)
    columns = (doses, drive.limited, drive.voltage, drive.current)
    up, down = model.set_exponent, model.reset_exponent
    x, states = start, [start]
    for full, limited, volts, current in zip(*(c[moving].tolist() for c in columns), strict=True):
        dose = full * _slowed(model, x, volts, current) if limited else full
        x = 1.0 - _decayed(1.0 - x, dose, up) if dose > 0 else _decayed(x, -dose, down)
        states.append(x)
    passed = np.zeros(len(doses), dtype=np.intp)
    passed[moving] = 1
    found: Array = np.array(states)[np.cumsum(passed)]
    return found


def _decayed(distance: float, dose: float, exponent: float) -> float:
    """Return `kinetics.decay` of one number."""
    if distance <= 0.0:
        return distance
    order = exponent - 1.0
    if order == 0.0:
        return distance * math.exp(-dose)
    grown: float = 1.0 + order * dose * distance**order
    return distance * grown ** (-1.0 / order) if grown > 0 else 0.0


def _slowed(model: Perovskite, state: float, voltage: float, current: float) -> float:
    """Return the rate at the voltage that the compliance leaves, in units of that without it."""
    G = model.conductance_off + state * (model.conductance_on - model.conductance_off)
    b, wanted = model.nonlinearity, abs(current) / G
    left = min(math.asinh(b * wanted) / b if b else wanted, abs(voltage))
    s = model.voltage_scale
    return (
        math.exp((left - abs(voltage)) / s)
        * math.expm1(-2 * left / s)
        / math.expm1(-2 * abs(voltage) / s)
    )
