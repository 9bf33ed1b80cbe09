"""A programming job: several write-verify passes over one array, added up per cell."""

import numpy as np

from crossbar.backend import Array, Backend, Cells, Mask, Second
from crossbar.programming.policy import Pulses
from crossbar.programming.report import CellReport, Status
from crossbar.programming.write_verify import Progress, WriteVerify, write_verify


class Job:
    """Writes cells pass by pass and remembers, for the array, what became of each.

    Parameters
    ----------
    backend
        The bench.
    settings
        What a programmed cell is.
    pulses
        The settings of the policy.
    offset
        Current of each bit line at 0 V, A.
    stuck
        Conductance of the cells known to be stuck, S, array shape, NaN elsewhere; cells found
        stuck are entered here, so that the owner of the array knows them next time.
    progress
        Called with cells done and cells in all, for each pass.
    """

    def __init__(
        self,
        backend: Backend,
        settings: WriteVerify,
        pulses: Pulses,
        offset: Array,
        stuck: Array,
        progress: Progress | None,
    ) -> None:
        self._backend, self._settings = backend, settings
        self._write_pulses = pulses
        self._offset, self._progress = offset, progress
        self._start: Second = backend.now
        self.stuck = stuck
        self.passes: list[CellReport] = []
        self.clipped = 0
        self.pulses = np.zeros(backend.shape, dtype=np.intp)
        self.start_again()

    def start_again(self) -> None:
        """Forget targets and results, but not the pulses that were spent."""
        shape = self._backend.shape
        self.target = np.full(shape, np.nan)
        self.verified = np.full(shape, np.nan)
        self.status = np.full(shape, -1, dtype=np.int8)

    @property
    def seconds(self) -> Second:
        """Bench time since the job began, s."""
        return self._backend.now - self._start

    def write(self, wanted: Array) -> None:
        """Bring cells to the conductances in `wanted` (S, array shape, NaN leaves a cell alone)."""
        named = ~np.isnan(wanted)
        known = named & ~np.isnan(self.stuck)
        self.target[named] = wanted[named]
        self.verified[known] = self.stuck[known]
        self.status[known] = Status.STUCK
        word, bit = np.nonzero(named & ~known)
        cells = Cells(word, bit)
        report = write_verify(
            self._backend,
            cells,
            wanted[word, bit],
            self._settings,
            self._write_pulses,
            self._offset,
            self._progress,
        )
        self.passes.append(report)
        self.clipped += report.clipped
        self.pulses[word, bit] += report.pulses
        self.verified[word, bit] = report.verified
        self.status[word, bit] = report.status
        self.stuck[word[report.stuck], bit[report.stuck]] = report.verified[report.stuck]

    def read(self, chosen: Mask, repeats: int) -> Array:
        """Return mean conductances of the chosen cells, S, array shape, NaN elsewhere."""
        word, bit = np.nonzero(chosen)
        cells, voltage = Cells(word, bit), self._settings.read_voltage
        readings = [self._backend.read(cells, voltage) for _ in range(repeats)]
        self.clipped += sum(int(reading.clipped.sum()) for reading in readings)
        current = np.mean([reading.current for reading in readings], axis=0)
        conductances = np.full(self._backend.shape, np.nan)
        conductances[word, bit] = (current - self._offset[bit]) / voltage
        return conductances
