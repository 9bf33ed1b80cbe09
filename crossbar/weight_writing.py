"""Writing matrices into their cells: partners first, then the cells that aim at what these became.

With several copies of every weight there are two ways. `each`: every copy aims at the weight, and
their errors average out. `rest`: copies are written one after the other, and each aims at what the
earlier ones left of the sum, so that only what happens afterwards has to average out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, BenchError, Mask
from crossbar.blocks import CopyCells, Placed
from crossbar.mapping import Mapping, Targets, solve_targets
from crossbar.programming import WriteVerify
from crossbar.programming.job import LOOK_READS, Job

AIMS = ("rest", "each")


@dataclass(frozen=True, slots=True)
class Copies:
    """How many pairs of cells each weight has, and what they aim at.

    Parameters
    ----------
    counts
        For every matrix, or one number for all.
    aim
        A name in `AIMS`.

    Raises
    ------
    BenchError
        If there is not at least one copy, or the aim does not exist.
    """

    counts: tuple[int, ...] = (1,)
    aim: str = "rest"

    def __post_init__(self) -> None:
        if not self.counts or not all(count >= 1 for count in self.counts):
            raise BenchError(f"copies {self.counts} are not 1 or more of each weight")
        if self.aim not in AIMS:
            raise BenchError(f"copies aim at {self.aim!r}, which is not one of {', '.join(AIMS)}")


ONE = Copies()
"""One pair of cells for each weight."""


def write_weights(
    job: Job,
    matrices: Sequence[Array],
    placed: Sequence[Placed],
    mapping: Mapping,
    settings: WriteVerify,
    aim: str,
) -> list[Array]:
    """Write every copy of every weight; return what the window and stuck cells leave out of reach.

    Parameters
    ----------
    job
        Writes, and knows which cells are stuck.
    matrices, placed
        Weights, each ``(n_in, n_out)``, and where they lie.
    mapping, settings
        Rule for partners; window and band.
    aim
        A name in `AIMS`.

    Returns
    -------
    list of Array
        Shortfall of each matrix's weights, in the weights' unit.
    """
    writer = _Writer(job, matrices, placed, mapping, settings)
    if aim == "each":
        writer.write(slice(None))
    else:
        for k in range(max(p.copies for p in placed)):
            writer.write(slice(k, k + 1))
    return writer.shortfalls


class _Writer:
    """Writes copies of weights, stage by stage; see `write_weights` for the parameters."""

    def __init__(
        self,
        job: Job,
        matrices: Sequence[Array],
        placed: Sequence[Placed],
        mapping: Mapping,
        settings: WriteVerify,
    ) -> None:
        self._job, self._mapping, self._settings = job, mapping, settings
        self._placed = placed
        self._cells = [p.cells for p in placed]
        self._differences = [m * p.scale for m, p in zip(matrices, placed, strict=True)]
        self.shortfalls = [np.zeros(matrix.shape) for matrix in matrices]

    def write(self, stage: slice) -> None:
        """Write these copies of every matrix that has them."""
        job, nothing = self._job, np.full(self._job.stuck.shape, np.nan)
        earlier = np.zeros(nothing.shape, dtype=np.bool_)
        for cells in self._cells:
            _mark(earlier, cells[: stage.start or 0])
        reached = job.read(earlier, LOOK_READS) if earlier.any() else nothing
        partners = nothing.copy()
        for _, cells, targets in self._targets(stage, reached, nothing):
            partners[cells.word, cells.minus] = targets.minus
        # The shared partner of a `reference` mapping may belong to earlier copies too.
        partners[earlier] = np.nan
        job.write(partners)

        def aim() -> Array:
            """Return what the other cells have to be, their partners being what they are now."""
            now = job.read(~np.isnan(partners) | earlier, LOOK_READS)
            wanted = nothing.copy()
            for k, cells, targets in self._targets(stage, now, now):
                wanted[cells.word, cells.plus] = targets.plus
                # What is smaller than the band is not a shortfall but the band.
                lost = np.abs(targets.shortfall) > self._settings.tolerance
                left = np.where(lost, targets.shortfall, 0.0).sum(axis=0)
                self.shortfalls[k] = left / (self._placed[k].copies * self._placed[k].scale)
            return wanted

        job.write(aim(), aim)

    def _targets(
        self, stage: slice, reached: Array, partners: Array
    ) -> list[tuple[int, CopyCells, Targets]]:
        """Return matrix, cells and targets of a stage.

        `reached` are the conductances of earlier copies, `partners` those of partners that are
        written already, S, array shape, NaN where there are none.
        """
        found = []
        for k, cells in enumerate(self._cells):
            chosen = cells[stage]
            count = len(chosen.word)
            if not count:
                continue
            plus, minus = cells[: stage.start or 0].at(reached)
            wanted = (1 + len(plus)) * self._differences[k] - np.sum(plus - minus, axis=0)
            fixed_plus, fixed_minus = chosen.at(self._job.stuck)
            known = chosen.at(partners)[1]
            targets = solve_targets(
                np.broadcast_to(wanted, (count, *wanted.shape)),
                self._mapping,
                self._settings.window,
                fixed_plus,
                np.where(np.isnan(known), fixed_minus, known),
            )
            found.append((k, chosen, targets))
        return found


def _mark(mask: Mask, cells: CopyCells) -> None:
    mask[cells.word, cells.plus] = True
    mask[cells.word, cells.minus] = True
