"""How fast each cell moves at which amplitude: fitted to the whole array and to each of its cells.

ln(rate) = intercept + slope * (amplitude - reference) + what is the cell's own, for each direction.
Intercept and slope belong to the array, so that the pulses of every cell teach all others what to
expect; the cell's own term is drawn to zero until its pulses say otherwise.
"""

import numpy as np

from crossbar.backend import Array, Indices, Mask

DEVIATIONS = np.linspace(-3.5, 3.5, 13)
"""Of the posterior of one cell's term: where it is evaluated, in standard deviations."""

PASSES = 3
"""Evaluations of the posterior: each but the first on a finer grid about what the last found."""

AT_ONCE = 1024
"""Cells whose posteriors are evaluated together: what fits a processor's cache."""

SLOWEST_SLOPE = 0.3
"""Of the slope expected: a fit below that would ask for amplitudes without end."""


class RateFit:
    """A mixed linear model of ln(rate), updated pulse by pulse.

    Parameters
    ----------
    count
        Number of cells.
    intercept, slope
        Of ln(rate), expected; rate in whatever unit the doses have, slope in 1/V.
    intercept_sigma, slope_sigma
        How well they are known beforehand.
    cell_sigma
        Standard deviation of the cells' own terms.
    alike
        Correlation of what SET and RESET deviate by, of the array's line and of a cell's term: a
        cell that is easily SET is easily RESET.
    keep
        Weight of a cell's earlier pulses when a new one comes, 0 to 1.
    """

    def __init__(
        self,
        count: int,
        intercept: float,
        slope: float,
        intercept_sigma: float,
        slope_sigma: float,
        cell_sigma: float,
        alike: float,
        keep: float,
    ) -> None:
        self._cell_variance, self._keep = cell_sigma**2, keep
        self._least_slope = SLOWEST_SLOPE * slope
        # Of (RESET, SET): the lines, intercept and slope; the precision of all four, and that
        # times them.
        both = np.array([[1.0, alike], [alike, 1.0]])
        self._alike = both
        self._covariance = np.kron(both, np.diag([intercept_sigma**2, slope_sigma**2]))
        self._precision = np.linalg.inv(self._covariance)
        self._shared = np.array([[intercept, slope], [intercept, slope]])
        self._weighted = self._precision @ self._shared.ravel()
        # Of each direction and cell: sums of the weights, of weight times ln(rate) and times volts.
        self._weight = np.zeros((2, count))
        self._rates = np.zeros((2, count))
        self._volts = np.zeros((2, count))

    def line(self, index: Indices, up: Indices) -> tuple[Array, Array]:
        """Return each cell's intercept and slope of ln(rate) for its direction (0 RESET, 1 SET)."""
        intercept, slope = self._shared[up].T
        lines = self._shared[:, :, None]
        told = self._rates[:, index] - lines[:, 0] * self._weight[:, index]
        told -= lines[:, 1] * self._volts[:, index]
        own = (self._own_covariance(index, up) * told).sum(axis=0)
        return intercept + own, slope

    def learn(
        self,
        index: Indices,
        up: Indices,
        volts: Array,
        expected: Array,
        seen: Array,
        spread: float,
        noise: Array,
        typical: Mask,
    ) -> None:
        """Take in one pulse of each of these cells.

        Parameters
        ----------
        index, up
            Cells and directions.
        volts
            Amplitudes less the reference, V.
        expected, seen
            Doses that the pulses were thought to have, and had; `seen` may be negative.
        spread
            From pulse to pulse, as a fraction of the dose.
        noise
            Standard deviation of `seen` that has nothing to do with the pulse.
        typical
            False for cells that are not to teach the array: they may be stuck.
        """
        features = np.stack([np.ones(len(index)), volts], axis=1)
        placed = _placed(features, up)
        common = np.einsum("ni,ij,nj->n", placed, self._covariance, placed)
        own = self._own_covariance(index, up)[up, np.arange(len(up))]
        before = own + common
        mean, after = np.empty_like(before), np.empty_like(before)
        for begin in range(0, len(index), AT_ONCE):
            part = slice(begin, begin + AT_ONCE)
            mean[part], after[part] = _posterior(
                before[part], expected[part], seen[part], spread, noise[part]
            )
        # What the pulse itself said: the posterior less the prior.
        precision = 1 / after - 1 / before
        told = precision > 1e-9 / before
        index, up, volts, precision = index[told], up[told], volts[told], precision[told]
        rate = np.log(expected[told]) + mean[told] / after[told] / precision
        for sums, value in ((self._weight, 1.0), (self._rates, rate), (self._volts, volts)):
            sums[up, index] = self._keep * sums[up, index] + precision * value
        self._share(placed[told], rate, np.where(typical[told], precision, 0.0))

    def _share(self, placed: Array, rate: Array, precision: Array) -> None:
        """Add what pulses of single cells say of all cells."""
        weight = precision / (1 + precision * self._cell_variance)
        self._precision += (placed * weight[:, None]).T @ placed
        self._weighted += (weight * rate) @ placed
        self._covariance = np.linalg.inv(self._precision)
        self._shared = (self._covariance @ self._weighted).reshape(2, 2)
        self._shared[:, 1] = np.maximum(self._shared[:, 1], self._least_slope)

    def _own_covariance(self, index: Indices, up: Indices) -> Array:
        """Return how a cell's own term of `up` varies with those of (RESET, SET), shape (2, n)."""
        prior = np.linalg.inv(self._alike) / self._cell_variance
        reset, set_ = prior[0, 0] + self._weight[:, index]
        determinant = reset * set_ - prior[0, 1] ** 2
        same = np.where(up == 1, reset, set_) / determinant
        other = -prior[0, 1] / determinant
        return np.asarray(np.where(up == np.array([[0], [1]]), same, other))


def _placed(features: Array, up: Indices) -> Array:
    """Return intercept and slope features among those of both directions, shape ``(n, 4)``."""
    placed = np.zeros((len(up), 2, 2))
    placed[np.arange(len(up)), up] = features
    return placed.reshape(-1, 4)


def _posterior(
    variance: Array, expected: Array, seen: Array, spread: float, noise: Array
) -> tuple[Array, Array]:
    """Return mean and variance of ln(dose / expected), normal beforehand, after one dose was seen.

    On a grid, because a dose that noise hides, or that is negative, has no logarithm.
    """
    centre, deviation = np.zeros_like(variance), np.sqrt(variance)
    spacing = DEVIATIONS[1] - DEVIATIONS[0]
    for _ in range(PASSES):
        z = centre + deviation * DEVIATIONS[:, None]
        dose = expected * np.exp(z)
        scatter = (spread * dose) ** 2 + noise**2
        fit = -(z**2) / variance - (seen - dose) ** 2 / scatter - np.log(scatter)
        chance = np.exp((fit - fit.max(axis=0)) / 2)
        chance /= chance.sum(axis=0)
        centre = (chance * z).sum(axis=0)
        width = np.sqrt((chance * (z - centre) ** 2).sum(axis=0))
        # A peak narrower than the grid is not resolved by it.
        deviation = np.maximum(width, deviation * spacing / 2)
    return centre, np.maximum(width, deviation / 4) ** 2
