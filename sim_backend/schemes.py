"""What the unselected lines do while one cell is addressed, and what its neighbours then feel."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from crossbar.backend import Array, Cells


@dataclass(frozen=True, slots=True)
class Scheme:
    """Voltages of the unselected lines, as fractions of the selected cell's voltage.

    The selected word line is at V, the selected bit line at 0 V.

    Parameters
    ----------
    word, bit
        Of the unselected word lines and bit lines; None leaves the terminal floating.
    """

    word: float | None
    bit: float | None

    @property
    def floating(self) -> bool:
        """True if any line floats, so that the neighbours' voltages depend on conductances."""
        return self.word is None or self.bit is None

    def neighbours(self) -> tuple[float, float, float]:
        """Return the fractions of V across cells on the same word line, same bit line, on neither.

        Floating lines count as following the selected cell's own: their cells as seeing nothing.
        """
        if self.word is None or self.bit is None:
            return 0.0, 0.0, 0.0
        return 1.0 - self.bit, self.word, self.word - self.bit


SCHEMES: dict[str, Scheme] = {
    "grounded": Scheme(0.0, 0.0),
    "floating": Scheme(None, None),
    "half": Scheme(1 / 2, 1 / 2),
    "third": Scheme(1 / 3, 2 / 3),
}


def line_voltages(
    scheme: Scheme, shape: tuple[int, int], cells: Cells, voltages: Array
) -> tuple[Array, Array]:
    """Return the terminal voltages that address each cell, V: ``(n, n_word)`` and ``(n, n_bit)``.

    Parameters
    ----------
    scheme
        Of the unselected lines; floating terminals are given 0 V here.
    shape
        Number of word lines and of bit lines.
    cells
        One selected cell per row of the result.
    voltages
        At the selected cells, V, shape ``(n,)``.
    """
    rows = np.arange(len(cells))
    word = np.repeat(voltages[:, None] * (scheme.word or 0.0), shape[0], axis=1)
    bit = np.repeat(voltages[:, None] * (scheme.bit or 0.0), shape[1], axis=1)
    word[rows, cells.word] = voltages
    bit[rows, cells.bit] = 0.0
    return word, bit


def doses(
    scheme: Scheme,
    shape: tuple[int, int],
    cells: Cells,
    voltages: Array,
    widths: Array,
    stress: Callable[[Array], Array],
    *,
    selected: bool,
) -> tuple[Array, Array]:
    """Return the SET and RESET dose of every cell when cells are addressed without line resistance.

    A neighbour's voltage depends only on whether it shares a line with the selected cell, so the
    doses of any number of pulses come from sums per line, not per pulse and neighbour.

    Parameters
    ----------
    scheme, shape, cells, voltages
        As for `line_voltages`. With floating lines neighbours get nothing here.
        One for all may have shape ``(1,)``.
    widths
        How long each cell is addressed, s, shape ``(n,)``.
    stress
        Signed rate at these voltages, see `Device.stress`.
    selected
        Whether the selected cells' own voltage counts too.

    Returns
    -------
    tuple of Array
        s at threshold, shape `shape` each, zero or more.
    """
    on_word, on_bit, elsewhere = scheme.neighbours()
    flat = cells.word * shape[1] + cells.bit
    rates: dict[float, Array] = {
        part: stress(part * voltages) * widths
        for part in {on_word, on_bit, elsewhere, *((1.0,) if selected else ())} - {0.0}
    }

    def of_polarity(sign: float) -> Array:
        @cache
        def per_cell(part: float) -> Array | None:
            """Return the sums of each cell's own pulses; None where none is of this polarity."""
            if part == 0.0:
                return None
            signed = rates[part]
            if not (signed.max(initial=0.0) > 0 if sign > 0 else signed.min(initial=0.0) < 0):
                return None
            dose = sign * signed
            np.maximum(dose, 0.0, out=dose)
            sums: Array = np.bincount(flat, dose, shape[0] * shape[1]).astype(
                np.float64, copy=False
            )
            return sums.reshape(shape)

        total = np.zeros(shape)
        for part, axis in ((on_word, 1), (on_bit, 0)):
            if (along := per_cell(part)) is not None:
                total += _line_sums(along, axis)
        if (far := per_cell(elsewhere)) is not None:
            lines = far.sum(axis=1, keepdims=True) + far.sum(axis=0, keepdims=True)
            # The differences leave rounding where the true dose is zero; a dose is never negative.
            total += np.maximum(far.sum() - lines + far, 0.0)
        if selected and (own := per_cell(1.0)) is not None:
            total += own
        return total

    return of_polarity(1.0), of_polarity(-1.0)


def _line_sums(weights: Array, axis: int) -> Array:
    """Return, for each cell, the sum over the other cells of its line; never below zero."""
    others: Array = weights.sum(axis=axis, keepdims=True) - weights
    np.maximum(others, 0.0, out=others)
    return others
