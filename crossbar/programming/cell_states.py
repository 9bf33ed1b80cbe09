"""What the loop of every policy knows of its cells, and when it lets go of one."""

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array, Cells, Indices, Mask, Second
from crossbar.programming.report import CellReport, Status
from crossbar.programming.settings import WriteVerify


class CellStates:
    """The cells of one write-verify; index arrays choose among them.

    A cell is first driven by its policy. If a group of the strongest pulses does not move it, it is
    probed with the opposite direction: one that does not move then is stuck; one that does goes
    back to the policy, and is unreached if a group of the strongest fails again.

    Parameters
    ----------
    cells, targets, settings
        As in `write_verify`.
    before
        Conductances read before the first pulse, S, shape ``(n,)``.
    inside
        True for cells that are in their band already.
    clipped
        True where that read was at the end of the converter's range.
    """

    def __init__(
        self,
        cells: Cells,
        targets: Array,
        settings: WriteVerify,
        before: Array,
        inside: Mask,
        clipped: Mask,
    ) -> None:
        n = len(cells)
        self._cells, self._targets, self._settings = cells, targets, settings
        self._before = before.copy()
        self.conductance = before.copy()
        self._status = np.full(n, Status.VERIFIED, dtype=np.uint8)
        self._pulses = np.zeros(n, dtype=np.intp)
        self._reversals = np.zeros(n, dtype=np.intp)
        self._energy = np.zeros(n)
        self._direction = np.zeros(n)
        # Pulses of the group that is being judged, and the conductance before the first of them.
        self._group = np.zeros(n, dtype=np.intp)
        self._before_group = before.copy()
        self._probing = np.zeros(n, dtype=np.bool_)
        self._alive = np.zeros(n, dtype=np.bool_)
        self._pending = ~inside
        self._give_up_unreadable(np.arange(n), clipped)

    def active(self) -> Indices:
        """Return the cells that still need pulses."""
        return np.flatnonzero(self._pending)

    def probing(self, index: Indices) -> Mask:
        """Return True for cells that are to be pulsed away from their target."""
        return self._probing[index]

    def affordable(self, index: Indices, voltages: Array, widths: Array) -> Mask:
        """Return True for cells whose next pulse (V, s) is within their reversals and energy.

        The others are let go. A pulse's energy is foretold with the larger of the conductance last
        read and the target, so it is exceeded only by a SET that overshoots by as much as it was
        to bring.
        """
        s = self._settings
        within = np.ones(len(index), dtype=np.bool_)
        if s.reversals is not None:
            turns = self._turns(index, np.sign(voltages))
            within &= self._reversals[index] + turns <= s.reversals
            self._status[index[~within]] = Status.REVERSALS
        if s.energy is not None:
            highest = np.maximum(self.conductance[index], self._targets[index])
            foretold = voltages**2 * widths * highest
            paid = self._energy[index] + foretold <= s.energy
            self._status[index[within & ~paid]] = Status.ENERGY
            within &= paid
        self._pending[index[~within]] = False
        return within

    def update(
        self,
        index: Indices,
        after: Array,
        inside: Mask,
        voltages: Array,
        widths: Array,
        exhausted: Mask,
        clipped: Mask,
    ) -> None:
        """Take in the verify reads (S) of one round of pulses (V, s) and decide who goes on.

        A clipped read above the target says where a cell is to go, but not whether it moved: such
        a cell is never called stuck or unreached, it runs out of pulses.
        """
        direction = np.sign(voltages)
        self._reversals[index] += self._turns(index, direction)
        self._direction[index] = direction
        self._pulses[index] += 1
        conductance = np.maximum(self.conductance[index] + after, 0.0) / 2
        self._energy[index] += voltages**2 * widths * conductance
        moved = self._judge(index, after, direction, exhausted)
        self.conductance[index] = after
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

    def _turns(self, index: Indices, direction: Array) -> Mask:
        """Return True where a pulse of this direction (±1) reverses the last one."""
        last = self._direction[index]
        return np.asarray((last != 0) & (last != direction), dtype=np.bool_)

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

    def report(
        self, reads: NDArray[np.intp], elapsed: Array, clipped: int, seconds: Second
    ) -> CellReport:
        """Return what became of each cell."""
        return CellReport(
            cells=self._cells,
            target=self._targets,
            before=self._before,
            verified=self.conductance,
            tolerance=self._settings.tolerance,
            status=self._status,
            pulses=self._pulses,
            reversals=self._reversals,
            reads=reads,
            energy=self._energy,
            elapsed=elapsed,
            clipped=clipped,
            seconds=seconds,
        )
