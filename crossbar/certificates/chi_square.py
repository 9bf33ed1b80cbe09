"""Sums of squared Gaussians of different widths: how long a random drift is."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import chi2

from crossbar.backend import Array, DataError

LEFT_OUT = 1e-12
"""Of the probability, in the terms that are not summed any more."""
TERMS = 50_000
HUGE = 1e200


class WeightedChiSquare:
    """The law of ``sum(weights * N**2)`` with independent standard Gaussians N.

    Parameters
    ----------
    weights
        Above 0; at least one.

    Raises
    ------
    DataError
        If there is no weight, or one is not positive and finite.

    Notes
    -----
    With the smallest weight w, the law is that of w times a chi-square variable whose degrees of
    freedom are themselves random: ``n + 2 k`` with probabilities from a recurrence, all positive.
    What is left out when the sum is cut can only make a quantile larger.

    References
    ----------
    Ruben, Annals of Mathematical Statistics 33, 542 (1962).
    """

    def __init__(self, weights: ArrayLike) -> None:
        given = np.asarray(weights, dtype=np.float64)
        if given.ndim != 1 or not given.size or not np.all((given > 0) & np.isfinite(given)):
            raise DataError("weights of squared Gaussians must be positive and finite")
        self._count = given.size
        self._least, self._largest = float(given.min()), float(given.max())
        self._mixture = _mixture(self._least / given)

    def cdf(self, value: float) -> float:
        """Return the probability of a sum of at most `value`."""
        freedom = self._count + 2 * np.arange(len(self._mixture))
        return float(self._mixture @ chi2.cdf(value / self._least, freedom))

    def quantile(self, probability: float) -> float:
        """Return the value that the sum stays below with this probability.

        Raises
        ------
        DataError
            If the probability is not between 0 and 1, or so near to 1 that it is not resolved.
        """
        resolved = float(self._mixture.sum())
        if not 0 < probability < min(1.0 - LEFT_OUT, resolved):
            raise DataError(f"quantile {probability} is not between 0 and {resolved:.12g}")
        low, high = (
            float(weight * chi2.ppf(probability, self._count))
            for weight in (self._least, self._largest)
        )
        if self.cdf(low) >= probability:
            # The sum of equal weights is at the lower end, but for rounding.
            return low
        while self.cdf(high) < probability:
            high *= 2
        return float(brentq(lambda value: self.cdf(value) - probability, low, high, rtol=1e-13))


def _mixture(ratios: Array) -> Array:
    """Return the probabilities of n, n + 2, ... degrees of freedom, as many as are needed."""
    rest, powers = 1.0 - ratios, np.ones_like(ratios)
    # The first probability of many weights is below what a number can hold: all are kept in units
    # of it, and the unit grows when they do.
    log_unit = 0.5 * float(np.log(ratios).sum())
    parts, sums = np.ones(1), np.empty(0)
    while 1.0 - np.exp(log_unit) * parts.sum() > LEFT_OUT and len(parts) < TERMS:
        powers = powers * rest
        sums = np.append(sums, powers.sum())
        parts = np.append(parts, sums[::-1] @ parts / (2 * len(parts)))
        if parts[-1] > HUGE:
            parts, log_unit = parts / HUGE, log_unit + float(np.log(HUGE))
    return np.asarray(np.exp(log_unit) * parts)
