"""What to measure in which order: the slots of a read, and a multiply by superposition."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Flags, Indices, Volt


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """What is selected and applied, slot by slot.

    Parameters
    ----------
    word, bit
        Lines, shape ``(n,)``.
    level
        Of W1, V, same shape.
    """

    word: Indices
    bit: Indices
    level: Array

    def __len__(self) -> int:
        return len(self.word)

    def __getitem__(self, chosen: "Indices | slice") -> "Slots":
        return Slots(self.word[chosen], self.bit[chosen], self.level[chosen])


def read_slots(
    words: Indices, bits: Indices, voltage: Volt, *, shared: bool = True
) -> tuple[Slots, Indices]:
    """Return slots that read cells, then one at 0 V for each of their bit lines.

    Parameters
    ----------
    words, bits
        Lines of the cells, shape ``(n,)``, n at least 1.
    voltage
        V.
    shared
        Whether cells of one bit line share a zero; otherwise each has one at its own addresses.

    Returns
    -------
    Slots
        The n cells in order, then the zeros.
    Indices
        Which slot holds the zero of each cell, shape ``(n,)``.
    """
    first = zero = np.arange(len(bits))
    if shared:
        _, first, zero = np.unique(bits, return_index=True, return_inverse=True)
    level = np.concatenate([np.full(len(words), voltage), np.zeros(len(first))])
    slots = Slots(np.concatenate([words, words[first]]), np.concatenate([bits, bits[first]]), level)
    return slots, (len(words) + zero).astype(np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Superposition:
    """A multiply, word line by word line: vectors of one run, and how their slots are ordered.

    The amplifier's offset is in every reading, but a bit line's current has it once, as on a bench
    that drives all word lines together. So each vector has readings at 0 V of its own, which give
    its offset, and what the other readings carry of it is taken out with the zeros of the whole
    run. A word line at 0 V adds nothing and is not read.

    Parameters
    ----------
    vectors
        How many there are.
    words
        The word lines that any of them drives, shape ``(n,)``.
    bits
        The bit lines, shape ``(m,)``.
    zeros
        Readings at 0 V of each vector and bit line.
    """

    vectors: int
    words: Indices
    bits: Indices
    zeros: int

    @classmethod
    def fitting(
        cls, batch: int, words: Indices, bits: Sequence[int], capacity: int
    ) -> "Superposition":
        """Return how to spend the slots of one run on so many vectors, or on as many as fit.

        The zeros of a run are as many as the word lines where they fit: their noise, which all
        word lines share, then adds no more than the word lines' own. Where a single vector does
        not fit, the first bit lines that do are taken.
        """
        needed = max(1, len(words))
        share = np.asarray(bits[: max(1, capacity // (needed + 1))], dtype=np.intp)
        vectors = max(1, min(batch, capacity // ((len(words) + 1) * len(share))))
        # As many runs as that takes, but all of them equally long: they then share their patterns.
        vectors = -(-batch // -(-batch // vectors))
        room = capacity // (vectors * len(share)) - len(words)
        return cls(vectors, words, share, max(1, min(room, -(-needed // vectors))))

    @property
    def levels(self) -> int:
        """Levels of W1 in one vector: zeros, then word lines."""
        return self.zeros + len(self.words)

    def slots(self, voltages: Array) -> Slots:
        """Return the slots of these vectors, V, shape ``(at most vectors, n_word_lines)``.

        A run that is not full is filled up with zeros.
        """
        level = np.zeros((self.vectors, self.levels, len(self.bits)))
        level[: len(voltages), self.zeros :] = voltages[:, self.words, None]
        # Any word line serves for a zero; a vector without others still needs one.
        word = np.concatenate([np.resize(self.words, self.zeros), self.words]).astype(np.intp)
        pattern = np.broadcast_to(word[None, :, None], level.shape)
        bit = np.broadcast_to(self.bits, level.shape)
        return Slots(pattern.ravel(), bit.ravel(), level.ravel())

    def zero(self, outputs: Array) -> Array:
        """Return, for each slot, the mean of the run's zeros of its bit line, ``(slots, 2)``."""
        parts = outputs.reshape(self.vectors, self.levels, len(self.bits), 2)
        mean = parts[:, : self.zeros].mean(axis=(0, 1))
        return np.broadcast_to(mean, parts.shape).reshape(outputs.shape)

    def sum(self, currents: Array, *, offset_free: bool = False) -> Array:
        """Return the current of each vector and bit line, A, from the currents of all slots.

        `offset_free` takes the offset out of it altogether.
        """
        parts = currents.reshape(self.vectors, self.levels, len(self.bits))
        zero, driven = parts[:, : self.zeros], parts[:, self.zeros :]
        offset = zero.mean(axis=(0, 1))
        total: Array = (driven - offset).sum(axis=1) + zero.mean(axis=1)
        return total - offset if offset_free else total

    def any(self, flags: Flags) -> Flags:
        """Return the flags of each vector and bit line: those of all its slots together."""
        parts = flags.reshape(self.vectors, self.levels, len(self.bits))
        together: Flags = np.bitwise_or.reduce(parts, axis=1)
        return together
