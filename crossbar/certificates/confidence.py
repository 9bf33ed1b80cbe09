"""How sure a share is that was counted: exact bounds for votes, and for shares of points."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import beta

from crossbar.backend import Array, DataError
from crossbar.network import Labels


def lower_limit(successes: ArrayLike, trials: int, alpha: float) -> Array:
    """Return the one-sided lower confidence bounds of shares of independent trials.

    Whatever the true share is, the bound is above it with probability at most `alpha`.

    Parameters
    ----------
    successes
        Counted, 0 to `trials`, any shape.

    Raises
    ------
    DataError
        If a count is outside, or `alpha` is not between 0 and 1.

    References
    ----------
    Clopper and Pearson, Biometrika 26, 404 (1934).
    """
    counted = _counted(successes, trials, alpha)
    # No success bounds nothing; the beta distribution of that case does not exist.
    some = np.maximum(counted, 1)
    return np.where(counted > 0, beta.ppf(alpha, some, trials - some + 1), 0.0)


def interval(successes: int, trials: int, alpha: float = 0.05) -> tuple[float, float]:
    """Return the two-sided confidence interval of a share; `alpha` is divided between its ends.

    Raises, and the reference, as in `lower_limit`.
    """
    low = float(lower_limit(successes, trials, alpha / 2))
    return low, 1.0 - float(lower_limit(trials - successes, trials, alpha / 2))


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """The class voted for at each point, and what share of the votes it has at least.

    Parameters
    ----------
    classes
        Voted for, shape ``(points,)``.
    shares
        Lower confidence bounds of the classes' shares, each by itself; shape ``(points,)``.
    """

    classes: Labels
    shares: Array

    @property
    def abstained(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Where the votes do not show that the class has more than half of them."""
        return self.shares <= 0.5


def decide(selection: ArrayLike, votes: ArrayLike, alpha: float) -> Decision:
    """Return the classes that the first votes choose, with bounds from the second ones.

    Two sets of votes, because a bound for the class that came out best in the same votes would be
    too high.

    Parameters
    ----------
    selection, votes
        Counted per point and class, shape ``(points, classes)``, from independent draws of the
        noise; every point has the same number of them.
    alpha
        Probability, of each point by itself, that its bound is above the truth.

    Raises
    ------
    DataError
        If the counts do not fit together, there are none, or `alpha` is not between 0 and 1.

    References
    ----------
    Cohen, Rosenfeld and Kolter, ICML (2019), algorithm "Certify".
    """
    first, second = (np.asarray(counts) for counts in (selection, votes))
    if first.ndim != 2 or first.shape != second.shape or first.size == 0:
        raise DataError(
            f"votes of shape {second.shape} after a selection of shape {first.shape}: "
            "both need (points, classes)"
        )
    chosen = np.argmax(first, axis=1)
    totals = second.sum(axis=1)
    if totals.min() != totals.max():
        raise DataError(f"{totals.min()} to {totals.max()} votes per point; all need the same")
    counted = np.take_along_axis(second, chosen[:, None], axis=1)[:, 0]
    return Decision(chosen.astype(np.int64), lower_limit(counted, int(totals[0]), alpha))


def _counted(successes: ArrayLike, trials: int, alpha: float) -> Array:
    counted = np.asarray(successes, dtype=np.float64)
    if trials < 1 or not np.all((counted >= 0) & (counted <= trials)):
        raise DataError(f"counts outside 0 and the number of trials, {trials}, are not possible")
    if not 0 < alpha < 1:
        raise DataError(f"alpha = {alpha} is not between 0 and 1")
    return counted
