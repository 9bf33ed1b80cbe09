"""The exact certificate of trinomial noise: how many parameters may change before the vote does.

Every parameter is multiplied by a factor eta that is 0, 0.5 or 1. The network whose parameter i has
become ``delta_i`` times what it was sees ``delta_i * eta_i`` instead, and of that law only some
outcomes can also occur without the change. Among all classifiers with the observed share of votes,
the one that loses most of it is known (Neyman and Pearson): it gives up the outcomes that the
changed law makes likelier last. What it keeps is a bound for every network, and the best one that
the share alone allows.
"""

from bisect import bisect_left
from dataclasses import dataclass
from math import expm1

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy
from scipy.stats import binom

from crossbar.backend import Array, DataError

NOT_CERTIFIED = -1
"""Radius of a vote that not even the smallest change allowed is proved to leave as it is."""


@dataclass(frozen=True, slots=True)
class Trinomial:
    """The noise: factors 0, 0.5 and 1, independent for every parameter.

    Parameters
    ----------
    p1, p2
        Probabilities of the factors 0 and 0.5.

    Raises
    ------
    DataError
        If they are no probabilities, or together above 1.

    References
    ----------
    BayesMulti, arXiv 2412.02779, eq. 1. That p1 belongs to 0 and p2 to 0.5 is our reading.
    """

    p1: float
    p2: float

    def __post_init__(self) -> None:
        if not (self.p1 >= 0 and self.p2 >= 0 and self.p1 + self.p2 <= 1):
            raise DataError(
                f"p1 = {self.p1} and p2 = {self.p2} must be at least 0 and together at most 1"
            )

    @property
    def p3(self) -> float:
        """Probability of the factor 1."""
        # 1 - 0.9 - 0.1 is -3e-17 in floating point, which is no probability.
        return max(1.0 - self.p1 - self.p2, 0.0)

    def factors(self, n: int, count: int, rng: np.random.Generator) -> Array:
        """Return `count` independent draws of the noise of n parameters, ``(count, n)``."""
        uniform = rng.random((count, n))
        halves = (uniform >= self.p1).astype(np.float64) + (uniform >= self.p1 + self.p2)
        return 0.5 * halves


def lower_bound(share: float, n_generic: int, n_halved: int, noise: Trinomial) -> float:
    """Return the smallest share of votes that a class can have left after a change.

    Parameters
    ----------
    share
        Share of the votes that the class has without the change, or a lower bound of it.
    n_generic
        Parameters multiplied by anything but 0.5 and 1. Factors 0 and 2 share more outcomes with
        the noise than others do, so that for them the bound holds but is not the best.
    n_halved
        Parameters multiplied by 0.5; all the others stay as they are.

    Raises
    ------
    DataError
        If the share is not within 0 and 1, or a count is negative.

    Notes
    -----
    Outcomes that both laws know have a 0 at every generic parameter, and a 0 or a 0.5 at every
    halved one. Those with k of the 0.5 are as likely as each other; the changed law makes them
    ``(p3 / p2)**k`` times as likely. Binomial weights times the mass in common stand for
    ``C(n, k) p2**k p1**(n - k)``, which would underflow or lose its digits for many parameters.
    """
    if not 0 <= share <= 1:
        raise DataError(f"share = {share} of the votes is not within 0 and 1")
    if n_generic < 0 or n_halved < 0:
        raise DataError(f"{n_generic} generic and {n_halved} halved parameters are not counts")
    p1, p2, p3 = noise.p1, noise.p2, noise.p3
    log_known = float(xlogy(n_generic, p1) + xlogy(n_halved, p1 + p2))
    kept = share + expm1(log_known)
    if kept <= 0:
        return 0.0
    k = np.arange(n_halved + 1)
    before = np.exp(log_known) * binom.pmf(k, n_halved, _ratio(p2, p1))
    log_changed = float(xlogy(n_generic, p1) + xlogy(n_halved, p1 + p3))
    after = np.exp(log_changed) * binom.pmf(k, n_halved, _ratio(p3, p1))
    if p3 < p2:
        before, after = before[::-1], after[::-1]
    return _filled(kept, before, after)


def _ratio(part: float, rest: float) -> float:
    return part / (part + rest) if part > 0 else 0.0


def _filled(kept: float, before: Array, after: Array) -> float:
    """Return the mass of `after` in the outcomes that, in order, hold `kept` of `before`."""
    # What cannot occur without the change costs the worst classifier nothing to give up.
    after = np.where(before > 0, after, 0.0)
    filled = np.cumsum(before)
    last = int(np.searchsorted(filled, kept))
    whole = float(after[:last].sum())
    if last == len(before):
        return whole
    missing = kept - (float(filled[last - 1]) if last else 0.0)
    return whole + missing / float(before[last]) * float(after[last])


def radius(share: float, n_parameters: int, noise: Trinomial, *, half_allowed: bool = True) -> int:
    """Return how many parameters may change in any way before the vote can; see `radii`."""
    return int(radii([share], n_parameters, noise, half_allowed=half_allowed)[0])


def radii(
    shares: ArrayLike, n_parameters: int, noise: Trinomial, *, half_allowed: bool = True
) -> NDArray[np.int64]:
    """Return, per share of votes, how many parameters may change before the vote can.

    Parameters
    ----------
    shares
        Of the class voted for, or lower bounds of them.
    n_parameters
        Of the network; those that are 0 cannot change and need not be counted.
    half_allowed
        Whether any number of the other parameters may be halved on top, as in the published
        theorem. Without it they stay as they are.

    Returns
    -------
    array
        The largest number for which at least half of the votes remain; `NOT_CERTIFIED` where there
        is none.

    Notes
    -----
    A classifier may ignore a parameter, so that one more changed parameter never helps: the bound
    falls with either count, and halving all the others is the worst that is allowed.
    """
    distinct, place = np.unique(np.asarray(shares, dtype=np.float64), return_inverse=True)
    found = np.full(len(distinct), NOT_CERTIFIED)
    first = 0
    for n_generic in range(n_parameters + 1):
        n_halved = n_parameters - n_generic if half_allowed else 0

        def holds(share: float, changed: tuple[int, int] = (n_generic, n_halved)) -> bool:
            return lower_bound(float(share), *changed, noise) >= 0.5

        first = bisect_left(distinct, True, lo=first, key=holds)
        if first == len(distinct):
            break
        found[first:] = n_generic
    return found[place]
