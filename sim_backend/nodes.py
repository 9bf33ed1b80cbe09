"""Every node and every segment of an array: where voltage is lost, and where power goes."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Mask
from sim_backend import newton
from sim_backend.array import Asked
from sim_backend.devices.device import Law
from sim_backend.wires import Wires, check_fixed


@dataclass(frozen=True, slots=True, eq=False)
class Power:
    """What each part of an array dissipates, W, shape ``(batch,)`` each.

    Parameters
    ----------
    cells
        All cells.
    word_wires, bit_wires
        The segments of all word lines, of all bit lines.
    source, sense
        The resistances between terminals and lines.
    delivered
        Given by all terminals: the sum of the others.
    """

    cells: Array
    word_wires: Array
    bit_wires: Array
    source: Array
    sense: Array
    delivered: Array


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """Voltages and currents of a whole array, for each input of a batch.

    Parameters
    ----------
    wires
        Of the array.
    word_terminal, bit_terminal
        Voltages of the terminals, V, ``(batch, n_word)`` and ``(batch, n_bit)``; those of floating
        ones are what their lines' first segments are at.
    word, bit
        Voltages of word and of bit lines at each cell, V, ``(batch, n_word, n_bit)``.
    current
        Through each cell from word to bit line, A, same shape.
    word_segment
        Towards each cell through the word-line segment on its left, A, same shape.
    bit_segment
        From each cell through the bit-line segment below it, A, same shape.
    """

    wires: Wires
    word_terminal: Array
    bit_terminal: Array
    word: Array
    bit: Array
    current: Array
    word_segment: Array
    bit_segment: Array

    @property
    def voltage(self) -> Array:
        """Across each cell, V."""
        return self.word - self.bit

    @property
    def lost(self) -> Array:
        """Of the voltage between a cell's two terminals, what wires take, V."""
        asked: Array = self.word_terminal[:, :, None] - self.bit_terminal[:, None, :]
        return asked - self.voltage

    @property
    def power(self) -> Power:
        """Where the power goes."""
        segment, squares = self.wires.segment, np.square
        into, out = self.word_segment[:, :, 0], self.bit_segment[:, -1, :]
        return Power(
            cells=(self.voltage * self.current).sum(axis=(1, 2)),
            word_wires=segment * squares(self.word_segment).sum(axis=(1, 2)),
            bit_wires=segment * squares(self.bit_segment).sum(axis=(1, 2)),
            source=self.wires.source * squares(into).sum(axis=1),
            sense=self.wires.sense * squares(out).sum(axis=1),
            delivered=(self.word_terminal * into).sum(axis=1)
            - (self.bit_terminal * out).sum(axis=1),
        )

    @property
    def ohm_residual(self) -> Array:
        """Largest departure of a segment from Ohm's law, V, shape ``(batch,)``.

        Segment currents are sums of cell currents, which is Kirchhoff's law; voltages come from the
        solver. That both fit each other shows that the solution is one.
        """
        segment = self.wires.segment
        first = self.word_terminal - self.word[:, :, 0]
        first = first - (segment + self.wires.source) * self.word_segment[:, :, 0]
        last = self.bit[:, -1, :] - self.bit_terminal
        last = last - (segment + self.wires.sense) * self.bit_segment[:, -1, :]
        along = -np.diff(self.word, axis=2) - segment * self.word_segment[:, :, 1:]
        down = -np.diff(self.bit, axis=1) - segment * self.bit_segment[:, :-1, :]
        parts = (np.abs(part).reshape(len(part), -1) for part in (first, last, along, down))
        worst: Array = np.max([part.max(axis=1, initial=0.0) for part in parts], axis=0)
        return worst


def solve_full(
    wires: Wires,
    conductances: Array,
    law: Law,
    word: Array,
    bit: Array,
    driven: tuple[Mask, Mask] | None = None,
) -> Nodes:
    """Return the voltage of every node and the current of every segment.

    Parameters
    ----------
    wires
        Of the array.
    conductances, law, word, bit, driven
        As for `sim_backend.array.Circuit.solve`.

    Raises
    ------
    DataError
        If the circuit has no unique solution, or none was found.
    """
    asked = Asked.of(wires, word, bit, driven)
    at_word, at_bit = (asked.unloaded[0][:, :, None], asked.unloaded[1][:, None, :])
    shape = asked.ideal.shape
    if asked.ends is None:
        u, w = np.broadcast_to(at_word, shape), np.broadcast_to(at_bit, shape)
        across = asked.ideal
    else:
        if driven is not None:
            check_fixed(conductances, *asked.driven)
        if law.linear:
            found = wires.solve(conductances[None], *asked.ends, conductances * asked.ideal)
            across = asked.ideal + found.across
            u, w = at_word + found.word, at_bit + found.bit
        else:
            solved = newton.solve(wires, conductances, law, asked.ideal, asked.ends)
            across, u, w = solved.voltage, at_word + solved.word, at_bit + solved.bit
    current = conductances * law.effective(across)
    into = np.flip(np.cumsum(np.flip(current, axis=2), axis=2), axis=2)
    down = np.cumsum(current, axis=1)
    return Nodes(
        wires=wires,
        word_terminal=np.where(asked.driven[0], asked.unloaded[0], u[:, :, 0]),
        bit_terminal=np.where(asked.driven[1], asked.unloaded[1], w[:, -1, :]),
        word=u,
        bit=w,
        current=current,
        word_segment=into,
        bit_segment=down,
    )
