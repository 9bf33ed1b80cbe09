"""Single cells addressed in the array: what each sees, what its bit line carries."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Cells, Indices, Mask, Second, Volt
from sim_backend import schemes
from sim_backend.array import Circuit, Solution
from sim_backend.devices.device import Device
from sim_backend.schemes import Scheme

CHUNK_VALUES = 4_000_000
"""Cell voltages held at once, 32 MB: enough for a whole 10x10 study, little for a 256x256 array."""


@dataclass(frozen=True, slots=True, eq=False)
class Addressing:
    """An array with its devices, as seen by one selected cell after another.

    Parameters
    ----------
    circuit
        Solver of the array.
    device
        Its cells.
    shape
        Number of word lines and of bit lines.
    ohmic_lines
        True if the lines have resistance.
    """

    circuit: Circuit
    device: Device
    shape: tuple[int, int]
    ohmic_lines: bool

    def observe(
        self, scheme: Scheme, cells: Cells, voltage: Volt, times: Array
    ) -> tuple[Array, Array]:
        """Return each selected bit line's current, A, and its variance by read noise, A².

        Each cell is read at its own time. Where the circuit has to be solved, all other cells are
        taken at the last of these times, which errs by their relaxation within one call.

        Parameters
        ----------
        scheme
            Of the unselected lines.
        cells
            Read one after another.
        voltage
            Read voltage, V.
        times
            Bench time of each read, s, shape ``(n,)``.
        """
        own = self.device.conductance(times, (cells.word, cells.bit))
        if len(cells) == 0:
            return own, own
        law, noise = self.device.law, self.device.noise
        if self.ohmic_lines or scheme.floating or not law.shared:
            return self._observe_circuit(scheme, cells, voltage, own, float(times.max()))
        f, beside = law.effective(np.array([voltage, voltage * (scheme.word or 0.0)]))
        current, variance = own * f, (noise(own) * f) ** 2
        if beside != 0.0:
            # Unselected word lines above 0 V add their cells' currents to the selected bit line.
            G = self.device.conductance(float(times.max()))
            squares = noise(G) ** 2
            current += beside * (G.sum(axis=0)[cells.bit] - G[cells.word, cells.bit])
            others = squares.sum(axis=0)[cells.bit] - squares[cells.word, cells.bit]
            variance += beside**2 * others
        return current, variance

    def multiply(self, levels: Array, now: Second) -> tuple[Array, Array]:
        """Return the bit-line currents, A, and their variance by read noise, A².

        Both ``(batch, n_bit)``, for the array as it is at bench time `now`.

        Parameters
        ----------
        levels
            Word-line voltages, V, shape ``(batch, n_word)``; all bit lines are at 0 V.
        now
            s.
        """
        G, law = self.device.conductance(now), self.device.law
        squares = self.device.noise(G) ** 2
        if not self.ohmic_lines and law.shared:
            f = law.effective(levels)
            return f @ G, f**2 @ squares
        if law.linear and not squares.any():
            current = self.circuit.transfer(G).multiply(levels)
            return current, np.zeros_like(current)
        current = np.empty((len(levels), self.shape[1]))
        variance = np.empty_like(current)
        chunk = max(1, CHUNK_VALUES // G.size)
        for begin in range(0, len(levels), chunk):
            rows = slice(begin, begin + chunk)
            solution = self.circuit.solve(G, law, levels[rows], np.zeros_like(current[rows]))
            current[rows] = solution.bit_current
            variance[rows] = self._variance(G, solution, squares)
        return current, variance

    def write(
        self, scheme: Scheme, cells: Cells, voltages: Array, widths: Array, now: Second
    ) -> tuple[Array, Array, Array]:
        """Return the voltage at each selected cell, V, and the others' SET and RESET dose, s.

        Parameters
        ----------
        scheme
            Of the unselected lines.
        cells
            Selected one after another.
        voltages
            Between the selected terminals, V, shape ``(n,)``.
        widths
            s, shape ``(n,)``.
        now
            Bench time, s, whose conductances divide the voltages along the lines.
        """
        stress = self.device.stress
        if not (self.ohmic_lines or scheme.floating):
            set_dose, reset_dose = schemes.doses(
                scheme, self.shape, cells, voltages, widths, stress, selected=False
            )
            return voltages, set_dose, reset_dose
        seen = np.empty(len(cells))
        set_dose, reset_dose = np.zeros(self.shape), np.zeros(self.shape)
        for part, solution, _ in self._solutions(scheme, cells, voltages, now):
            at = np.arange(len(part)), cells.word[part], cells.bit[part]
            seen[part] = solution.voltage[at]
            rates = stress(solution.voltage)
            rates[at] = 0.0
            set_dose += np.tensordot(widths[part], np.maximum(rates, 0.0), axes=1)
            reset_dose += np.tensordot(widths[part], np.maximum(-rates, 0.0), axes=1)
        return seen, set_dose, reset_dose

    def _observe_circuit(
        self, scheme: Scheme, cells: Cells, voltage: Volt, own: Array, now: Second
    ) -> tuple[Array, Array]:
        G = self.device.conductance(now)
        squares = self.device.noise(G) ** 2
        current, variance = np.empty(len(cells)), np.empty(len(cells))
        # With all bit lines at 0 V one solution serves every cell of a word line.
        shared = scheme.bit == 0.0 and not scheme.floating
        drives = cells.word if shared else cells.word * self.shape[1] + cells.bit
        _, first, which = np.unique(drives, return_index=True, return_inverse=True)
        distinct = cells[first]
        levels = np.full(len(distinct), voltage)
        for part, solution, driven in self._solutions(scheme, distinct, levels, now):
            users = np.flatnonzero(np.isin(which, part))
            row, bit = np.searchsorted(part, which[users]), cells.bit[users]
            through = solution.current[row, cells.word[users], bit]
            stale = G[cells.word[users], bit]
            current[users] = solution.bit_current[row, bit] + through * (own[users] / stale - 1.0)
            variance[users] = self._variance(G, solution, squares, driven)[row, bit]
        return current, variance

    def _variance(
        self,
        conductances: Array,
        solution: Solution,
        squares: Array,
        driven: tuple[Mask, Mask] | None = None,
    ) -> Array:
        """Return the variance of the solution's bit-line currents by read noise, A².

        Parameters
        ----------
        conductances
            S, shape of the array.
        solution
            Of the circuit with these.
        squares
            Variance of each cell's conductance, S².
        driven
            Which terminals are, all by default.
        """
        batch = len(solution.voltage)
        if not squares.any():
            return np.zeros((batch, self.shape[1]))
        at_cells = squares * self.device.law.effective(solution.voltage) ** 2
        weights = self.circuit.shares(conductances, driven).reshape(self.shape[1], -1) ** 2
        variance: Array = at_cells.reshape(batch, -1) @ weights.T
        return variance

    def _solutions(
        self, scheme: Scheme, cells: Cells, voltages: Array, now: Second
    ) -> Iterator[tuple[Indices, Solution, tuple[Mask, Mask]]]:
        """Yield solutions for all cells, in parts.

        With each the ascending positions of its cells, and which terminals are driven.
        """
        G, law = self.device.conductance(now), self.device.law
        chunk = max(1, CHUNK_VALUES // (self.shape[0] * self.shape[1]))
        flat = cells.word * self.shape[1] + cells.bit
        # Which terminals float depends on the cell, so floating schemes go cell by cell.
        groups = (
            [np.flatnonzero(flat == cell) for cell in np.unique(flat)]
            if scheme.floating
            else [np.arange(len(cells))]
        )
        for group in groups:
            for begin in range(0, len(group), chunk):
                part = group[begin : begin + chunk]
                word, bit = schemes.line_voltages(scheme, self.shape, cells[part], voltages[part])
                driven = (
                    np.full(self.shape[0], scheme.word is not None),
                    np.full(self.shape[1], scheme.bit is not None),
                )
                driven[0][cells.word[part]] = True
                driven[1][cells.bit[part]] = True
                yield part, self.circuit.solve(G, law, word, bit, driven), driven


def rounds(cells: Cells, shape: tuple[int, int]) -> Iterator[Indices]:
    """Yield positions so that no cell occurs twice in a round and each keeps its own order.

    Parameters
    ----------
    cells
        Each any number of times.
    shape
        Number of word lines and of bit lines.
    """
    flat = cells.word * shape[1] + cells.bit
    if np.bincount(flat, minlength=1).max() <= 1:
        if len(flat):
            yield np.arange(len(flat))
        return
    order = np.argsort(flat, kind="stable")
    ranked = flat[order]
    occurrence = np.empty(len(flat), dtype=np.intp)
    occurrence[order] = np.arange(len(flat)) - np.searchsorted(ranked, ranked)
    for k in range(int(occurrence.max(initial=-1)) + 1):
        yield np.flatnonzero(occurrence == k)
