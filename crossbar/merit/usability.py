"""Usability: one number between 0 and 1 from the non-monotonic factor and the spread.

The paper's closed form (its equation 5) could not be recovered, so there are several, and a number
never goes without the name of its form. `rho` and `sigma` do not depend on it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from crossbar.backend import DataError

DRIFT_SCALE = 1.5
"""Largest sigma that BayesFT's published code sweeps (JingbiaoMei/BayesFTNA, evaluation)."""


DEFAULT_FORM = "exponential"
DEFAULT_RHO = "missing-part"


@dataclass(frozen=True, slots=True)
class Form:
    """A closed form of usability.

    Parameters
    ----------
    formula
        For people.
    usability
        Of ``(rho, sigma)``; 1 at ``(0, 0)``, falling in both, never outside 0 to 1.
    solved
        The formula solved for sigma: of ``(usability, rho)``, wherever that leads.
    """

    formula: str
    usability: Callable[[float, float], float]
    solved: Callable[[float, float], float]

    def sigma(self, usability: float, rho: float = 0.0) -> float:
        """Return the sigma that gives a usability.

        Raises
        ------
        DataError
            If no finite sigma does.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            sigma = float(self.solved(np.float64(usability), np.float64(rho)))
        # What rounding leaves of 0.
        if -1e-12 < sigma < np.inf and 0 <= usability <= 1:
            return max(sigma, 0.0)
        raise DataError(
            f"no sigma gives a usability of {usability:g} by {self.formula} where rho = {rho:g}"
        )


def _kept(rho: float) -> float:
    """Return the part that the non-monotonic factor leaves; none where it is beyond 1."""
    return max(0.0, 1.0 - rho)


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "exponential": Form(
            "(1 - rho) exp(-sigma)",
            lambda rho, sigma: _kept(rho) * float(np.exp(-sigma)),
            lambda u, rho: -float(np.log(u / _kept(rho))),
        ),
        "exponential-sum": Form(
            "exp(-(rho + sigma))",
            lambda rho, sigma: float(np.exp(-(rho + sigma))),
            lambda u, rho: -float(np.log(u)) - rho,
        ),
        "linear": Form(
            "(1 - rho) (1 - sigma), not below 0",
            lambda rho, sigma: _kept(rho) * max(0.0, 1.0 - sigma),
            lambda u, rho: 1.0 - u / _kept(rho),
        ),
        "reciprocal": Form(
            "1 / (1 + rho + sigma)",
            lambda rho, sigma: 1.0 / (1.0 + rho + sigma),
            lambda u, rho: 1.0 / u - 1.0 - rho,
        ),
        "linear-1.5": Form(
            "(1 - rho) (1 - sigma / 1.5), not below 0",
            lambda rho, sigma: _kept(rho) * max(0.0, 1.0 - sigma / DRIFT_SCALE),
            lambda u, rho: DRIFT_SCALE * (1.0 - u / _kept(rho)),
        ),
    }
)

RHOS: Mapping[str, Callable[[int, int], float]] = MappingProxyType(
    {
        "missing-part": lambda length, l_min: max(0.0, 1.0 - length / l_min),
        "shortfall": lambda length, l_min: max(0.0, l_min / length - 1.0),
        "step": lambda length, l_min: float(length < l_min),
    }
)
"""Non-monotonic factor from the points of the LCIS and those that are needed; 0 is ideal.

The paper says that it vanishes for a long enough LCIS, and no more; ``shortfall`` is unbounded.
"""


@dataclass(frozen=True, slots=True)
class Usability:
    """A usability and everything that its value depends on.

    Parameters
    ----------
    value
        Between 0 and 1; 1 is ideal.
    form
        Key of `FORMS`.
    rho
        Non-monotonic factor.
    sigma, bound
        Log-normal spread and its upper bound; the value is of the bound.
    """

    value: float
    form: str
    rho: float
    sigma: float
    bound: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.form})"


def non_monotonic(length: int, l_min: int, name: str = DEFAULT_RHO) -> float:
    """Return the non-monotonic factor of an LCIS.

    Parameters
    ----------
    length
        Points in the LCIS.
    l_min
        Points that it needs.
    name
        Key of `RHOS`.

    Raises
    ------
    DataError
        If the name is unknown, or one of the two is not positive.
    """
    if name not in RHOS:
        raise DataError(f"there is no form of rho {name!r}; there are: {', '.join(RHOS)}")
    if length < 1 or l_min < 1:
        raise DataError(f"an LCIS of {length} of {l_min} points is none: both are at least 1")
    return RHOS[name](length, l_min)


def usability(rho: float, sigma: float, bound: float, form: str = DEFAULT_FORM) -> Usability:
    """Return the usability of a non-monotonic factor and a spread, with its form's name.

    Raises
    ------
    DataError
        If the form is unknown, or a number is negative or not finite.
    """
    if form not in FORMS:
        raise DataError(f"there is no form of usability {form!r}; there are: {', '.join(FORMS)}")
    for name, value in (("rho", rho), ("sigma", sigma), ("the bound", bound)):
        if not 0 <= value < np.inf:
            raise DataError(f"{name} = {value} gives no usability: it is not 0 or above")
    return Usability(FORMS[form].usability(rho, bound), form, rho, sigma, bound)
