"""Robust least squares over named constants, and which of them the data identify."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from crossbar.backend import Array

HUBER = 0.2
"""Where residuals are in units of ln: one of 20 % is still taken for noise."""


GUESSES, FIRST_STEPS, BEST, STEPS = 16, 15, 2, 80
"""How many guesses get so many steps of least squares, and how many of them are gone on with."""

WORSE = 0.02
"""Where residuals are of the model's own failing, and agree with their neighbours."""


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
    around
        Factor within which guesses are drawn about `start`.
    unit
        What the error is compared with in place of the value, in the constant's unit.
    """

    start: float
    low: float
    high: float
    default: float
    logarithmic: bool = True
    loosest: float = 0.5
    around: float = 1.0
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


def begin(
    constants: Mapping[str, Constant],
    residuals: Callable[[Mapping[str, float]], Array],
    rng: np.random.Generator,
) -> list[Mapping[str, float]]:
    """Return values from which to begin: the best that a few steps make of many guesses.

    A course that switches at another voltage than the measured one hardly gets better by a small
    step, so that least squares needs a guess that is nearly right.
    """
    first = {name: constant.start for name, constant in constants.items()}
    guesses = [first]
    for _ in range(GUESSES):
        guess = {}
        for name, c in constants.items():
            low, high = (max(c.low, c.start / c.around), min(c.high, c.start * c.around))
            guess[name] = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        guesses.append(guess)
    tried = [_solved(constants, guess, residuals, HUBER, FIRST_STEPS) for guess in guesses]
    best = sorted(tried, key=lambda found: found.cost)[:BEST]
    return [found.values for found in best]


def improved(
    constants: Mapping[str, Constant],
    residuals: Callable[[Mapping[str, float]], Array],
    start: Mapping[str, float],
    huber: float,
) -> Mapping[str, float]:
    """Return values to which a few steps bring those of `start`."""
    return _solved(constants, start, residuals, huber, FIRST_STEPS).values


def estimate(
    constants: Mapping[str, Constant],
    residuals: Callable[[Mapping[str, float]], Array],
    huber: float = HUBER,
    starts: Sequence[Mapping[str, float]] = (),
    worse: float = WORSE,
) -> Estimate:
    """Return the constants that explain the data best, leaving out what the data do not tell.

    Constants whose standard error is too large are set to their defaults one after another, the
    worst first, and the rest is fitted anew. One whose default explains the data worse stays as it
    was found, with its error.

    Parameters
    ----------
    constants
        By name.
    residuals
        Of the values of all of them, shape ``(n,)``.
    huber
        Residuals beyond this count by their size and no longer by its square.
    starts
        Values from which to begin; those of the constants by default.
    worse
        By how much a constant's default may cost more than its best value, as a fraction, to take
        its place.
    """
    free, kept = dict(constants), set[str]()
    begun = starts or [{name: constant.start for name, constant in constants.items()}]
    ended = [_solved(free, start, residuals, huber, STEPS) for start in begun]
    best = min(ended, key=lambda found: found.cost)
    while True:
        doubt = {
            name: best.errors[name] / (c.unit or abs(best.values[name])) / c.loosest
            for name, c in free.items()
            if name not in best.bounded and name not in kept
        }
        loose = {name: part for name, part in doubt.items() if not part <= 1}
        if not loose:
            known = {name: e for name, e in best.errors.items() if name not in best.bounded}
            return Estimate(best.values, known, best.bounded, best.residuals)
        worst = max(loose, key=lambda name: loose[name])
        rest = {name: constant for name, constant in free.items() if name != worst}
        values = {**best.values, worst: constants[worst].default}
        without = _solved(rest, values, residuals, huber, STEPS)
        if without.cost <= (1 + worse) * best.cost:
            best, free = without, rest
        else:
            kept.add(worst)


@dataclass(frozen=True, slots=True, eq=False)
class _Solution:
    """Where least squares ended."""

    values: dict[str, float]
    errors: dict[str, float]
    bounded: tuple[str, ...]
    residuals: Array
    cost: float


def _solved(
    free: Mapping[str, Constant],
    values: Mapping[str, float],
    residuals: Callable[[Mapping[str, float]], Array],
    huber: float,
    steps: int,
) -> _Solution:
    names = list(free)
    if not names:
        left = residuals(values)
        return _Solution(dict(values), {}, (), left, _cost(left, huber))

    def of(variables: Array) -> dict[str, float]:
        found = {n: free[n].outward(v) for n, v in zip(names, variables.tolist(), strict=True)}
        return {**values, **found}

    def left_at(variables: Array) -> Array:
        return residuals(of(variables))

    low = np.array([free[n].inward(free[n].low) for n in names])
    high = np.array([free[n].inward(free[n].high) for n in names])
    margin = 1e-6 * (high - low)
    start = np.clip([free[n].inward(values[n]) for n in names], low + margin, high - margin)
    best = least_squares(
        left_at,
        start,
        bounds=(low, high),
        loss="huber",
        f_scale=huber,
        x_scale=np.where([free[n].logarithmic for n in names], 0.3, 0.1 * np.abs(start) + margin),
        diff_step=np.full(len(names), 1e-4),
        max_nfev=steps,
    )
    found, left = of(best.x), left_at(best.x)
    covariance = _covariance(np.asarray(best.jac), left, huber)
    spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    errors = {
        name: float(s * abs(found[name]) if free[name].logarithmic else s)
        for name, s in zip(names, spread, strict=True)
    }
    edge = 1e-3 * (high - low)
    at_bound = (best.x <= low + edge) | (best.x >= high - edge)
    bounded = tuple(n for n, at in zip(names, at_bound, strict=True) if at)
    return _Solution(found, errors, bounded, left, _cost(left, huber))


def _cost(residuals: Array, huber: float) -> float:
    size = np.abs(residuals)
    return float(np.sum(np.where(size <= huber, size**2, 2 * huber * size - huber**2)))


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
