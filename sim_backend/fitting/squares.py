"""Robust least squares over named constants, and which of them the data identify."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from crossbar.backend import Array

HUBER = 0.2
"""Where residuals are in units of ln: one of 20 % is still taken for noise."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant that may be fitted.

    Parameters
    ----------
    start, low, high
        Value to begin with and bounds, in its unit.
    default
        What it is set to if the data do not identify it.
    logarithmic
        Whether ln of it is fitted.
    loosest
        Largest standard error of an identified constant, as a fraction of its value, or of `unit`.
    unit
        What the error is compared with in place of the value, in the constant's unit.
    """

    start: float
    low: float
    high: float
    default: float
    logarithmic: bool = True
    loosest: float = 0.5
    unit: float | None = None

    def inward(self, value: float) -> float:
        """Return the fitted variable of a value."""
        return float(np.log(value)) if self.logarithmic else value

    def outward(self, variable: float) -> float:
        """Return the value of a fitted variable."""
        return float(np.exp(variable)) if self.logarithmic else float(variable)


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """Constants that were found.

    Parameters
    ----------
    values
        All of them, those that are not identified at their defaults.
    errors
        Standard errors of those that are.
    bounded
        Names of constants that came to a bound, which is all that is known of them.
    residuals
        At these values.
    """

    values: Mapping[str, float]
    errors: Mapping[str, float]
    bounded: tuple[str, ...]
    residuals: Array


def estimate(
    constants: Mapping[str, Constant],
    residuals: Callable[[Mapping[str, float]], Array],
    huber: float = HUBER,
) -> Estimate:
    """Return the constants that explain the data best, leaving out what the data do not tell.

    Constants whose standard error is too large are set to their defaults one after another, the
    worst first, and the rest is fitted anew.

    Parameters
    ----------
    constants
        By name.
    residuals
        Of the values of all of them, shape ``(n,)``.
    huber
        Residuals beyond this count by their size and no longer by its square.
    """
    free = dict(constants)
    values = {name: constant.start for name, constant in constants.items()}
    while True:
        values, errors, bounded, left = _solved(free, values, residuals, huber)
        doubt = {
            name: errors[name] / (abs(values[name]) if c.unit is None else c.unit) / c.loosest
            for name, c in free.items()
            if name not in bounded
        }
        loose = {name: part for name, part in doubt.items() if not part <= 1}
        if not loose:
            known = {name: error for name, error in errors.items() if name not in bounded}
            return Estimate(values, known, bounded, left)
        worst = max(loose, key=lambda name: loose[name])
        values[worst] = constants[worst].default
        del free[worst]


def _solved(
    free: Mapping[str, Constant],
    values: Mapping[str, float],
    residuals: Callable[[Mapping[str, float]], Array],
    huber: float,
) -> tuple[dict[str, float], dict[str, float], tuple[str, ...], Array]:
    names = list(free)
    if not names:
        return dict(values), {}, (), residuals(values)

    def of(variables: Array) -> dict[str, float]:
        found = {n: free[n].outward(v) for n, v in zip(names, variables.tolist(), strict=True)}
        return {**values, **found}

    low = np.array([free[n].inward(free[n].low) for n in names])
    high = np.array([free[n].inward(free[n].high) for n in names])
    start = np.clip([free[n].inward(values[n]) for n in names], low + 1e-9, high - 1e-9)

    def left_at(variables: Array) -> Array:
        return residuals(of(variables))

    best = least_squares(
        left_at,
        start,
        bounds=(low, high),
        loss="huber",
        f_scale=huber,
        x_scale=np.maximum(np.abs(start) * 0.1, 0.1),
        diff_step=np.full(len(names), 1e-4),
        max_nfev=120,
    )
    found, left = of(best.x), residuals(of(best.x))
    spread = np.sqrt(np.diag(_covariance(np.asarray(best.jac), left, huber)))
    errors = {
        name: float(s * abs(found[name]) if free[name].logarithmic else s)
        for name, s in zip(names, spread, strict=True)
    }
    margin = 1e-3 * (high - low)
    at_bound = (best.x <= low + margin) | (best.x >= high - margin)
    return found, errors, tuple(n for n, at in zip(names, at_bound, strict=True) if at), left


def _covariance(jacobian: Array, residuals: Array, huber: float) -> Array:
    """Return the covariance of the variables, with neighbouring residuals taken as they come.

    Residuals of neighbouring points agree, where a model is wrong or a cell varies from cycle to
    cycle: there are fewer independent points than points.
    """
    n, k = jacobian.shape
    held = np.clip(residuals, -5 * huber, 5 * huber)
    centred = held - held.mean()
    power = float(np.sum(centred**2)) or 1.0
    together = 1.0
    for lag in range(1, n // 2):
        agreement = float(np.sum(centred[lag:] * centred[:-lag])) / power
        if agreement < 0.05:  # from here on it is chance
            break
        together += 2 * agreement
    variance = float(np.mean(held**2)) * n / max(n - k, 1) * together
    covariance: Array = variance * np.linalg.pinv(jacobian.T @ jacobian)
    # A variable that no residual depends on has no row in the inverse; it is unknown, not exact.
    lost = np.sum(jacobian**2, axis=0) == 0
    covariance[lost, lost] = np.inf
    return covariance
