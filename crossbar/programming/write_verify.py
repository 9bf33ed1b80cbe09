"""The loop of every policy: pulse, read, compare; stop in the band, at a budget, or stuck."""

from collections.abc import Callable

import numpy as np

from crossbar.backend import (
    Array,
    Backend,
    Cells,
    DataError,
    Indices,
    LimitError,
    Mask,
    Reading,
    Second,
    Volt,
)
from crossbar.mapping import Window
from crossbar.programming.cell_states import CellStates
from crossbar.programming.policy import Policy, Pulses
from crossbar.programming.report import CellReport
from crossbar.programming.settings import WriteVerify

__all__ = ["Progress", "WriteVerify", "check_targets", "write_verify"]

Progress = Callable[[int, int], None]
"""Called with how many cells are done and how many there are."""


def check_targets(targets: Array, window: Window) -> None:
    """Raise `DataError` if a target conductance is not a number inside the window."""
    wrong = ~((targets >= window.low) & (targets <= window.high))
    if np.any(wrong):
        first = targets[wrong].flat[0]
        raise DataError(
            f"target {first:.4g} S is outside {window.low:.4g} S to {window.high:.4g} S"
            f" ({int(wrong.sum())} of {targets.size} targets are)"
        )


def write_verify(
    backend: Backend,
    cells: Cells,
    targets: Array,
    settings: WriteVerify,
    pulses: Pulses,
    offset: Array,
    progress: Progress | None = None,
    policy: Policy | None = None,
) -> CellReport:
    """Bring cells to target conductances and return what became of each.

    Every round pulses the cells that are still outside their band, once each, in one call.

    Parameters
    ----------
    backend
        Where the cells are.
    cells
        Distinct cells, shape ``(n,)``.
    targets
        S, shape ``(n,)``.
    settings, pulses
        Band and budgets; the settings of the policy that chooses the pulses.
    offset
        Current that each bit line reads at 0 V, A, shape ``(n_bit_lines,)``; subtracted from reads.
    progress
        Called after each round.
    policy
        For these cells, instead of a new one: it may know them already.

    Raises
    ------
    LimitError
        If a cell is named twice; also whatever the guard refuses.
    """
    n = len(cells)
    if len(np.unique(cells.word * (1 + cells.bit.max(initial=0)) + cells.bit)) != n:
        raise LimitError("a write-verify names each cell once; some cell is named twice")
    start = backend.now
    verify = _Verify(backend, cells, targets, settings, offset)
    everyone = np.arange(n)
    before, clipped = verify.read(everyone)
    before, inside = verify.confirmed(everyone, before)
    state = CellStates(cells, targets, settings, before, inside, clipped)
    verify.share(everyone, start)
    policy = pulses.policy(n) if policy is None else policy
    while (active := state.active()).size:
        began = backend.now
        voltages, widths = _chosen(state, active, targets, policy, pulses)
        within = state.affordable(active, voltages, widths)
        active, voltages, widths = active[within], voltages[within], widths[within]
        if active.size:
            after, clipped = verify.pulse(active, voltages, widths)
            after, inside = verify.confirmed(active, after)
            exhausted = policy.exhausted(active)
            state.update(active, after, inside, voltages, widths, exhausted, clipped)
            verify.share(active, began)
        if progress is not None:
            progress(n - state.active().size, n)
    return state.report(verify.reads, verify.elapsed, verify.clipped, backend.now - start)


def _chosen(
    state: CellStates, active: Indices, targets: Array, policy: Policy, pulses: Pulses
) -> tuple[Array, Array]:
    """Return the next pulse of each active cell, V and s."""
    error = targets[active] - state.conductance[active]
    set_amplitude, reset_amplitude = pulses.strongest
    # A probe goes the other way, as strongly as there is; the policy is not asked for it.
    voltages = np.where(error > 0, reset_amplitude, set_amplitude)
    widths = np.full(len(active), pulses.widths[1])
    chosen = ~state.probing(active)
    some = active[chosen]
    voltages[chosen], widths[chosen] = policy.next(some, state.conductance[some], targets[some])
    return voltages, widths


class _Verify:
    """Reads cells, decides who is inside the band, and keeps count of reads and time.

    Parameters
    ----------
    backend, cells, targets, settings, offset
        As in `write_verify`.
    """

    def __init__(
        self,
        backend: Backend,
        cells: Cells,
        targets: Array,
        settings: WriteVerify,
        offset: Array,
    ) -> None:
        self._backend, self._settings = backend, settings
        self._cells, self._targets, self._offset = cells, targets, offset
        self.reads = np.zeros(len(cells), dtype=np.intp)
        self.elapsed = np.zeros(len(cells))
        self.clipped = 0

    def read(self, index: Indices) -> tuple[Array, Mask]:
        """Return conductances (S) and which of them were clipped."""
        return self._taken(index, self._backend.read(self._cells[index], self._voltage))

    def pulse(self, index: Indices, voltages: Array, widths: Array) -> tuple[Array, Mask]:
        """Apply pulses (V, s) and return the verify reads (S) and which of them were clipped."""
        cells = self._cells[index]
        return self._taken(index, self._backend.pulse(cells, voltages, widths, self._voltage))

    def confirmed(self, index: Indices, conductance: Array) -> tuple[Array, Mask]:
        """Return conductances (S), better known where it matters, and who is inside the band.

        A single read that is inside was also selected for being so; only reads taken after it
        are a fair witness.
        """
        s = self._settings
        error = conductance - self._targets[index]
        inside = np.asarray(np.abs(error) <= s.tolerance, dtype=np.bool_)
        if s.verify_reads < 2 or not inside.any():
            return conductance, inside
        if s.verify_delay > 0:
            self._backend.wait(s.verify_delay)
        some = index[inside]
        values = np.array([self.read(some)[0] for _ in range(s.verify_reads)])
        mean = values.mean(axis=0)
        doubt = s.guard * values.std(axis=0, ddof=1) / np.sqrt(s.verify_reads)
        known = conductance.copy()
        known[inside] = mean
        inside[inside] = np.abs(mean - self._targets[some]) <= s.tolerance - doubt
        return known, inside

    def share(self, index: Indices, since: Second) -> None:
        """Share the bench time since then equally among the cells it was spent on."""
        self.elapsed[index] += (self._backend.now - since) / max(len(index), 1)

    @property
    def _voltage(self) -> Volt:
        return self._settings.read_voltage

    def _taken(self, index: Indices, reading: Reading) -> tuple[Array, Mask]:
        self.reads[index] += 1
        self.clipped += int(reading.clipped.sum())
        current = reading.current - self._offset[self._cells.bit[index]]
        return current / self._voltage, reading.clipped
