"""Whether a curve is a memristor's at all, or a resistor's, a capacitor's, or of nothing."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Indices
from crossbar.curves.measured import Curve
from crossbar.merit.cycles import cycle_slices, directions

KINDS = ("memristive", "ohmic", "capacitive", "open", "unknown")
NO_MEMRISTORS = ("ohmic", "capacitive", "open")

SIGNAL = 3.0
"""Current over noise, both as root mean squares, below which nothing is seen to flow."""
CLOSED = 0.03  # assumed: resistors of 13 curves of a validation set have 0.01, memristors 0.09
"""Area of the loop, as a part of that under both ways, below which there is no hysteresis."""
NOISE_LOOP = 1.3
"""Area that noise alone gives a loop, times current over noise: 2 standard deviations of it."""
PINCHED = 0.5  # assumed: capacitors have 0.9, memristors with a capacitor beside them up to 0.4
"""Opening at 0 V, as a part of the widest, above which a loop does not cross itself there."""
NEAR = 0.03
"""Part of the largest voltage that counts as 0 V."""
GRID = 201


@dataclass(frozen=True, slots=True)
class Kind:
    """What a curve is of, and why.

    Parameters
    ----------
    name
        One of `KINDS`.
    reason
        In words.
    hysteresis
        Area between the two ways over the area under both, 0 to 1; NaN without two ways.
    at_zero
        Opening of the loop at 0 V over its widest, 0 to 1; NaN without two ways.
    phase
        By which current leads voltage, degrees: 0 of a resistor, 90 of a capacitor.
    signal_to_noise
        Of the current.
    """

    name: str
    reason: str
    hysteresis: float
    at_zero: float
    phase: float
    signal_to_noise: float


def kind(curve: Curve) -> Kind:
    """Return what a curve is of: what most of its cycles are of.

    Parameters
    ----------
    curve
        Divided into cycles.
    """
    found = [
        _of_cycle(curve.voltage[points], curve.current[points]) for points in cycle_slices(curve)
    ]
    names = [each.name for each in found]
    name, count = Counter(names).most_common(1)[0]
    # Of the cycles of this kind the one in the middle speaks for all.
    alike = sorted((each for each in found if each.name == name), key=lambda k: k.hysteresis)
    chosen = alike[len(alike) // 2]
    if count == len(found):
        return chosen
    others = ", ".join(f"{i} {each}" for i, each in enumerate(names) if each != name)
    return Kind(
        name,
        f"{chosen.reason}; so {count} of {len(found)} cycles, but cycle {others}",
        *(chosen.hysteresis, chosen.at_zero, chosen.phase, chosen.signal_to_noise),
    )


def _of_cycle(voltage: Array, current: Array) -> Kind:
    """Return what one cycle is of."""
    known = np.isfinite(current)
    voltage, current = voltage[known], current[known]
    nothing = (float("nan"),) * 3
    if len(current) < 5 or not np.ptp(voltage) > 0:
        return Kind("unknown", f"{len(current)} points are too few", *nothing, float("nan"))
    # In units of its largest, because nothing here depends on the unit but a resistance in words.
    scale = float(np.abs(current).max()) or 1.0
    current = current / scale
    clear = _signal(current)
    if clear < SIGNAL:
        reason = f"the current is {clear:.1f} times its noise; nothing is seen to flow"
        return Kind("open", reason, *nothing, clear)
    way = directions(voltage)
    if min((way > 0).sum(), (way < 0).sum()) < 3:
        return Kind("unknown", "the sweep does not return: there is no loop", *nothing, clear)
    hysteresis, at_zero = _loop(voltage, current, way)
    phase = _phase(voltage, current, way)
    numbers = hysteresis, at_zero, phase, clear
    part = f"{100 * hysteresis:.2g} %"
    if hysteresis < max(CLOSED, NOISE_LOOP / clear):
        reason = f"no hysteresis: the loop's area is {part}{_bend(voltage, current, scale)}"
        return Kind("ohmic", reason, *numbers)
    if at_zero > PINCHED:
        reason = (
            f"at 0 V the loop is open by {100 * at_zero:.0f} % of its widest, and the current "
            f"leads by {phase:.0f} degrees"
        )
        return Kind("capacitive", reason, *numbers)
    beside = " (a capacitance opens it there)" if at_zero > 0.1 else ""
    reason = f"a loop of {part}, pinched at 0 V to {100 * at_zero:.2g} % of its widest{beside}"
    return Kind("memristive", reason, *numbers)


def _signal(current: Array) -> float:
    """Return current over noise; noise is what second differences leave of a smooth curve."""
    second = np.diff(current, 2)
    noise = 1.4826 * float(np.median(np.abs(second))) / np.sqrt(6)
    signal = float(np.sqrt(np.mean(current**2)))
    if signal == 0:
        return 0.0
    return signal / noise if noise > 0 else float("inf")


def _loop(voltage: Array, current: Array, way: Indices) -> tuple[float, float]:
    """Return the area between the two ways over that under both, and the opening at 0 V."""
    grid = np.linspace(float(voltage.min()), float(voltage.max()), GRID)
    up, down = (_along(grid, voltage[way == s], current[way == s]) for s in (1, -1))
    opening = np.abs(up - down)
    under = float((np.abs(up) + np.abs(down)).sum())
    # A sweep of one sign comes to rest at 0 V, or near: its end is as near as it gets.
    distance = np.abs(grid) - np.abs(grid).min()
    near = distance <= NEAR * np.abs(grid).max()
    widest = float(opening.max())
    if under == 0 or widest == 0:
        return 0.0, 0.0
    return float(opening.sum()) / under, float(np.median(opening[near])) / widest


def _along(grid: Array, voltage: Array, current: Array) -> Array:
    order = np.argsort(voltage, kind="stable")
    return np.asarray(np.interp(grid, voltage[order], current[order]), dtype=np.float64)


def _phase(voltage: Array, current: Array, way: Indices) -> float:
    """Return by how much current leads voltage, degrees, of a sweep as if it were a sine."""
    centred = voltage - (voltage.max() + voltage.min()) / 2
    alternating = current - current.mean()
    inside = float(np.mean(alternating * centred) / np.sqrt(np.mean(centred**2)))
    ahead = float(np.mean(alternating * way))
    return float(np.degrees(np.arctan2(ahead, inside)))


def _bend(voltage: Array, current: Array, scale: float) -> str:
    """Return what to add where the current of a loop without hysteresis is not straight."""
    slope = float((current * voltage).sum() / (voltage**2).sum())
    rest = float(np.sqrt(np.mean((current - slope * voltage) ** 2) / np.mean(current**2)))
    if rest > 0.1:
        return f"; but the current is not proportional to the voltage ({100 * rest:.0f} % off)"
    return f", and the current is that of {1 / slope / scale:.3g} ohm" if slope > 0 else ""
