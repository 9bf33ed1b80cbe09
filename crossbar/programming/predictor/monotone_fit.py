"""The structured map from pulses: the likeliest Phi, its increments positive by construction.

Pulses of several amplitudes share one Phi if a volt more is worth a factor of the speed.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from crossbar.backend import Array, DataError, Mask, Siemens, Volt
from crossbar.programming.predictor.monotone import MonotoneMap
from crossbar.programming.predictor.shots import Shots

KNOTS = 96

FREEDOM = 5.0  # assumed: degrees of Student's law, so that a wild pulse does not decide
SMOOTH = 1e-4  # assumed: weight of Phi's curvature, which decides only where no pulse was
LOG_SPREADS = (-7.0, 2.0)
"""Bounds of the ln of the spread: 0.1 % is as good as repeatable."""
SAME: Volt = 1e-3
"""Amplitudes that differ less are one: no rate is learnt from them."""

STEEPEST = 80.0
"""1/V: largest rate that is looked for, a decade in 30 mV."""

FURTHEST = 30.0
"""ln of a knot's time against the median pulse's."""


@dataclass(frozen=True, slots=True)
class MonotoneFit:
    """A fitted map and what is left.

    Parameters
    ----------
    map
        Widths at the reference amplitude.
    per_volt
        By what the ln of the speed grows with the amplitude, 1/V; 0 if there was one amplitude.
    spread
        Of the ln of the width about it.
    """

    map: MonotoneMap
    per_volt: float
    spread: float


def fit_monotone(shots: Shots, low: Siemens, high: Siemens, amplitude: Volt) -> MonotoneFit:
    """Return the map that fits pulses of one polarity.

    A pulse that ran into an end of the range counts as long enough, not as just right.

    Parameters
    ----------
    shots
        As `Shots.of` returns them.
    low, high
        Range of the knots, S.
    amplitude
        Magnitude at which the map is to hold, V.

    Raises
    ------
    DataError
        If the range is empty or no pulse is inside it.
    """
    if not 0 <= low < high < np.inf:
        raise DataError(f"{low} to {high} S is not a range of conductance")
    knots = np.linspace(low, high, KNOTS)
    covered = _covered(shots, knots)
    inside = covered.sum(axis=1) > 0
    if not inside.any():
        raise DataError(f"no pulse moved a cell between {low:.4g} and {high:.4g} S")
    task = _Likelihood.of(shots[inside], covered[inside], knots, amplitude)
    start = np.zeros(KNOTS + 1)
    start[:-2] = np.median(task.logs - np.log(task.covered.sum(axis=1)))
    # A line search that went further would overflow; no device's speed varies by as much.
    reach = (start[0] - FURTHEST, start[0] + FURTHEST)
    steep = STEEPEST if np.ptp(task.more) > SAME else 0.0
    bounds = [reach] * (KNOTS - 1) + [(0.0, steep), LOG_SPREADS]
    found = minimize(
        task.value,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 1000, "ftol": 1e-10},
    )
    times = np.concatenate([[0.0], np.cumsum(np.exp(found.x[:-2]))])
    fitted = MonotoneMap(tuple(knots.tolist()), tuple(times.tolist()))
    return MonotoneFit(fitted, float(found.x[-2]), float(np.exp(found.x[-1])))


@dataclass(frozen=True, slots=True, eq=False)
class _Likelihood:
    """How unlikely pulses are, and the gradient of that.

    The unknowns are the ln of Phi's steps, the rate per volt, and the ln of the spread. What varies
    is the dose that a width becomes: e = ln(Phi(G') - Phi(G)) - ln t - r (V - V0) is distributed
    by Student's law. The reads after the pulses are what is observed, so that the likelihood has
    the factor de/dG' too; without it, least squares would believe the widths that were tried.
    """

    covered: Array
    logs: Array
    more: Array
    ended: Mask
    last: Array

    @classmethod
    def of(cls, shots: Shots, covered: Array, knots: Array, amplitude: Volt) -> "_Likelihood":
        """Return the likelihood of these pulses."""
        place = np.searchsorted(knots, shots.after, side="right") - 1
        ended = shots.ended(float(knots[0]), float(knots[-1]))
        counts = np.bincount(np.clip(place, 0, KNOTS - 2)[~ended], minlength=KNOTS - 1)
        more = np.abs(shots.amplitude) - amplitude
        return cls(covered, np.log(shots.width), more, ended, counts / len(ended))

    def value(self, x: Array) -> tuple[float, Array]:
        """Return the mean of the negative logarithm, and its gradient."""
        steps, spread = np.exp(x[:-2]), np.exp(x[-1])
        needed = self.covered @ steps
        off = np.log(needed) - self.logs - x[-2] * self.more
        # A pulse that ran into an end was long enough: only asking for more is an error.
        off[self.ended & (off < 0)] = 0.0
        told = ~self.ended
        tail = 1 + (off / spread) ** 2 / FREEDOM
        pull = (FREEDOM + 1) * off / (FREEDOM * spread**2 * tail)
        bend = np.diff(x[:-2], 2)
        each = (FREEDOM + 1) / 2 * np.log(tail) + told * (x[-1] + np.log(needed))
        mean = float(each.mean() - self.last @ x[:-2] + SMOOTH * bend @ bend)
        slope = steps * (self.covered.T @ ((pull + told) / needed)) / len(off) - self.last
        # The second difference's transpose: each bend pulls at three neighbours.
        slope += 2 * SMOOTH * np.convolve(bend, [1.0, -2.0, 1.0])
        rate, wide = -(pull * self.more).mean(), (told - pull * off).mean()
        return mean, np.concatenate([slope, [rate, wide]])


def _covered(shots: Shots, knots: Array) -> Array:
    """Return which part of each interval each pulse crossed, shape ``(n, KNOTS - 1)``."""
    ends = np.sort(np.stack([shots.before, shots.after]), axis=0)[:, :, None]
    crossed = np.clip(ends[1], knots[:-1], knots[1:]) - np.clip(ends[0], knots[:-1], knots[1:])
    return np.asarray(crossed / np.diff(knots))
