"""The array as its terminals see it: currents and cell voltages for any lines driven or open."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Indices, Mask, Ohm
from sim_backend.array import Circuit, Solution
from sim_backend.devices.device import Device
from sim_backend.virtual.faults import Damage, Faults

PRODUCT = 250_000
"""Multiplications per matrix product: beyond, OpenBLAS takes several threads, which on a busy
machine wait for each other for tens of milliseconds (measured with inputs of a whole scan)."""


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """What flows for each input.

    Parameters
    ----------
    current
        Into each bit line's terminal, A, ``(n, n_bit)``; 0 A into open ones.
    sigma
        Its standard deviation by read noise, A, same shape.
    voltage
        Across each cell, V, ``(n, n_word, n_bit)``.
    """

    current: Array
    sigma: Array
    voltage: Array


class ArrayCircuit:
    """Solver of one array with its faults.

    Parameters
    ----------
    device
        The cells.
    shape
        Number of word lines and of bit lines.
    segment, lead
        Resistance of each line segment, and between each terminal and its line, ohm.
    faults
        What is wrong with the array.
    """

    def __init__(
        self, device: Device, shape: tuple[int, int], segment: Ohm, lead: Ohm, faults: Faults
    ) -> None:
        self._device, self._shape = device, shape
        self._damage = Damage.of(faults, shape)
        self._unbroken = bool(self._damage.word.all() and self._damage.bit.all())
        self._circuit = Circuit(shape, segment, lead, lead)

    def all_driven(self, word: Array, bit: Array) -> bool:
        """Return True if no line is open or broken at any input."""
        return self._unbroken and not np.isnan(word.sum() + bit.sum())

    def conductances(self, healthy: Array) -> Array:
        """Return what cells conduct that would conduct `healthy` without faults, S."""
        return self._damage.conductances(healthy)

    def flow(self, healthy: Array, word: Array, bit: Array) -> Flow:
        """Return what flows at these terminal voltages.

        Parameters
        ----------
        healthy
            Conductances of the cells, S, faults aside.
        word, bit
            Terminal voltages, V, ``(n, n_word)`` and ``(n, n_bit)``; NaN where a line is open.
        """
        flow = Flow(np.zeros(bit.shape), np.zeros(bit.shape), np.zeros((len(bit), *self._shape)))
        squares = self._damage.noise(self._device.noise(healthy)).ravel() ** 2
        G = self._damage.conductances(healthy)
        for rows, driven_here, solution in self._solved(G, word, bit):
            flow.current[rows] = solution.bit_current
            flow.voltage[rows] = solution.voltage
            if squares.any():
                f = self._device.law.effective(solution.voltage)
                shares = self._circuit.shares(G, driven_here)
                weights = shares.reshape(self._shape[1], -1) ** 2
                flow.sigma[rows] = np.sqrt((squares * f.reshape(len(f), -1) ** 2) @ weights.T)
        driven = ~np.isnan(bit) & self._damage.bit
        between = self._damage.between
        if between is not None:
            volts = np.where(driven, bit, 0.0)
            flow.current[:] += volts @ between - volts * (driven @ between)
        flow.current[~driven] = flow.sigma[~driven] = 0.0
        return flow

    def _solved(
        self, G: Array, word: Array, bit: Array
    ) -> Iterator[tuple[Indices | slice, tuple[Mask, Mask] | None, Solution]]:
        """Yield rows, which terminals are driven there, None for all, and the solution.

        Inputs that drive less than two lines carry no current and are left out.
        """
        circuit, law = self._circuit, self._device.law
        if self.all_driven(word, bit):
            for rows in self._portions(len(bit)):
                yield rows, None, circuit.solve(G, law, word[rows], bit[rows])
            return
        driven = np.hstack([~np.isnan(word) & self._damage.word, ~np.isnan(bit) & self._damage.bit])
        masks, member = np.unique(driven, axis=0, return_inverse=True)
        for k, mask in enumerate(masks):
            if mask.sum() < 2:
                continue
            lines = mask[: self._shape[0]], mask[self._shape[0] :]
            members = np.flatnonzero(member.ravel() == k)
            for portion in self._portions(len(members)):
                some = members[portion]
                known = np.where(lines[0], word[some], 0.0), np.where(lines[1], bit[some], 0.0)
                yield some, lines, circuit.solve(G, law, *known, lines)

    def _portions(self, count: int) -> Iterator[slice]:
        size = max(8, PRODUCT // (sum(self._shape) * self._shape[0] * self._shape[1]))
        for begin in range(0, count, size):
            yield slice(begin, min(begin + size, count))
