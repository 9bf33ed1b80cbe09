"""The loop of one cycle: what flows on the way out, and on the way back at the same voltage."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Indices, Mask, Volt
from crossbar.curves.measured import Curve
from crossbar.merit.cycles import BRANCHES, RETURNS, branches, cycle_slices

OUTWARD = ("positive up", "negative down")
"""Branches on which the magnitude of the voltage grows."""


@dataclass(frozen=True, slots=True, eq=False)
class Lobe:
    """One sign of the voltage in one cycle.

    Parameters
    ----------
    cycle
        Its number.
    sign
        1 or -1.
    voltage, out
        Magnitudes on the way out, V and A, in the order in which they were taken.
    back
        Magnitude of the current on the way back at the same voltages, A.
    """

    cycle: int
    sign: int
    voltage: Array
    out: Array
    back: Array

    @property
    def opening(self) -> Array:
        """Logarithm of the current on the way back over that on the way out, at each voltage."""
        return np.asarray(np.log(self.back / self.out), dtype=np.float64)


def lobes(curve: Curve, near: float = 0.05) -> Iterator[Lobe]:
    """Yield what each cycle does on either side of 0 V, as far as it can be compared.

    Parameters
    ----------
    curve
        Divided into cycles.
    near
        Part of the largest voltage that is too close to 0 V: offsets and noise rule there.
    """
    number = branches(curve)
    for cycle, points in enumerate(cycle_slices(curve)):
        voltage, current, way = curve.voltage[points], curve.current[points], number[points]
        floor = _offset(voltage, current)
        for sign, outward in zip((1, -1), OUTWARD, strict=True):
            usable = np.isfinite(current) & (sign * current > floor)
            usable &= sign * voltage > near * np.abs(voltage).max(initial=0.0)
            out = usable & (way == BRANCHES[outward])
            back = usable & (way == BRANCHES[RETURNS[outward]])
            if min(out.sum(), back.sum()) < 4:
                continue
            x, y = at_voltages(np.abs(voltage[back]), np.abs(current[back]))
            v, i = np.abs(voltage[out]), np.abs(current[out])
            inside = (v >= x[0]) & (v <= x[-1])
            if inside.sum() >= 4:
                # Between two points the logarithm is straighter than the current of a device.
                yield Lobe(
                    cycle, sign, v[inside], i[inside], np.exp(np.interp(v[inside], x, np.log(y)))
                )


def at_voltages(voltage: Array, values: Array) -> tuple[Array, Array]:
    """Return values by ascending voltage; readings of the same voltage are averaged."""
    unique, which, count = np.unique(voltage, return_inverse=True, return_counts=True)
    return unique, np.bincount(which, values, len(unique)) / count


def currents_at(curve: Curve, voltage: Volt, branch: str, usable: Mask) -> Array:
    """Return the current of each cycle's branch at a voltage, A, NaN outside of what it covers."""
    number = branches(curve)
    found = np.full(curve.cycles, np.nan)
    for cycle, points in enumerate(cycle_slices(curve)):
        chosen: Indices = np.flatnonzero((number[points] == BRANCHES[branch]) & usable[points])
        if len(chosen) < 2:
            continue
        x, y = at_voltages(np.abs(curve.voltage[points][chosen]), curve.current[points][chosen])
        found[cycle] = np.interp(abs(voltage), x, y, left=np.nan, right=np.nan)
    return found


def _offset(voltage: Array, current: Array) -> float:
    """Return the magnitude below which a current cannot be told from what flows at 0 V, A."""
    resting = np.abs(current[(voltage == 0) & np.isfinite(current)])
    return 3 * float(np.median(resting)) if resting.size else 0.0
