"""The certificate of log-normal noise: how far parameters may drift before the vote changes.

With factors ``exp(s N)`` on every parameter, a drift by positive factors delta shifts the noise's
Gaussian by ``ln delta``: randomised smoothing, carried out on the logarithms of the parameters.
Where every parameter has the same s, a distance is ``||ln delta|| / s``; others come from
`crossbar.certificates.spreads.Spreads`.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri
from scipy.stats import chi

from crossbar.backend import Array, DataError


def lower_bound(shares: ArrayLike, distances: ArrayLike) -> Array:
    """Return the smallest shares of votes that classes can have left after a drift.

    Parameters
    ----------
    shares
        Of the votes that each class has without the drift, or lower bounds of them.
    distances
        Of the drift, in standard deviations of the noise.

    References
    ----------
    Cohen, Rosenfeld and Kolter, ICML (2019), theorem 1; best possible, and reached by a half-space.
    """
    return np.asarray(ndtr(margins(shares) - np.asarray(distances)))


def margins(shares: ArrayLike) -> Array:
    """Return the largest distances of a drift that leave each class at least half of the votes.

    Parameters
    ----------
    shares
        As in `lower_bound`.

    Returns
    -------
    array
        ``Phi^-1(share)``; negative where the class has less than half of the votes and nothing is
        certified.

    Raises
    ------
    DataError
        If a share is not within 0 and 1.
    """
    given = np.asarray(shares, dtype=np.float64)
    if not np.all((given >= 0) & (given <= 1)):
        raise DataError("shares of votes outside 0 and 1 are not possible")
    return np.asarray(ndtri(given))


def radii(shares: ArrayLike, smoothing: float) -> Array:
    """Return the largest norms of ``ln delta`` under noise of one s: ``s * Phi^-1(share)``.

    Parameters
    ----------
    shares
        As in `lower_bound`.
    smoothing
        Standard deviation s of the logarithm of every parameter's factor.

    Raises
    ------
    DataError
        If a share is not within 0 and 1, or the smoothing not positive and finite.
    """
    if not 0 < smoothing < np.inf:
        raise DataError(f"smoothing = {smoothing} is not positive and finite")
    return smoothing * margins(shares)


def drift_norm(sigma: ArrayLike, n_parameters: int, quantile: float) -> Array:
    """Return the norm of ``ln delta`` that a share of all drift draws stays below.

    Parameters
    ----------
    sigma
        Standard deviation of each parameter's ``ln delta``; the draws are independent.
    n_parameters
        Of the network; those that are 0 cannot drift and need not be counted.
    quantile
        The share of the draws: 0.5 for a typical one.

    Raises
    ------
    DataError
        If a sigma is negative, there is no parameter, or the quantile is not between 0 and 1.

    Notes
    -----
    The norm of a draw is sigma times a chi variable of `n_parameters` degrees of freedom.
    """
    sigmas = np.asarray(sigma, dtype=np.float64)
    if not np.all((sigmas >= 0) & np.isfinite(sigmas)):
        raise DataError(f"drift sigma = {sigmas} is not a finite number of at least 0")
    if n_parameters < 1 or not 0 < quantile < 1:
        raise DataError(
            f"{n_parameters} parameters and quantile {quantile}: at least one parameter and a "
            "quantile between 0 and 1 are needed"
        )
    return np.asarray(sigmas * chi.ppf(quantile, n_parameters))
