"""What a recipe promises where the goal is no maximum, and whether it will be a device at all."""

import numpy as np
from scipy.special import log_ndtr, ndtr
from scipy.stats import norm

from crossbar.backend import Array

PRIOR_SUCCESS, PRIOR_WEIGHT = 0.9, 0.5  # assumed
"""Share of recipes that are devices, before anything is told, and the recipes that it counts as."""
SERIES = 6.0
"""Standard deviations between mean and target beyond which the closed form loses its digits."""


def log_target_improvement(mean: Array, sd: Array, target: float, nearest: float) -> Array:
    """Return the logarithm of what a normal value is expected to improve a squared distance by.

    The improvement is ``nearest**2 - (value - target)**2`` where that is positive, and 0 elsewhere.

    Parameters
    ----------
    mean, sd
        Of the value, same shape.
    target
        What is to be hit.
    nearest
        Distance of the best value so far.

    Notes
    -----
    With ``a, b = (target -/+ nearest - mean) / sd`` and ``m = mean - target`` the expectation is
    ``(nearest^2 - m^2 - sd^2) (Phi(b) - Phi(a)) + sd (2 m + sd b) phi(b) - sd (2 m + sd a) phi(a)``
    by partial integration of the normal density.
    """
    spread = np.maximum(sd, 1e-12)
    off = mean - target
    low, high = (-nearest - off) / spread, (nearest - off) / spread
    inside = ndtr(high) - ndtr(low)
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        value = (nearest**2 - off**2 - spread**2) * inside
        value += spread * (2 * off + spread * high) * norm.pdf(high)
        value -= spread * (2 * off + spread * low) * norm.pdf(low)
        exact = np.log(value)
    # Far from the target the terms cancel: what is left falls like the probability to come near.
    far = np.maximum(low, -high)
    tail = log_ndtr(-far) + np.log(2 * nearest * spread + 1e-300) - np.log1p(far.clip(0))
    return np.asarray(np.where((far > SERIES) | ~np.isfinite(exact), tail, exact))


def success(like_devices: Array, like_failures: Array) -> Array:
    """Return the probability that recipes are devices, by those that are most like them.

    Parameters
    ----------
    like_devices, like_failures
        How alike recipes are to devices, and to those that failed, shape ``(n, m)`` each.

    Notes
    -----
    The mean of a beta distribution in which everything told counts by how alike it is; the prior
    counts as `PRIOR_WEIGHT` recipes.
    """
    good = np.clip(like_devices, 0.0, 1.0) ** 4
    bad = np.clip(like_failures, 0.0, 1.0) ** 4
    share = PRIOR_SUCCESS * PRIOR_WEIGHT + good.sum(axis=1)
    return np.asarray(share / (PRIOR_WEIGHT + good.sum(axis=1) + bad.sum(axis=1)))
