"""Between weights and conductances: the only file that turns one into the other.

A weight is the difference of two conductances, ``w = (G_plus - G_minus) / k``. The two mappings
differ in who the partner is:

=============  =====================================================  ==========================
mapping        partner of an output's bit line                        bit lines for n outputs
=============  =====================================================  ==========================
differential   a bit line of its own, also programmed                 2 n
reference      one bit line at mid-range, shared by every output      n + 1
=============  =====================================================  ==========================

Because the partner's conductance enters the difference, a partner that is stuck is worked around by
moving the target of the other cell: `solve_targets` does this for both mappings.
"""

from collections.abc import Mapping as Table
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from crossbar.backend import Array, BenchError, Siemens


@dataclass(frozen=True, slots=True)
class Window:
    """The conductances that a programmed cell may have.

    Parameters
    ----------
    low, high
        S.

    Raises
    ------
    BenchError
        If the window is empty, negative or not finite.
    """

    low: Siemens
    high: Siemens

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high < np.inf:
            raise BenchError(
                f"conductance window {self.low} S to {self.high} S is not 0 <= low < high, finite"
            )

    @property
    def span(self) -> Siemens:
        """Width of the window, S."""
        return self.high - self.low

    @property
    def middle(self) -> Siemens:
        """Centre of the window, S."""
        return (self.low + self.high) / 2


@dataclass(frozen=True, slots=True)
class Mapping:
    """How outputs become bit lines.

    Parameters
    ----------
    name
        As on the command line.
    own_partner
        True where every output has a partner bit line of its own.
    swing
        Largest difference of conductances that a weight can use, in units of the window's span.
    """

    name: str
    own_partner: bool
    swing: float

    def bit_lines(self, outputs: int) -> int:
        """Return how many bit lines all layers together need for this many outputs."""
        return 2 * outputs if self.own_partner else outputs + 1

    def slots(self, bit_lines: int) -> int:
        """Return how many outputs have room side by side on this many bit lines."""
        return bit_lines // 2 if self.own_partner else bit_lines - 1

    def scale(self, matrix: Array, window: Window) -> Siemens:
        """Return `k`, the conductance difference that stands for a weight of 1, S.

        The largest weight of the matrix, biases included, uses the whole swing
        (Joksas et al., Adv. Sci. 9, 2105784 (2022): ``k_G = (G_on - G_off) / w_max``). A matrix of
        zeros has no largest weight: its scale is the whole swing.
        """
        largest = float(np.max(np.abs(matrix), initial=0.0))
        return self.swing * window.span / (largest if largest > 0 else 1.0)

    def partner_target(self, difference: Array, window: Window) -> Array:
        """Return the partner's target conductance where nothing is stuck, S.

        Parameters
        ----------
        difference
            Wanted ``G_plus - G_minus``, S.
        window
            Allowed conductances.
        """
        if self.own_partner:
            # The "min" rule: one of the two stays at the low end, which costs least current.
            return window.low + np.maximum(-difference, 0.0)
        return np.full_like(difference, window.middle)


MAPPINGS: Table[str, Mapping] = MappingProxyType(
    {
        "differential": Mapping("differential", own_partner=True, swing=1.0),
        "reference": Mapping("reference", own_partner=False, swing=0.5),
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Target conductances of a layer's two cells per weight.

    Parameters
    ----------
    plus, minus
        S, shape ``(n_in, n_out)``.
    shortfall
        Part of the wanted difference ``G_plus - G_minus`` that the window or stuck cells leave
        out of reach, S, same shape; zero where the weight can be realised.
    """

    plus: Array
    minus: Array
    shortfall: Array


def solve_targets(
    difference: Array, mapping: Mapping, window: Window, fixed_plus: Array, fixed_minus: Array
) -> Targets:
    """Return the targets that realise conductance differences around fixed cells.

    Parameters
    ----------
    difference
        Wanted ``G_plus - G_minus``, S, shape ``(n_in, n_out)``.
    mapping, window
        Rule for the partner and allowed conductances.
    fixed_plus, fixed_minus
        Conductance of cells that cannot be changed, S, same shape; NaN where the cell can be
        programmed.

    Returns
    -------
    Targets
        Fixed cells are given their own conductance as target.
    """
    minus = np.where(np.isnan(fixed_minus), mapping.partner_target(difference, window), fixed_minus)
    if mapping.own_partner:
        movable = np.isnan(fixed_minus) & ~np.isnan(fixed_plus)
        around = np.clip(fixed_plus - difference, window.low, window.high)
        minus = np.where(movable, around, minus)
    plus = np.where(
        np.isnan(fixed_plus), np.clip(minus + difference, window.low, window.high), fixed_plus
    )
    shortfall = difference - (plus - minus)
    # Differences of conductances carry rounding of the order of eps times the window.
    shortfall[np.abs(shortfall) < 1e-12 * window.span] = 0.0
    return Targets(plus=plus, minus=minus, shortfall=shortfall)


def weights(plus: Array, minus: Array, scale: Siemens) -> Array:
    """Return the weights that two conductances stand for.

    Parameters
    ----------
    plus, minus
        S, same shape.
    scale
        `Mapping.scale` of the layer, S.
    """
    return (plus - minus) / scale
