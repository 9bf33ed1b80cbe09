"""What became of each cell of a write-verify, kept whole: a success rate alone says little."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array, Cells, Mask, Second, Siemens


class Status(IntEnum):
    """How the loop left a cell."""

    VERIFIED = 0
    """Its verify read was inside the band."""
    BUDGET = 1
    """Its pulses ran out."""
    STUCK = 2
    """The strongest pulses of neither direction move it."""
    UNREACHED = 3
    """Its own range ends short of the target: the strongest pulses bring it no closer."""
    UNREADABLE = 4
    """The converter's range ends below the target: a SET could not be verified, so none is made."""
    REVERSALS = 5
    """Its changes of direction ran out."""
    ENERGY = 6
    """Its energy ran out: the next pulse could have gone beyond it."""


@dataclass(frozen=True, slots=True, eq=False)
class CellReport:
    """One write-verify pass over some cells; every array has shape ``(n,)``.

    Parameters
    ----------
    cells
        In the order they were given.
    target, before, verified
        Conductance wanted, read before the first pulse, and read at the last verify, S.
    tolerance
        Half-width of the band around the target, S.
    status
        `Status` of each cell.
    pulses, reversals
        Pulses applied, and changes of direction among them.
    reads
        Read currents taken of each cell, verify reads included.
    energy
        What its pulses took, J: V² G width each, as if the cell were ohmic, G being the mean of
        the verify reads before and after it. Where the cell conducts more at the pulse's amplitude
        than at the read voltage this is too little.
    elapsed
        Bench time spent on each cell, s: that of a round is shared by the cells in it.
    clipped
        Reads at the end of the converter's range; the policy still knew which way to go.
    seconds
        Bench time that the pass took, s.
    """

    cells: Cells
    target: Array
    before: Array
    verified: Array
    tolerance: Siemens
    status: NDArray[np.uint8]
    pulses: NDArray[np.intp]
    reversals: NDArray[np.intp]
    reads: NDArray[np.intp]
    energy: Array
    elapsed: Array
    clipped: int
    seconds: Second

    @property
    def stuck(self) -> Mask:
        """True for cells that no pulse moves."""
        return np.asarray(self.status == Status.STUCK, dtype=np.bool_)


def joined(reports: Sequence[CellReport]) -> CellReport:
    """Return the reports of several groups of cells, at least one, as that of one pass."""
    if len(reports) == 1:
        return reports[0]
    names = ("target", "before", "verified", "status", "pulses", "reversals", "reads", "energy")
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(report, name) for report in reports])
        for name in (*names, "elapsed")
    }
    return CellReport(
        cells=Cells(
            np.concatenate([report.cells.word for report in reports]),
            np.concatenate([report.cells.bit for report in reports]),
        ),
        tolerance=reports[0].tolerance,
        clipped=sum(report.clipped for report in reports),
        seconds=sum(report.seconds for report in reports),
        **arrays,
    )
