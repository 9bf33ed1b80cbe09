"""The loop of every policy: pulse, read, compare; stop in the band, at the budget, or stuck."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crossbar.backend import (
    Array,
    Backend,
    BenchError,
    Cells,
    DataError,
    Indices,
    LimitError,
    Mask,
    Second,
    Siemens,
    Volt,
)
from crossbar.mapping import Window
from crossbar.programming.policy import Pulses
from crossbar.programming.report import CellReport, Status

Progress = Callable[[int, int], None]
"""Called with how many cells are done and how many there are."""


@dataclass(frozen=True, slots=True)
class WriteVerify:
    """What a programmed cell is, and how long to try.

    Parameters
    ----------
    read_voltage
        Of every read, verify read and, at full scale, of a multiply, V.
    conductance_min, conductance_max
        The window that targets may use, S. Keep it inside what nearly every cell reaches.
    tolerance
        Half-width of the band around a target, S.
    pulses
        Pulses that a cell may take in one pass.
    stuck_pulses
        When this many of the strongest pulses together have not moved a cell by one tolerance
        toward its target, as many of the opposite direction tell a cell that is stuck from one
        whose range ends there.
    reread_delay
        Time between the end of programming and the re-read that is reported beside the verify, s.

    Raises
    ------
    BenchError
        If a value is out of its domain.
    """

    read_voltage: Volt = 0.3
    conductance_min: Siemens = 2e-6
    conductance_max: Siemens = 80e-6
    tolerance: Siemens = 1e-6
    pulses: int = 150
    stuck_pulses: int = 5
    reread_delay: Second = 10.0

    def __post_init__(self) -> None:
        for name in ("read_voltage", "tolerance", "pulses", "stuck_pulses"):
            value = getattr(self, name)
            if not 0 < value < np.inf:
                raise BenchError(f"programming {name} = {value} is not a positive finite number")
        if not 0 <= self.reread_delay < np.inf:
            raise BenchError(f"programming reread_delay = {self.reread_delay} s is not a time")
        _ = self.window

    @property
    def window(self) -> Window:
        """The conductances that targets may have."""
        return Window(self.conductance_min, self.conductance_max)


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

    Raises
    ------
    LimitError
        If a cell is named twice; also whatever the guard refuses.
    """
    n = len(cells)
    if len(set(cells)) != n:
        raise LimitError("a write-verify names each cell once; some cell is named twice")
    start = backend.now
    reading = backend.read(cells, settings.read_voltage)
    before = (reading.current - offset[cells.bit]) / settings.read_voltage
    clipped = int(reading.clipped.sum())
    state = _State(cells, targets, settings, before, reading.clipped)
    policy = pulses.policy(n)
    set_amplitude, reset_amplitude = pulses.strongest
    while (active := state.active()).size:
        error = targets[active] - state.conductance[active]
        probing = state.probing(active)
        # A probe goes the other way, as strongly as there is; the policy is not asked for it.
        voltages = np.where(error > 0, reset_amplitude, set_amplitude)
        widths = np.full(len(active), pulses.widths[1])
        chosen = ~probing
        some = active[chosen]
        voltages[chosen], widths[chosen] = policy.next(some, state.conductance[some], targets[some])
        reading = backend.pulse(cells[active], voltages, widths, settings.read_voltage)
        after = (reading.current - offset[cells.bit[active]]) / settings.read_voltage
        clipped += int(reading.clipped.sum())
        state.update(active, after, np.sign(voltages), policy.exhausted(active), reading.clipped)
        if progress is not None:
            progress(n - state.active().size, n)
    return state.report(before, clipped, backend.now - start)


