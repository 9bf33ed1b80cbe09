"""An ohmic array as the matrix that it is: bit-line currents per word-line volt."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, DataError, Mask
from sim_backend.wires import Wires

UPDATED_PART = 4
"""More changed cells than a quarter of the lines of the shorter side make the matrix anew."""

UPDATES = 64
"""Updates in a row after which the matrix is made anew: each adds its rounding."""

CHUNK_VALUES = 16_000_000
"""Node voltages of one kind that are held at once, 128 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Transfer:
    """The matrix of an array whose cells are ohmic and whose terminals are all driven.

    Parameters
    ----------
    wires
        Of the array.
    conductances
        That it is of, S, shape ``(n_word, n_bit)``.
    matrix
        Bit-line currents with the bit lines at 0 V are voltages times it, S, same shape.
    updates
        How often it was brought up to date since it was made.
    """

    wires: Wires
    conductances: Array
    matrix: Array
    updates: int = 0

    @classmethod
    def of(cls, wires: Wires, conductances: Array) -> "Transfer":
        """Return the matrix of an array, from one solve per line of its shorter side."""
        G = np.array(conductances, dtype=np.float64)
        if wires.known(*wires.all_driven):
            return cls(wires, G, G)
        n_word, n_bit = wires.shape
        ends = wires.all_ends
        matrix, chunk = np.empty(G.shape), max(1, CHUNK_VALUES // G.size)
        for begin in range(0, min(G.shape), chunk):
            lines = slice(begin, begin + chunk)
            if n_bit <= n_word:
                # A volt at a bit line; by reciprocity what reaches the word lines is its column.
                unit = np.eye(n_bit)[lines, None, :]
                across = wires.solve(G[None], *ends, -G * unit).across
                matrix[:, lines] = (G * (unit - across)).sum(axis=2).T
            else:
                unit = np.eye(n_word)[lines, :, None]
                across = wires.solve(G[None], *ends, G * unit).across
                matrix[lines] = (G * (unit + across)).sum(axis=1)
        return cls(wires, G, matrix)

    def multiply(self, voltages: Array) -> Array:
        """Return the bit-line currents, A, ``(batch, n_bit)``, with the bit lines at 0 V.

        Parameters
        ----------
        voltages
            Of the word lines, V, shape ``(batch, n_word)``.
        """
        return voltages @ self.matrix

    def updated(self, conductances: Array) -> "Transfer":
        """Return the matrix after some cells have changed.

        By the Woodbury identity it takes one solve per changed cell; where that is more than
        making it anew takes, it is made anew.

        Parameters
        ----------
        conductances
            S, shape ``(n_word, n_bit)``.

        Raises
        ------
        DataError
            If the shape is not the array's.
        """
        if conductances.shape != self.wires.shape:
            raise DataError(
                f"conductances of shape {conductances.shape} are not those of an array of "
                f"{self.wires.shape}"
            )
        change = conductances - self.conductances
        word, bit = np.nonzero(change)
        many = UPDATED_PART * len(word) > min(self.wires.shape)
        if self.wires.segment == 0 or many or self.updates >= UPDATES:
            return Transfer.of(self.wires, conductances)
        ends = self.wires.all_ends
        excess = np.zeros((len(word), *self.wires.shape))
        excess[np.arange(len(word)), word, bit] = 1.0
        found = self.wires.solve(self.conductances[None], *ends, excess)
        # By reciprocity a unit current through a cell draws from each word-line terminal what the
        # cell sees of a volt there.
        seen = -ends[0] * found.word[:, :, 0]
        shares = ends[1] * found.bit[:, -1, :]
        ports = -found.across[:, word, bit]
        delta = change[word, bit]
        voltages = np.linalg.solve(np.eye(len(word)) + ports * delta, seen)
        matrix = self.matrix + (voltages * delta[:, None]).T @ shares
        return Transfer(self.wires, np.array(conductances), matrix, self.updates + 1)


def shares_of(wires: Wires, conductances: Array, driven: tuple[Mask, ...]) -> Array:
    """Return what `Circuit.shares` does; wires that leave nothing to solve are not for it."""
    word_driven, bit_driven = driven
    n_bit = wires.shape[1]
    ends = wires.ends(word_driven[None], bit_driven[None])
    unit = np.eye(n_bit)[:, None, :] * bit_driven
    found = wires.solve(conductances[None], *ends, -conductances * unit)
    shares: Array = unit - found.across
    return shares
