"""Log-normal noise whose width differs between parameters, and how far a drift is in it."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossbar.backend import Array, DataError
from crossbar.certificates.chi_square import WeightedChiSquare

Chosen: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Spreads:
    """Standard deviations of the logarithms of the noise's factors, one for every parameter.

    Parameters
    ----------
    sigmas
        Shape ``(n,)``.
    moved
        Which parameters factors can change: those that are not 0. Shape ``(n,)``.
    common
        Parameters whose common factor no vote can see, if there are such, shape ``(n,)``: scores
        that are compared with each other, or with 0, may all be multiplied by it.

    Raises
    ------
    DataError
        If the shapes differ, or a sigma is not positive and finite.

    Notes
    -----
    A drift is as far as the noise's Gaussian is shifted, each parameter in units of its sigma:
    ``sqrt(sum((ln delta / sigma)**2))``. The vote is the same after a drift by one more common
    factor, so that the nearest of all these drifts may be taken for it; that is a projection.
    """

    sigmas: Array
    moved: Chosen
    common: Chosen

    def __post_init__(self) -> None:
        sigmas = np.asarray(self.sigmas, dtype=np.float64)
        moved, common = (np.asarray(v, dtype=np.bool_) for v in (self.moved, self.common))
        if sigmas.ndim != 1 or moved.shape != sigmas.shape or common.shape != sigmas.shape:
            raise DataError(
                f"{sigmas.shape} sigmas, {moved.shape} and {common.shape} marks do not fit together"
            )
        if not np.all((sigmas > 0) & np.isfinite(sigmas)):
            raise DataError("a sigma of the noise is not positive and finite")
        for name, values in (("sigmas", sigmas), ("moved", moved), ("common", common)):
            object.__setattr__(self, name, values)

    def factors(self, count: int, rng: np.random.Generator) -> Array:
        """Return `count` independent draws of the noise, shape ``(count, n)``."""
        return np.exp(self.sigmas * rng.standard_normal((count, len(self.sigmas))))

    def distances(self, log_delta: ArrayLike) -> Array:
        """Return how far drifts are, given the logarithms of their factors, shape ``(..., n)``."""
        inverse, direction = self._metric()
        scaled = np.asarray(log_delta, dtype=np.float64)[..., self.moved] * inverse
        unseen = (scaled @ direction)[..., None] * direction
        return np.asarray(np.linalg.norm(scaled - unseen, axis=-1))

    def drift_distance(self, sigma: ArrayLike, quantile: float) -> Array:
        """Return the distance that a share of all drift draws stays below.

        Parameters
        ----------
        sigma
            Standard deviation of each parameter's ``ln delta``; the draws are independent.
        quantile
            The share of the draws: 0.5 for a typical one.

        Raises
        ------
        DataError
            If a sigma is negative, or the quantile is not between 0 and 1.
        """
        sigmas = np.asarray(sigma, dtype=np.float64)
        if not np.all((sigmas >= 0) & np.isfinite(sigmas)):
            raise DataError(f"drift sigma = {sigmas} is not a finite number of at least 0")
        weights = self._weights()
        unit = np.sqrt(WeightedChiSquare(weights).quantile(quantile)) if weights.size else 0.0
        return np.asarray(sigmas * unit)

    def _metric(self) -> tuple[Array, Array]:
        """Return 1 / sigma of what moves, and the unit vector, so scaled, that no vote sees."""
        inverse = 1.0 / self.sigmas[self.moved]
        direction = np.where(self.common[self.moved], inverse, 0.0)
        length = float(np.linalg.norm(direction))
        return inverse, direction / length if length > 0 else direction

    def _weights(self) -> Array:
        """Return what multiplies each squared Gaussian in the squared distance of a unit drift."""
        inverse, direction = self._metric()
        along = inverse * direction
        found = np.linalg.eigvalsh(np.diag(inverse**2) - np.outer(along, along))
        # One direction is not seen: its weight is 0 but for rounding, and the least.
        return np.asarray(found[1:] if direction.any() else found)
