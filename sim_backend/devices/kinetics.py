"""How fast a state moves, and where it is after a dose: closed forms shared by device models."""

from collections.abc import Callable, Iterator

import numpy as np

from crossbar.backend import Array, Second, Volt

LARGEST_EXPONENT = 600.0
"""Beyond e^600 times the rate at threshold every state is at its end within a femtosecond."""

COMPLIANCE_GRID = 1200
"""Points per solve under compliance: 100 per decade, 2.3 % steps of the dose."""

SLOWEST = 1e-30
"""Of the free rate: slower than this, nothing moves in the age of the universe."""

BLOCK = 16384
"""Values worked on at once: their intermediate results, 128 KiB each, stay in the second cache."""


def blocks(count: int) -> Iterator[slice]:
    """Yield slices that cover this many values, each short enough for the processor's cache."""
    for begin in range(0, count, BLOCK):
        yield slice(begin, min(begin + BLOCK, count))


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


def signed_ratio(voltage: Array, set_reference: Volt, reset_reference: Volt, scale: Volt) -> Array:
    """Return `sinh_ratio` with the sign of the voltage, each polarity having its own reference.

    Parameters
    ----------
    voltage
        V, any shape.
    set_reference, reset_reference
        Magnitudes at which the ratio is 1 for voltages above zero and for the others, V.
    scale
        s, V.
    """
    # The denominator has two values only; expm1 is what takes the time.
    references = (set_reference, reset_reference)
    ends = [np.expm1(-2 * reference / scale) for reference in references]
    flat = np.asarray(voltage).reshape(-1)
    ratio = np.empty(flat.size)
    for part in blocks(flat.size):
        size, up = np.abs(flat[part]), flat[part] > 0
        exponent = np.minimum((size - np.where(up, *references)) / scale, LARGEST_EXPONENT)
        ratio[part] = np.exp(exponent) * np.expm1(-2 * size / scale) / np.where(up, *ends)
    return np.copysign(ratio, flat).reshape(np.shape(voltage))


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
    # Where no state is at its end, which is nearly always, nothing needs to be guarded.
    free = distance.min(initial=1.0) > 0
    ahead = distance if free else np.maximum(distance, 0.0)
    if exponent == 1.0:
        moved = ahead * np.exp(-dose)
    else:
        order = exponent - 1.0
        # 0^order diverges for order < 0; a state at its end is replaced below in any case
        scaled = (ahead if free else np.where(ahead > 0, ahead, 1.0)) ** order
        grown = order * dose
        grown *= scaled
        grown += 1.0
        if order < 0:
            np.maximum(grown, 0.0, out=grown)
        moved = ahead * grown ** (-1.0 / order)
    return moved if free else np.where(distance > 0, moved, distance)


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
    after = np.array(state, dtype=np.float64, order="C")
    # Positions, not masks: NumPy takes and puts them several times as fast.
    flat, doses = after.reshape(-1), np.broadcast_to(dose, after.shape).reshape(-1)
    if doses.min(initial=1.0) > 0:
        return 1.0 - decay(1.0 - after, dose, set_exponent)
    if doses.max(initial=-1.0) < 0:
        return decay(after, -dose, reset_exponent)
    up, down = np.flatnonzero(doses > 0), np.flatnonzero(doses < 0)
    flat[up] = 1.0 - decay(1.0 - flat[up], doses[up], set_exponent)
    flat[down] = decay(flat[down], -doses[down], reset_exponent)
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
