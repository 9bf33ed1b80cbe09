"""The exact circuit of a crossbar: every cell voltage and line current, with line resistance.

`Wires` says what the lines are. Ohmic cells make the array one matrix, which `transfer` returns
and keeps: every later multiply is a product with it. Cells that are not ohmic are solved by Newton,
many inputs together. A terminal is driven at a voltage or floats.
"""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Indices, Mask, Ohm
from sim_backend import newton
from sim_backend.devices.device import Law
from sim_backend.transfer import Transfer, shares_of
from sim_backend.wires import Wires, check_fixed

LARGEST_RESPONSE = 32_000_000
"""Values of the response to every line that are held at once, 256 MB; beyond, inputs are solved."""

IDEAL = "lines at their terminals' voltages"
SUPERPOSED = "superposition of {}"
NEWTON = "Newton, {}"


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """What flows in the array, for each input of a batch.

    Parameters
    ----------
    voltage
        Across each cell, word line against bit line, V, shape ``(batch, n_word, n_bit)``.
    current
        Through each cell, A, same shape.
    method
        How it was found.
    steps
        Of Newton, or of conjugate gradients for ohmic cells, ``(batch,)``; 0 for a product.
    residual
        Largest violation of Kirchhoff's current law when the solver stopped, as a fraction of the
        input's largest cell current, shape ``(batch,)``.
    """

    voltage: Array
    current: Array
    method: str
    steps: Indices
    residual: Array

    @property
    def word_current(self) -> Array:
        """Current from each word-line terminal into the array, A, shape ``(batch, n_word)``."""
        total: Array = self.current.sum(axis=2)
        return total

    @property
    def bit_current(self) -> Array:
        """Current out of the array into each bit-line terminal, A, shape ``(batch, n_bit)``."""
        total: Array = self.current.sum(axis=1)
        return total


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Terminal voltages as the solvers take them.

    Parameters
    ----------
    driven
        True at driven word-line and bit-line terminals.
    unloaded
        Voltages of the lines if no cell conducted, V, ``(batch, n_word)`` and ``(batch, n_bit)``.
    ideal
        Cell voltages then, V, shape ``(batch, n_word, n_bit)``.
    ends
        From `Wires.ends`, shapes ``(1 or batch, lines)``; None where nothing is left to solve.
    """

    driven: tuple[Mask, Mask]
    unloaded: tuple[Array, Array]
    ideal: Array
    ends: tuple[Array, Array] | None

    @classmethod
    def of(cls, wires: Wires, word: Array, bit: Array, driven: tuple[Mask, Mask] | None) -> "Asked":
        """Return what `Circuit.solve` was asked."""
        if driven is None:
            masks, at_word, at_bit = wires.all_driven, word, bit
        else:
            masks = driven
            at_word, at_bit = np.where(masks[0], word, 0.0), np.where(masks[1], bit, 0.0)
        ideal = at_word[:, :, None] - at_bit[:, None, :]
        if not len(ideal) or wires.known(*masks):
            ends = None
        elif driven is None:
            ends = wires.all_ends
        else:
            ends = wires.ends(np.atleast_2d(masks[0]), np.atleast_2d(masks[1]))
        return cls(masks, (at_word, at_bit), ideal, ends)


class Circuit:
    """Solver for one array geometry; it keeps the matrix of the last ohmic array.

    Parameters
    ----------
    shape
        Number of word lines and of bit lines.
    segment
        Resistance of each line segment, ohm, zero or more.
    source, sense
        Resistance between each word-line terminal, each bit-line terminal, and its line's first
        segment, ohm, zero or more.

    Raises
    ------
    BenchError
        If there are no lines, or a resistance is negative or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> circuit = Circuit((2, 2), segment=5.0)
    >>> circuit.transfer(np.full((2, 2), 1e-3)).multiply(np.array([[0.1, 0.1]])).round(7)
    array([[0.0001933, 0.0001923]])
    """

    def __init__(
        self, shape: tuple[int, int], segment: Ohm, source: Ohm = 0.0, sense: Ohm = 0.0
    ) -> None:
        self.wires = Wires(shape, segment, source, sense)
        self._transfer: Transfer | None = None
        self._shares: tuple[Array, Mask, Array] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Number of word lines and of bit lines."""
        return self.wires.shape

    def solve(
        self,
        conductances: Array,
        law: Law,
        word: Array,
        bit: Array,
        driven: tuple[Mask, Mask] | None = None,
    ) -> Solution:
        """Return the cell voltages and currents for each input.

        Parameters
        ----------
        conductances
            Small-signal, S, shape ``(n_word, n_bit)``.
        law
            I-V law of the cells.
        word, bit
            Terminal voltages, V, shapes ``(batch, n_word)`` and ``(batch, n_bit)``; ignored at
            floating terminals.
        driven
            True at driven word-line and bit-line terminals, one for all inputs or with the batch
            first; all are driven by default.

        Raises
        ------
        DataError
            If the circuit has no unique solution, or none was found.
        """
        asked = Asked.of(self.wires, word, bit, driven)
        if asked.ends is None:
            count = len(asked.ideal)
            voltage = asked.ideal
            method, steps, residual = IDEAL, np.zeros(count, np.intp), np.zeros(count)
        else:
            if driven is not None:
                check_fixed(conductances, *asked.driven)
            if law.linear:
                voltage, method, steps, residual = self._linear(conductances, asked, asked.ends)
            else:
                found = newton.solve(self.wires, conductances, law, asked.ideal, asked.ends)
                voltage, steps, residual = found.voltage, found.steps, found.residual
                method = NEWTON.format(self.wires.method)
        return Solution(voltage, conductances * law.effective(voltage), method, steps, residual)

    def solve_each(self, conductances: Array, word: Array, bit: Array) -> Solution:
        """Return what flows in many arrays of this geometry, each at an input of its own.

        For ohmic cells, all lines driven: chips of a Monte Carlo, or states of one array.

        Parameters
        ----------
        conductances
            S, shape ``(batch, n_word, n_bit)``.
        word, bit
            Terminal voltages, V, shapes ``(batch, n_word)`` and ``(batch, n_bit)``.

        Raises
        ------
        DataError
            If an array was not solved.
        """
        asked = Asked.of(self.wires, word, bit, None)
        if asked.ends is None:
            count = len(asked.ideal)
            none = np.zeros(count, np.intp), np.zeros(count)
            return Solution(asked.ideal, conductances * asked.ideal, IDEAL, *none)
        found = self.wires.solve(conductances, *asked.ends, conductances * asked.ideal)
        voltage = asked.ideal + found.across
        told = self.wires.method, found.steps, found.residual
        return Solution(voltage, conductances * voltage, *told)

    def transfer(self, conductances: Array) -> Transfer:
        """Return the matrix that the array is when its cells are ohmic and all lines driven.

        It is kept. Asked for again after a few cells were written, it is brought up to date by one
        solve for each of these; after more, or other, changes it is made anew.

        Parameters
        ----------
        conductances
            S, shape ``(n_word, n_bit)``.
        """
        kept = self._transfer
        if kept is None:
            kept = Transfer.of(self.wires, conductances)
        elif not np.array_equal(kept.conductances, conductances):
            kept = kept.updated(conductances)
        self._transfer = kept
        return kept

    def shares(self, conductances: Array, driven: tuple[Mask, Mask] | None = None) -> Array:
        """Return how much of a current added through each cell reaches each bit-line terminal.

        For small additions at small signal: by reciprocity it is the voltage at the cell per volt
        at the terminal. Without line resistance and with all terminals driven it is 1 for a cell's
        own bit line and 0 for the others.

        Parameters
        ----------
        conductances
            S, shape ``(n_word, n_bit)``.
        driven
            As in `solve`, one for all.

        Returns
        -------
        Array
            Shape ``(n_bit, n_word, n_bit)``; terminal first, then the cell.
        """
        n_word, n_bit = self.shape
        masks = (np.ones(n_word, bool), np.ones(n_bit, bool)) if driven is None else driven
        if self.wires.known(*masks):
            return np.repeat(np.eye(n_bit)[:, None, :], n_word, axis=1)
        flat, kept = np.concatenate(masks), self._shares
        if (
            kept is None
            or not np.array_equal(kept[0], conductances)
            or not np.array_equal(kept[1], flat)
        ):
            check_fixed(conductances, *masks)
            kept = conductances.copy(), flat, shares_of(self.wires, conductances, masks)
            self._shares = kept
        return kept[2]

    def forget(self) -> None:
        """Drop what is kept: the next answer is that of a new circuit, to the last digit."""
        self._transfer = self._shares = None

    def _linear(
        self, G: Array, asked: Asked, ends: tuple[Array, Array]
    ) -> tuple[Array, str, Indices, Array]:
        """Return cell voltages, method, steps and residual."""
        wires, count = self.wires, len(asked.ideal)
        alike = len(ends[0]) == len(ends[1]) == 1
        terminals = np.concatenate(asked.unloaded, axis=1)
        used = np.flatnonzero(terminals.any(axis=0)) if count > 1 else np.empty(0, np.intp)
        if not (alike and 0 < len(used) < count and len(used) * G.size <= LARGEST_RESPONSE):
            found = wires.solve(G[None], *ends, G * asked.ideal)
            return asked.ideal + found.across, wires.method, found.steps, found.residual
        # More inputs than sources: superpose the response to each source.
        unit = np.zeros((len(used), sum(self.shape)))
        unit[np.arange(len(used)), used] = 1.0
        across = unit[:, : self.shape[0], None] - unit[:, None, self.shape[0] :]
        found = wires.solve(G[None], *ends, G * across)
        responses = (across + found.across).reshape(len(used), -1)
        voltage = (terminals[:, used] @ responses).reshape(asked.ideal.shape)
        worst = np.full(count, found.residual.max())
        return voltage, SUPERPOSED.format(wires.method), np.zeros(count, np.intp), worst
