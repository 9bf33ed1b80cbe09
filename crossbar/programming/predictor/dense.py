"""The network as a map: two conductances in, the logarithm of the width out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, DataError, Siemens

SHORTEST, LONGEST = -12.0, 6.0
"""log10 of the width, s: what a network says beyond is no width that a bench has."""


@dataclass(frozen=True, slots=True, eq=False)
class DenseMap:
    """A network of one polarity.

    Parameters
    ----------
    network
        Takes shape ``(n, 2)`` and returns ``(n, 1)``: a `crossbar.network.Network`, or what
        `crossbar.offload.offload` made of one.
    low, high
        S: what is scaled to -1 and 1. Conductances beyond are taken for these.

    Raises
    ------
    DataError
        If the range is empty.
    """

    network: Callable[[Array], Array]
    low: Siemens
    high: Siemens

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high < np.inf:
            raise DataError(f"{self.low} to {self.high} S is not a range of conductance")

    def inputs(self, before: Array, target: Array) -> Array:
        """Return what the network is given for conductances, S: shape ``(n, 2)``, in ±1."""
        both = np.column_stack([before, target])
        return np.asarray(np.clip(2 * (both - self.low) / (self.high - self.low) - 1, -1.0, 1.0))

    def widths(self, before: Array, target: Array) -> Array:
        """Return the widths, s, between conductances, S."""
        logs = self.network(self.inputs(before, target))[:, 0]
        return np.asarray(10.0 ** np.clip(logs, SHORTEST, LONGEST))
