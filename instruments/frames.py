"""Frames: what digital patterns do in one hardware-timed run of the parallel wiring.

A frame is a row of equal slots. In each slot words go to the DACs, one bit at a cell of the
pattern, and then the amplifiers are read one after the other, first all at the low gain, then
all at the high one. SCK runs all the time and counts only while a chip-select pin is low. Every
pattern but the words' own depends only on the layout: one that stays is uploaded once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array, Indices, Second
from instruments import ltc2668
from instruments.ltc2668 import Codes

TICK: Second = 1e-8
"""Period of the clock of the digital patterns: 100 MHz; AD2 reference manual."""
CELLS = 1024
"""Samples of a digital pattern in configuration 0; `pydwf list -c` on an AD2."""
RECORD = 8192
"""Samples of a scope record in configuration 0; as above."""
WORD_CELLS = ltc2668.BITS + 1
"""Cells of one word: its bits, and one in which the chip-select pin is high."""

WORDS, BITS, BOTH = 1, 2, 3
"""Which DAC a word is for: that of the word lines, that of the bit lines, or both."""

Levels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is in a frame; all but `period` counted in cells.

    Parameters
    ----------
    period
        One cell, ticks.
    slots
        How many there are.
    slot
        Length of one.
    starts, targets
        First cell of each word of a slot, and which DAC it is for.
    window, step
        First cell of the first step in a slot, and length of a step; no step, no reading.
    inputs
        Multiplexer inputs that are read.
    tail
        Words after the last slot, all for both DACs.
    held
        From the execution of the word that begins a pulse to that of the one that ends it.
    """

    period: int
    slots: int
    slot: int
    starts: tuple[int, ...]
    targets: tuple[int, ...]
    window: int = 0
    step: int = 0
    inputs: int = 0
    tail: int = 0
    held: int = 0

    @property
    def cells(self) -> int:
        """Length of the frame."""
        return self.slots * self.slot + self.tail * WORD_CELLS

    @property
    def steps(self) -> int:
        """Readings of each scope channel in a slot: every input at both gains."""
        return 2 * self.inputs

    @property
    def cell(self) -> Second:
        """One cell, s."""
        return self.period * TICK

    @property
    def duration(self) -> Second:
        """Of the frame, s."""
        return self.cells * self.cell

    @property
    def width(self) -> Second:
        """Of the pulse in each slot, s."""
        return self.held * self.cell

    def word_cells(self) -> Indices:
        """Return the first cell of every word of the frame, those of the tail last."""
        slots = np.arange(self.slots)[:, None] * self.slot + np.array(self.starts, dtype=np.intp)
        tail = self.slots * self.slot + np.arange(self.tail) * WORD_CELLS
        return np.concatenate([slots.ravel(), tail])

    def sources(self) -> Indices:
        """Return which bit of the words each cell of the data pin shows, shape ``(cells,)``.

        Bits count through words of 64, the lowest first; a cell that belongs to no word shows the
        63rd, which is 0: an LTC2668's word has 24.
        """
        source = np.full(self.cells, 63, dtype=np.intp)
        first = self.word_cells()
        for bit in range(ltc2668.BITS):
            source[first + bit] = np.arange(len(first)) * 64 + ltc2668.BITS - 1 - bit
        return source

    def select(self, target: int) -> Levels:
        """Return the chip-select pattern of a DAC: low during its words."""
        meant = np.array([*(self.targets * self.slots), *(BOTH,) * self.tail]) & target
        pattern = np.ones(self.cells, dtype=np.uint8)
        pattern[(self.word_cells()[meant > 0, None] + np.arange(ltc2668.BITS)).ravel()] = 0
        return pattern

    def address(self, bit: int) -> Levels:
        """Return the pattern of one address line of the multiplexers, A0 is bit 0."""
        return self._stepped((np.arange(self.steps) % max(self.inputs, 1)) >> bit & 1)

    def gain(self) -> Levels:
        """Return the pattern of the gain pin: low, for the high gain, in the second half of steps.

        An amplifier that saturates does not hold its bit line: everything but these readings is
        at the low gain, and what they may upset is already over.
        """
        return 1 - self._stepped(np.arange(self.steps) // max(self.inputs, 1))

    def step_ends(self) -> Array:
        """Return when each step ends, s after the start, shape ``(slots, steps)``."""
        first = np.arange(self.slots)[:, None] * self.slot + self.window
        ends = first + self.step * np.arange(1, self.steps + 1)
        return ends.astype(np.float64) * self.cell

    def encode(self, sent: Codes) -> Levels:
        """Return the patterns of the data pin for frames of words, shape ``(frames, cells)``.

        Parameters
        ----------
        sent
            Words of each frame in order, those of the tail last; shape ``(frames, n)``.
        """
        return np.unpackbits(
            encode(sent, self.sources()), axis=1, count=self.cells, bitorder="little"
        )

    def _stepped(self, values: Indices) -> Levels:
        pattern = np.zeros(self.cells, dtype=np.uint8)
        steps = np.repeat(values.astype(np.uint8), self.step)
        for slot in range(self.slots):
            begin = slot * self.slot + self.window
            pattern[begin : begin + len(steps)] = steps
        return pattern


def encode(sent: Codes, sources: Indices) -> NDArray[np.uint8]:
    """Return what `Layout.encode` does with a layout's `sources`, packed: eight cells per byte.

    The first cell is in the lowest place.
    """
    octets = np.ascontiguousarray(sent, dtype="<i8").view(np.uint8)
    bits = np.unpackbits(octets, axis=1, bitorder="little")
    return np.packbits(bits.take(sources, axis=1), axis=1, bitorder="little")
