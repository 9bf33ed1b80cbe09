"""Where a matrix lies on the array: blocks of cells, each of which one drive multiplies with.

A block is a set of word lines and a set of pairs of bit lines; every crossing belongs to it. While
it is driven every other word line lies at 0 V, so that whatever else lies on its bit lines adds
nothing. Blocks of one matrix are driven one after the other, and put together digitally.
"""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Flag, Flags, Indices, Mask, Siemens
from crossbar.mapping import weights


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The part of a matrix that one drive multiplies with.

    Parameters
    ----------
    words
        Word lines, shape ``(n,)``.
    inputs
        Input of the matrix on each of them, shape ``(n,)``. An input that occurs twice drives two
        copies of its weights, whose currents add up on the bit line.
    plus, minus
        Bit line of each output and of its partner, shape ``(m,)``.
    outputs
        Output of the matrix that each pair adds to, shape ``(m,)``.
    copies
        Which copy of its weight each crossing is, counted from 0, shape ``(n, m)``.
    """

    words: Indices
    inputs: Indices
    plus: Indices
    minus: Indices
    outputs: Indices
    copies: Indices


@dataclass(frozen=True, slots=True, eq=False)
class CopyCells:
    """The two cells of every copy of every weight; shapes ``(copies, n_in, n_out)``."""

    word: Indices
    plus: Indices
    minus: Indices

    def __getitem__(self, chosen: slice) -> "CopyCells":
        return CopyCells(self.word[chosen], self.plus[chosen], self.minus[chosen])

    def at(self, conductances: Array) -> tuple[Array, Array]:
        """Return the conductances of the cells and of their partners, S, from an array's."""
        return conductances[self.word, self.plus], conductances[self.word, self.minus]


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Where one matrix lies on the array.

    Parameters
    ----------
    blocks
        Driven one after the other; together they hold every copy of every weight once.
    shape
        ``(n_in, n_out)`` of the matrix.
    copies
        Pairs of cells for each weight.
    scale
        Conductance difference that stands for a weight of 1, S.
    """

    blocks: tuple[Block, ...]
    shape: tuple[int, int]
    copies: int
    scale: Siemens

    @property
    def cells(self) -> CopyCells:
        """The cells of every weight, copy by copy."""
        word, plus, minus = (np.empty((self.copies, *self.shape), dtype=np.intp) for _ in "123")
        for b in self.blocks:
            here = b.copies, b.inputs[:, None], b.outputs[None, :]
            word[here], plus[here], minus[here] = b.words[:, None], b.plus, b.minus
        return CopyCells(word, plus, minus)

    def mask(self, array: tuple[int, int]) -> Mask:
        """Return which cells of an array of this shape belong to the matrix."""
        cells, mine = self.cells, np.zeros(array, dtype=np.bool_)
        mine[cells.word, cells.plus] = mine[cells.word, cells.minus] = True
        return mine

    def voltages(self, inputs: Array, word_lines: int) -> Array:
        """Return the word-line voltages of all drives, block after block.

        Parameters
        ----------
        inputs
            V, shape ``(batch, n_in)``.
        word_lines
            How many the array has.

        Returns
        -------
        Array
            V, shape ``(blocks * batch, word_lines)``; idle word lines lie at 0 V.
        """
        voltages = np.zeros((len(self.blocks), len(inputs), word_lines))
        for k, block in enumerate(self.blocks):
            voltages[k][:, block.words] = inputs[:, block.inputs]
        return voltages.reshape(-1, word_lines)

    def differences(self, currents: Array) -> Array:
        """Return plus minus partner currents, put together and averaged over copies.

        Parameters
        ----------
        currents
            Of all drives, offsets taken off, A, shape ``(blocks * batch, bit_lines)``.

        Returns
        -------
        Array
            A, shape ``(batch, n_out)``.
        """
        return self._gathered(currents, -1.0) / self.copies

    def sums(self, currents: Array) -> Array:
        """Return plus and partner currents of all copies, added up; shapes as `differences`."""
        return self._gathered(currents, 1.0)

    def _gathered(self, currents: Array, partners: float) -> Array:
        drives = currents.reshape(len(self.blocks), -1, currents.shape[1])
        total = np.zeros((self.shape[1], drives.shape[1]))
        for block, current in zip(self.blocks, drives, strict=True):
            part = current[:, block.plus] + partners * current[:, block.minus]
            np.add.at(total, block.outputs, part.T)
        return total.T

    def flags(self, flags: Flags) -> Flags:
        """Return the flags of each product, from those of all drives; shapes as `differences`."""
        drives = flags.reshape(len(self.blocks), -1, flags.shape[1])
        total = np.zeros((self.shape[1], drives.shape[1]), dtype=flags.dtype)
        for block, flag in zip(self.blocks, drives, strict=True):
            part = flag[:, block.plus] | flag[:, block.minus]
            np.bitwise_or.at(total, block.outputs, part.T)
        return total.T

    def clipped(self, flags: Flags) -> Mask:
        """Return which products have a converter at the end of its range, as `flags` does."""
        return np.asarray(self.flags(flags) & Flag.CLIPPED, dtype=np.bool_)

    def weights(self, conductances: Array) -> Array:
        """Return the weights that an array's conductances, S, stand for; shape `shape`."""
        plus, minus = self.cells.at(conductances)
        return np.asarray(np.mean(weights(plus, minus, self.scale), axis=0))
