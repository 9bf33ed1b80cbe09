"""The published certificate of trinomial noise, to be shown beside the exact one: it is unsound."""

from math import inf, log

from crossbar.backend import DataError
from crossbar.certificates.trinomial import Trinomial

LABEL = "as printed in arXiv 2412.02779, as recovered; unsound for p2 < (1-p1)/2"


def radius(share: float, n_parameters: int, noise: Trinomial) -> float:
    """Return r of equation 2: claimed is every change with at most r factors outside 0.5 and 1.

    Parameters
    ----------
    share
        Of the votes that the class has without a change.

    Returns
    -------
    float
        Neither rounded nor bounded by the number of parameters; negative where the equation
        claims nothing.

    Raises
    ------
    DataError
        If the share is not within 0 and 1, or p2 is 1, where the equation does not exist.

    Notes
    -----
    ``[ln(1.5 - share) - n ln(1 - p2)] / [ln p1 - ln(1 - p2)]``, that is, the largest r with
    ``p1**r (1 - p2)**(n - r) >= 1.5 - share``. The left side stands for the mass that the laws
    with and without the change have in common. For a halved parameter that mass is
    ``p1 + min(p2, p3)``; the equation takes ``1 - p2 = p1 + p3``, which is more where p3 > p2.

    References
    ----------
    BayesMulti, arXiv 2412.02779, eq. 2, put together again from a rendering that had lost its
    typesetting.
    """
    if not 0 <= share <= 1:
        raise DataError(f"share = {share} of the votes is not within 0 and 1")
    if noise.p2 >= 1:
        raise DataError("equation 2 does not exist for p2 = 1")
    over = log(1.5 - share) - n_parameters * log(1 - noise.p2)
    if noise.p1 == 0:
        return 0.0 if over <= 0 else -inf
    under = log(noise.p1) - log(1 - noise.p2)
    if under == 0:
        return inf if over <= 0 else -inf
    return over / under


def sound(noise: Trinomial) -> bool:
    """Return whether the step behind the equation is valid: p2 at least ``(1 - p1) / 2``."""
    return noise.p2 >= (1 - noise.p1) / 2
