"""Line voltages that were held, with currents that are found when somebody looks."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from crossbar.backend import Array, Indices, Second
from sim_backend.virtual.array_circuit import ArrayCircuit


class Cells(Protocol):
    """The cells of a `sim_backend.virtual.rig.Rig` and its chance."""

    circuit: ArrayCircuit
    rng: np.random.Generator

    def healthy(self, time: Second) -> Array:
        """Return the conductances at a bench time, faults aside, S."""
        ...


@dataclass(slots=True, eq=False)
class Part:
    """Consecutive segments during which conductances hold still.

    Parameters
    ----------
    begin, end
        Range of the segments.
    time
        Bench time whose conductances count, s.
    conductances
        S; None as long as the array has not been moved since.
    """

    begin: int
    end: int
    time: Second
    conductances: Array | None


class Held:
    """Line voltages that were held one after another.

    Each segment has one draw of read noise per bit line until `again` is called.

    Parameters
    ----------
    cells
        What they were held at.
    word, bit
        Terminal voltages, V, ``(n, n_word)`` and ``(n, n_bit)``.
    """

    def __init__(self, cells: Cells, word: Array, bit: Array) -> None:
        self._cells = cells
        self._word = word
        self._bit = bit
        self._parts: list[Part] = []
        self._exact = np.full(bit.shape, np.nan)
        self._sigma = np.zeros(bit.shape)
        self._noisy = np.full(bit.shape, np.nan)

    def add(self, part: Part) -> None:
        """Take the next segments, whose currents nobody knows yet."""
        self._parts.append(part)

    def know(self, k: int, current: Array, sigma: Array) -> None:
        """Take the currents of a segment, A, ``(n_bit,)``, and their sigma by read noise."""
        self._exact[k], self._sigma[k] = current, sigma

    def currents(self, which: Indices | None = None) -> Array:
        """Return the current into each bit line's terminal, A, ``(n, n_bit)``.

        Parameters
        ----------
        which
            Segments asked for, each at most once; all by default.
        """
        asked = np.arange(len(self._bit)) if which is None else which
        fresh = asked[np.isnan(self._noisy[asked, 0])]
        if fresh.size:
            self._solve(fresh[np.isnan(self._exact[fresh, 0])])
            noise = self._cells.rng.standard_normal((len(fresh), self._bit.shape[1]))
            self._noisy[fresh] = self._exact[fresh] + self._sigma[fresh] * noise
        values: Array = self._noisy[asked]
        return values

    def again(self) -> None:
        """Forget the noise: the next `currents` are another read of the same levels."""
        self._noisy[:] = np.nan

    def freeze(self) -> None:
        """Keep the conductances that count: the array is about to be moved."""
        for part in self._parts:
            if part.conductances is None:
                part.conductances = self._cells.healthy(part.time)

    def _solve(self, unknown: Indices) -> None:
        for part in self._parts:
            rows = unknown[(unknown >= part.begin) & (unknown < part.end)]
            if rows.size:
                kept = part.conductances
                healthy = self._cells.healthy(part.time) if kept is None else kept
                flow = self._cells.circuit.flow(healthy, self._word[rows], self._bit[rows])
                self._exact[rows], self._sigma[rows] = flow.current, flow.sigma
