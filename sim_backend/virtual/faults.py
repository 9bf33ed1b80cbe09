"""Faults that can be built into a virtual bench, so that its check can be tried on them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from crossbar.backend import Ampere, Array, Mask, Siemens

Line: TypeAlias = tuple[Literal["word", "bit"], int]
"""Which kind of line, and its number."""

SHORT: Siemens = 1e-2  # assumed: a shorted cell is 100 ohm of electrode and filament
OPEN: Siemens = 1e-12  # assumed: what is left of a cell without a film


@dataclass(frozen=True, slots=True)
class Leak:
    """A resistive path between two lines.

    Parameters
    ----------
    first, second
        The lines.
    conductance
        S.
    """

    first: Line
    second: Line
    conductance: Siemens = 1e-5  # assumed: a trace of flux


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with a virtual bench; nothing by default.

    Parameters
    ----------
    broken
        Lines that are interrupted between their terminal and their first cell.
    shorted, missing
        Cells, as word line and bit line, that conduct `SHORT` or `OPEN` whatever their state.
    leaks
        Paths between lines. One from a word line to a bit line lies across their cell; one
        between bit lines counts where both are driven; between word lines it only loads drivers.
    dead
        Amplifiers whose output stays at 0 V.
    offsets
        Input offset current of amplifiers, A, on top of the one that was drawn.
    relay
        Position in which the source meter's relay is stuck; None where it works.
    """

    broken: frozenset[Line] = frozenset()
    shorted: frozenset[tuple[int, int]] = frozenset()
    missing: frozenset[tuple[int, int]] = frozenset()
    leaks: tuple[Leak, ...] = ()
    dead: frozenset[int] = frozenset()
    offsets: Mapping[int, Ampere] = field(default_factory=dict)
    relay: bool | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Damage:
    """The faults of an array, as arrays.

    Parameters
    ----------
    fixed
        Conductance of cells that have no state, S, NaN for healthy ones; None if all are healthy.
    across
        Conductance in parallel to each cell, S; None if there is none.
    word, bit
        False where a line is broken.
    between
        Conductance between bit lines, S, symmetric; None if there is none.
    """

    fixed: Array | None
    across: Array | None
    word: Mask
    bit: Mask
    between: Array | None

    @classmethod
    def of(cls, faults: Faults, shape: tuple[int, int]) -> "Damage":
        """Return the faults as arrays of an array of this shape."""
        fixed, across = np.full(shape, np.nan), np.zeros(shape)
        between = np.zeros((shape[1], shape[1]))
        for cell in faults.shorted:
            fixed[cell] = SHORT
        for cell in faults.missing:
            fixed[cell] = OPEN
        for leak in faults.leaks:
            (one, i), (other, j) = sorted((leak.first, leak.second))
            if (one, other) == ("bit", "word"):
                across[j, i] += leak.conductance
            elif one == "bit":
                between[i, j] += leak.conductance
                between[j, i] += leak.conductance
        word, bit = np.ones(shape[0], bool), np.ones(shape[1], bool)
        for kind, number in faults.broken:
            (word if kind == "word" else bit)[number] = False
        return cls(
            None if np.isnan(fixed).all() else fixed,
            across if across.any() else None,
            word,
            bit,
            between if between.any() else None,
        )

    def conductances(self, healthy: Array) -> Array:
        """Return what the cells of an array conduct that would conduct `healthy`, S."""
        G = healthy if self.fixed is None else np.where(np.isnan(self.fixed), healthy, self.fixed)
        return G if self.across is None else G + self.across

    def noise(self, healthy: Array) -> Array:
        """Return the cells' read noise, S, of which `healthy` would be that of healthy cells."""
        return healthy if self.fixed is None else np.where(np.isnan(self.fixed), healthy, 0.0)
