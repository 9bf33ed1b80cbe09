"""What becomes of weights that ask for more levels than a device can be driven to in order."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crossbar.backend import Array, DataError

if TYPE_CHECKING:
    from crossbar.memsim.profile import DeviceProfile

SPANS = ("segment", "curve")
"""Whose smallest and largest conductance stand for weights 0 and w_max: the paper does not say."""


@dataclass(frozen=True, slots=True, eq=False)
class OutOfRange:
    """The levels of a weight's magnitude, and what those beyond the operative segment become.

    Parameters
    ----------
    levels
        How many levels a magnitude is divided into; level j stands for ``j / (levels - 1)`` of the
        largest weight, to the nearest.
    exact
        Levels below this one are within the operative segment, and their weights stay as they are.
    beyond
        What the weights of the other levels become, as a part of the largest weight, 0 to 1, shape
        ``(levels - exact,)``.
    """

    levels: int
    exact: int
    beyond: Array

    @property
    def identity(self) -> bool:
        """Whether every weight stays as it is."""
        return len(self.beyond) == 0


def out_of_range(profile: "DeviceProfile", span: str = "segment") -> OutOfRange:
    """Return what a device makes of each level of a weight's magnitude.

    Parameters
    ----------
    profile
        Of the device: ``l_min`` levels are wanted, ``length`` are in order.
    span
        One of `SPANS`.

    Raises
    ------
    DataError
        If the span is unknown.

    Notes
    -----
    Level j is at point ``k0 + j`` of the mean curve, its last point where there is none. Beyond
    the operative segment the weight follows the conductance that is there,
    ``(G_x - G_min) / (G_max - G_min)`` clipped to 0 ... 1. A device whose ``G_max`` is ``G_min``
    has nothing in between: 1 above it, otherwise 0. For a gapped segment, levels in range are its
    points, the others follow its end.

    References
    ----------
    BayesMulti, arXiv 2412.02779, eq. 6. Which point a weight asks for, and the ends of the range
    for conductances outside of it, are our completion.
    """
    if span not in SPANS:
        raise DataError(f"span {span!r} is unknown; known are {', '.join(SPANS)}")
    curve = np.array(profile.curve)
    exact = min(profile.length, profile.l_min)
    steps = np.arange(1, profile.l_min - exact + 1)
    G_x = curve[np.minimum(profile.k1 + steps, len(curve) - 1)]
    ends = curve[[profile.k0, profile.k1]] if span == "segment" else curve
    G_min, G_max = ends.min(), ends.max()
    if G_max > G_min:
        beyond = np.clip((G_x - G_min) / (G_max - G_min), 0.0, 1.0)
    else:
        beyond = (G_x > G_min).astype(np.float64)
    return OutOfRange(levels=profile.l_min, exact=exact, beyond=beyond)
