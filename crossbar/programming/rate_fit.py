"""How fast each cell moves at which amplitude: fitted to the whole array and to each of its cells.

ln(rate) = intercept + slope * (amplitude - reference) + what is the cell's own, for each direction.
Intercept and slope belong to the array, so that the pulses of every cell teach all others what to
expect; the cell's own term is drawn to zero until its pulses say otherwise.
"""

import numpy as np

from crossbar.backend import Array, Indices, Mask

DEVIATIONS = np.linspace(-4.0, 4.0, 17)
"""Of the posterior of one cell's term: where it is evaluated, in standard deviations."""

PASSES = 3
"""Evaluations of the posterior: each but the first on a finer grid about what the last found."""

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
        keep: float,
    ) -> None:
        self._cell_variance, self._keep = cell_sigma**2, keep
        self._least_slope = SLOWEST_SLOPE * slope
        # Of both directions (RESET, SET): precision of intercept and slope, and that times them.
        precision = np.diag([intercept_sigma**-2, slope_sigma**-2])
        self._precision = np.array([precision, precision])
        self._weighted = self._precision @ np.array([intercept, slope])
        self._shared = np.array([[intercept, slope], [intercept, slope]])
        self._covariance = np.linalg.inv(self._precision)
        # Of each direction and cell: sums of the weights, of weight times ln(rate) and times volts.
        self._weight = np.zeros((2, count))
        self._rates = np.zeros((2, count))
        self._volts = np.zeros((2, count))

    def line(self, index: Indices, up: Indices) -> tuple[Array, Array]:
        """Return each cell's intercept and slope of ln(rate) for its direction (0 RESET, 1 SET)."""
        intercept, slope = self._shared[up].T
        own = self._rates[up, index] - intercept * self._weight[up, index]
        own -= slope * self._volts[up, index]
        return intercept + own * self._own_variance(index, up), slope

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
        common = np.einsum("ni,nij,nj->n", features, self._covariance[up], features)
        before = self._own_variance(index, up) + common
        mean, after = _posterior(before, expected, seen, spread, noise)
        # What the pulse itself said: the posterior less the prior.
        precision = 1 / after - 1 / before
        told = precision > 1e-9 / before
        index, up, volts, precision = index[told], up[told], volts[told], precision[told]
        rate = np.log(expected[told]) + mean[told] / after[told] / precision
        for sums, value in ((self._weight, 1.0), (self._rates, rate), (self._volts, volts)):
            sums[up, index] = self._keep * sums[up, index] + precision * value
        self._share(up, features[told], rate, np.where(typical[told], precision, 0.0))

    def _share(self, up: Indices, features: Array, rate: Array, precision: Array) -> None:
        """Add what pulses of single cells say of all cells."""
        weight = precision / (1 + precision * self._cell_variance)
        for way in (0, 1):
            some = up == way
            self._precision[way] += (features[some] * weight[some, None]).T @ features[some]
            self._weighted[way] += (weight[some] * rate[some]) @ features[some]
        self._covariance = np.linalg.inv(self._precision)
        self._shared = np.einsum("wij,wj->wi", self._covariance, self._weighted)
        self._shared[:, 1] = np.maximum(self._shared[:, 1], self._least_slope)

    def _own_variance(self, index: Indices, up: Indices) -> Array:
        return np.asarray(1 / (self._weight[up, index] + 1 / self._cell_variance))


def _posterior(
    variance: Array, expected: Array, seen: Array, spread: float, noise: Array
) -> tuple[Array, Array]:
    """Return mean and variance of ln(dose / expected), normal beforehand, after one dose was seen.

    On a grid, because a dose that noise hides, or that is negative, has no logarithm.
    """
    centre, deviation = np.zeros_like(variance), np.sqrt(variance)
    spacing = DEVIATIONS[1] - DEVIATIONS[0]
    for _ in range(PASSES):
        z = centre[:, None] + deviation[:, None] * DEVIATIONS
        dose = expected[:, None] * np.exp(z)
        scatter = (spread * dose) ** 2 + noise[:, None] ** 2
        fit = -(z**2) / variance[:, None] - (seen[:, None] - dose) ** 2 / scatter - np.log(scatter)
        chance = np.exp((fit - fit.max(axis=1, keepdims=True)) / 2)
        chance /= chance.sum(axis=1, keepdims=True)
        centre = (chance * z).sum(axis=1)
        width = np.sqrt((chance * (z - centre[:, None]) ** 2).sum(axis=1))
        # A peak narrower than the grid is not resolved by it.
        deviation = np.maximum(width, deviation * spacing / 2)
    return centre, np.maximum(width, deviation / 4) ** 2
