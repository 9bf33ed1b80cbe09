"""Curves of devices whose figures of merit are known."""

import numpy as np

from crossbar.backend import Array, Volt
from crossbar.curves import Curve, Origin, PulseTable

ORIGIN = Origin("made.csv", "text")


def triangle(high: Volt, low: Volt, step: Volt, cycles: int = 1) -> Array:
    """0 V, up, down, and back to 0 V, which the next cycle begins with again."""
    up = np.arange(0.0, high + step / 2, step)
    down = np.arange(high - step, low - step / 2, -step)
    back = np.arange(low + step, step / 2, step)
    return np.tile(np.round(np.concatenate([up, down, back]), 9), cycles)


def curve(voltage: Array, current: Array, name: str = "D1") -> Curve:
    return Curve(name, voltage, current, np.zeros(len(voltage), dtype=np.intp), ORIGIN)


def switched(
    voltage: Array,
    *,
    v_set: Volt = 1.0,
    v_reset: Volt = -1.5,
    low: float = 1e-6,
    high: float = 1e-4,
) -> Array:
    """Currents of a device that jumps between two conductances."""
    currents, conductance = [], low
    for each in voltage.tolist():
        if each * np.sign(v_set) >= abs(v_set) - 1e-9:
            conductance = high
        elif each * np.sign(v_reset) >= abs(v_reset) - 1e-9:
            conductance = low
        currents.append(conductance * each)
    return np.array(currents)


def rising(cycles: int, points: int, sigma: float, seed: int = 0) -> Array:
    """Conductances, S, over a decade, with independent log-normal deviations."""
    rng = np.random.default_rng(seed)
    mean = np.geomspace(1e-6, 1e-5, points)
    return np.asarray(mean * np.exp(sigma * rng.normal(size=(cycles, points))))


def swept(conductances: Array, high: Volt = 2.0) -> Curve:
    """A curve whose positive up branches have the given conductances, and that returns along the
    last of each."""
    points = conductances.shape[1]
    up = np.linspace(0.0, high, points + 1)
    voltage = np.concatenate([up, up[-2::-1]])
    currents = [
        np.concatenate([[0.0], each * up[1:], each[-1] * up[-2::-1]]) for each in conductances
    ]
    return curve(np.tile(voltage, len(conductances)), np.concatenate(currents))


def pulses(trains: Array, *, normalised: bool = False) -> PulseTable:
    """SET trains, each followed by a RESET train back down."""
    cycles, length = trains.shape
    both = np.concatenate([trains, trains[:, ::-1]], axis=1)
    polarity = np.tile(np.repeat([1, -1], length), cycles)
    number = np.repeat(np.arange(cycles), 2 * length)
    return PulseTable("P1", both.ravel(), polarity, number, ORIGIN, normalised=normalised)
