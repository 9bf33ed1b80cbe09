"""The wires of an array: how cell currents and terminals set the voltages along its lines.

Voltages are counted from those that the lines would have if no cell conducted: a driven line's own
terminal voltage, 0 V on a floating one. These departures are what wires cost, and being solved for
themselves they are exact where they are small.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from crossbar.backend import Array, BenchError, DataError, Indices, Mask, Ohm
from sim_backend.ladders import settle_all

TOLERANCE = 1e-14
"""Kirchhoff residual asked of a linear solve, as a fraction of its largest excess current."""

ACCEPTED = 1e-9
"""Residual beyond which a linear solve has failed; what one leaves is a thousandth of it."""

ELIMINATION = "line elimination and conjugate gradients"
NODES = "one node per line"


@dataclass(frozen=True, slots=True, eq=False)
class Departures:
    """Node voltages counted from those of the unloaded lines, and how they were found.

    Parameters
    ----------
    word, bit
        At each cell, V, shape ``(batch, n_word, n_bit)``.
    steps
        Of conjugate gradients, shape ``(batch,)``; 0 for a direct solution.
    residual
        Largest Kirchhoff residual, as a fraction of the largest excess current, ``(batch,)``.
    """

    word: Array
    bit: Array
    steps: Indices
    residual: Array

    @property
    def across(self) -> Array:
        """From word line to bit line at each cell, V."""
        return self.word - self.bit


@dataclass(frozen=True)
class Wires:
    """Resistances of an array's lines.

    Word line i runs from its terminal through `source` and one segment to cell (i, 0), and on
    through one segment from cell to cell; bit line j ends, below the last word line, through one
    segment and `sense` in its terminal.

    Parameters
    ----------
    shape
        Number of word lines and of bit lines.
    segment
        Of each line segment, ohm.
    source, sense
        Between each word-line terminal, each bit-line terminal, and the line's first segment, ohm:
        that of a driver, of a switch, of an ammeter.

    Raises
    ------
    BenchError
        If there are no lines, or a resistance is negative or not finite.
    """

    shape: tuple[int, int]
    segment: Ohm
    source: Ohm = 0.0
    sense: Ohm = 0.0

    def __post_init__(self) -> None:
        if min(self.shape) < 1:
            raise BenchError(f"an array of {self.shape} lines has no cells")
        for name in ("segment", "source", "sense"):
            ohms = getattr(self, name)
            if not 0 <= ohms < np.inf:
                told = "line" if name == "segment" else name
                raise BenchError(f"{told} resistance {ohms} ohm is not zero or more")

    @cached_property
    def all_driven(self) -> tuple[Mask, Mask]:
        """Masks of word-line and of bit-line terminals that are all driven."""
        return np.ones(self.shape[0], np.bool_), np.ones(self.shape[1], np.bool_)

    @cached_property
    def all_ends(self) -> tuple[Array, Array]:
        """What `ends` returns for these, shapes ``(1, lines)``."""
        return self.ends(self.all_driven[0][None], self.all_driven[1][None])

    @property
    def method(self) -> str:
        """How linear arrays with these wires are solved."""
        return ELIMINATION if self.segment > 0 else NODES

    def known(self, word_driven: Mask, bit_driven: Mask) -> bool:
        """Return True if every line lies at the voltage of its terminal."""
        ideal = self.segment == 0 and self.source == 0 and self.sense == 0
        return ideal and bool(word_driven.all() and bit_driven.all())

    def ends(self, word_driven: Mask, bit_driven: Mask) -> tuple[Array, Array]:
        """Return the conductances from the lines to their terminals, S; 0 of a floating line.

        Parameters
        ----------
        word_driven, bit_driven
            Which terminals are driven, any leading shape.
        """
        with np.errstate(divide="ignore"):
            source, sense = 1.0 / (np.array([self.source, self.sense]) + self.segment)
        return np.where(word_driven, source, 0.0), np.where(bit_driven, sense, 0.0)

    def solve(self, slopes: Array, word_ends: Array, bit_ends: Array, excess: Array) -> Departures:
        """Return the departures of linear arrays, each cell carrying slope times v plus excess.

        Parameters
        ----------
        slopes
            S, shape ``(batch, n_word, n_bit)``, or 1 for one array.
        word_ends, bit_ends
            From `ends`, shapes ``(batch, n_word)`` and ``(batch, n_bit)``, or 1 for all alike.
        excess
            A, shape ``(batch, n_word, n_bit)``.

        Raises
        ------
        DataError
            If there is no solution.
        """
        if self.segment == 0:
            return _solve_nodes(slopes, word_ends, bit_ends, excess)
        count = len(excess)
        steps, residual = np.zeros(count, np.intp), np.zeros(count)
        word, bit = np.empty(excess.shape), np.empty(excess.shape)
        settle_all(
            np.ascontiguousarray(slopes),
            1.0 / self.segment,
            np.ascontiguousarray(word_ends),
            np.ascontiguousarray(bit_ends),
            np.ascontiguousarray(excess),
            TOLERANCE,
            100 + 10 * sum(self.shape),
            word,
            bit,
            steps,
            residual,
        )
        if not residual.max(initial=0.0) <= ACCEPTED:
            raise DataError(
                f"the array's circuit was not solved: after {steps.max()} steps currents are off "
                f"by {np.nanmax(residual, initial=0.0):.1g} of the largest"
            )
        return Departures(word, bit, steps, residual)


def check_fixed(conductances: Array, word_driven: Mask, bit_driven: Mask) -> None:
    """Raise `DataError` if a line is connected to nothing that fixes its voltage.

    Parameters
    ----------
    conductances
        S, shape ``(n_word, n_bit)``.
    word_driven, bit_driven
        Which terminals are driven, shapes ``(..., n_word)`` and ``(..., n_bit)``.
    """
    driven = np.concatenate([word_driven, bit_driven], axis=-1).reshape(-1, sum(conductances.shape))
    if driven.all():
        return
    n_word, lines = conductances.shape[0], driven.shape[1]
    word, bit = np.nonzero(conductances)
    cells = sparse.coo_array((np.ones(len(word)), (word, n_word + bit)), shape=(lines, lines))
    count, part = connected_components(cells, directed=False)
    held = np.zeros((len(driven), count), np.bool_)
    input_of, line = np.nonzero(driven)
    held[input_of, part[line]] = True
    if not held.all():
        raise DataError("a floating line is connected to nothing that fixes its voltage")


def _solve_nodes(slopes: Array, word_ends: Array, bit_ends: Array, excess: Array) -> Departures:
    """Solve arrays whose lines have no resistance: one unknown per line, word lines eliminated."""
    # A driven line without a lead has an infinite end and does not move.
    D = word_ends + slopes.sum(axis=2)
    from_word = excess.sum(axis=2) / D
    shares = np.swapaxes(slopes, 1, 2) / D[:, None, :]
    held = np.broadcast_to(np.isinf(bit_ends), (max(len(bit_ends), len(slopes)), bit_ends.shape[1]))
    diagonal = np.where(held, 1.0, bit_ends + slopes.sum(axis=1))
    matrix = np.where(held[:, :, None], 0.0, -(shares @ slopes))
    at = np.arange(matrix.shape[1])
    matrix[:, at, at] += diagonal
    arriving = excess.sum(axis=1) - np.einsum("bij,bi->bj", slopes, from_word, optimize=True)
    try:
        bit = np.linalg.solve(matrix, np.where(held, 0.0, arriving)[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError as error:
        raise DataError("the array's circuit has no unique solution") from error
    word = np.einsum("bji,bj->bi", shares, bit, optimize=True) - from_word
    shape, count = excess.shape, len(excess)
    return Departures(
        np.broadcast_to(word[:, :, None], shape),
        np.broadcast_to(bit[:, None, :], shape),
        np.zeros(count, np.intp),
        np.zeros(count),
    )
