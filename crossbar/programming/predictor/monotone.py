"""The structured map: a pulse's width is the way between two places on one monotone time axis.

Where a cell's speed depends on its state alone, Phi(G), the time that a held voltage takes to
bring it to G, says everything: t = abs(Phi(G') - Phi(G)).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from crossbar.backend import Array, DataError, Second, Siemens


@dataclass(frozen=True, slots=True)
class MonotoneMap:
    """Phi of one polarity.

    Parameters
    ----------
    knots
        S, ascending.
    times
        Phi at the knots, s, ascending.

    Raises
    ------
    DataError
        If one is not finite, does not ascend, or they are not as many.
    """

    knots: tuple[Siemens, ...]
    times: tuple[Second, ...]

    def __post_init__(self) -> None:
        if len(self.knots) != len(self.times) or len(self.knots) < 2:
            raise DataError(f"{len(self.knots)} knots, {len(self.times)} times: 2 or more of both")
        for name in ("knots", "times"):
            values = getattr(self, name)
            if not np.all(np.isfinite(values)):
                raise DataError(f"{name} hold NaN or infinity")
            if not all(a < b for a, b in pairwise(values)):
                raise DataError(f"{name} do not ascend")

    @property
    def low(self) -> Siemens:
        """Lower end of what it was fitted to, S."""
        return self.knots[0]

    @property
    def high(self) -> Siemens:
        """Upper end of what it was fitted to, S."""
        return self.knots[-1]

    def widths(self, before: Array, target: Array) -> Array:
        """Return the widths, s, between conductances, S; outside the knots those of their ends."""
        times = (np.interp(place, self.knots, self.times) for place in (target, before))
        return np.asarray(np.abs(np.subtract(*times)))