class _State:
    """What the loop knows of its cells; index arrays choose among them.

    A cell is first driven by its policy. If a group of the strongest pulses does not move it, it is
    probed with the opposite direction: one that does not move then is stuck; one that does goes
    back to the policy, and is unreached if a group of the strongest fails again.
    """

    def __init__(
        self, cells: Cells, targets: Array, settings: WriteVerify, before: Array, clipped: Mask
    ) -> None:
        n = len(cells)
        self._cells, self._targets, self._settings = cells, targets, settings
        self.conductance = before.copy()
        self._status = np.full(n, Status.VERIFIED, dtype=np.uint8)
        self._pulses = np.zeros(n, dtype=np.intp)
        self._reversals = np.zeros(n, dtype=np.intp)
        self._direction = np.zeros(n)
        # Pulses of the group that is being judged, and the conductance before the first of them.
        self._group = np.zeros(n, dtype=np.intp)
        self._before_group = before.copy()
        self._probing = np.zeros(n, dtype=np.bool_)
        self._alive = np.zeros(n, dtype=np.bool_)
        self._pending = ~self._inside()
        self._give_up_unreadable(np.arange(n), clipped)

    def active(self) -> Indices:
        """Return the cells that still need pulses."""
        return np.flatnonzero(self._pending)

    def probing(self, index: Indices) -> Mask:
        """Return True for cells that are to be pulsed away from their target."""
        return self._probing[index]

    def update(
        self, index: Indices, after: Array, direction: Array, exhausted: Mask, clipped: Mask
    ) -> None:
        """Take in the verify reads (S) of one round of pulses and decide who goes on.

        A clipped read above the target says where a cell is to go, but not whether it moved: such
        a cell is never called stuck or unreached, it runs out of pulses.
        """
        turned = (self._direction[index] != 0) & (self._direction[index] != direction)
        self._reversals[index] += turned
        self._direction[index] = direction
        self._pulses[index] += 1
        moved = self._judge(index, after, direction, exhausted)
        self.conductance[index] = after
        inside = self._inside()[index]
        spent = self._pulses[index] >= self._settings.pulses
        full = self._group[index] >= self._settings.stuck_pulses
        still = full & (moved < self._settings.tolerance) & ~clipped
        probing = self._probing[index]
        stuck, unreached = probing & still, ~probing & still & self._alive[index]
        self._status[index[~inside & spent]] = Status.BUDGET
        self._status[index[~inside & unreached]] = Status.UNREACHED
        self._status[index[~inside & stuck]] = Status.STUCK
        self._pending[index] = ~inside & ~spent & ~unreached & ~stuck
        # Twice the band is more than a read's noise: such a cell moves, and its probe is over.
        back = probing & (moved >= 2 * self._settings.tolerance)
        self._alive[index[back]] = True
        start = ~probing & still & ~self._alive[index]
        self._probing[index[back]] = False
        self._probing[index[start]] = True
        self._group[index[full | back]] = 0
        self._give_up_unreadable(index, clipped)

    def _give_up_unreadable(self, index: Indices, clipped: Mask) -> None:
        """Stop at cells whose target lies beyond the converter: they would be SET blindly."""
        lost = index[clipped & (self.conductance[index] < self._targets[index])]
        lost = lost[self._pending[lost]]
        self._status[lost], self._pending[lost] = Status.UNREADABLE, False

    def _judge(self, index: Indices, after: Array, direction: Array, exhausted: Mask) -> Array:
        """Count the strongest pulses and return how far each group moved its way, S."""
        counted = exhausted | self._probing[index]
        first = self._group[index] == 0
        self._before_group[index] = np.where(
            first, self.conductance[index], self._before_group[index]
        )
        self._group[index] = np.where(counted, self._group[index] + 1, 0)
        return np.asarray((after - self._before_group[index]) * direction)

    def _inside(self) -> Mask:
        near = np.abs(self.conductance - self._targets) <= self._settings.tolerance
        return np.asarray(near, dtype=np.bool_)

    def report(self, before: Array, clipped: int, seconds: Second) -> CellReport:
        """Return what became of each cell."""
        return CellReport(
            cells=self._cells,
            target=self._targets,
            before=before,
            verified=self.conductance,
            tolerance=self._settings.tolerance,
            status=self._status,
            pulses=self._pulses,
            reversals=self._reversals,
            reads=self._pulses + 1,
            clipped=clipped,
            seconds=seconds,
        )
