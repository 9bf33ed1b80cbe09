"""Single cells looked at and pulsed: readings as conductances, free of the bench's offset."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import (
    Array,
    Backend,
    Cells,
    Flag,
    Flags,
    Second,
    Siemens,
    Volt,
)
from crossbar.calibration import measure_offset

OFFSET_READS = 16
"""Readings averaged for the offset of the bit lines; it then adds a quarter of a read's noise."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What reads of one cell came to.

    Parameters
    ----------
    conductance
        Their mean, S.
    error
        Standard error of that mean, S; NaN of a single read.
    flags
        `crossbar.backend.Flag` bits of any of them.
    """

    conductance: Siemens
    error: Siemens
    flags: int

    @property
    def clipped(self) -> bool:
        """True if a read was at the end of the converter's range."""
        return bool(self.flags & Flag.CLIPPED)


class Probe:
    """Reads and pulses of an open bench; making one measures the bench's offsets.

    Parameters
    ----------
    backend
        The bench.
    read_voltage
        Of every read, V.
    reads
        Reads that each look at a cell averages.
    """

    def __init__(self, backend: Backend, read_voltage: Volt, reads: int) -> None:
        self.backend = backend
        self._voltage = read_voltage
        self._reads = reads
        self._offset = measure_offset(backend, OFFSET_READS)

    def see(self, cell: tuple[int, int]) -> Seen:
        """Return what a cell conducts."""
        conductance, error, flags = self.look(Cells.of([cell]))
        return Seen(float(conductance[0]), float(error[0]), int(flags[0]))

    def look(self, cells: Cells) -> tuple[Array, Array, Flags]:
        """Return conductances, S, their standard errors, S, and flags, one per cell."""
        # All in one call: a bench takes them in as few acquisitions as it can.
        again = Cells(np.tile(cells.word, self._reads), np.tile(cells.bit, self._reads))
        reading = self.backend.read(again, self._voltage)
        values = self.conductances(again, reading.current).reshape(self._reads, len(cells))
        error = (
            values.std(axis=0, ddof=1) / np.sqrt(self._reads)
            if self._reads > 1
            else np.full(len(cells), np.nan)
        )
        flags = np.bitwise_or.reduce(reading.flags.reshape(self._reads, len(cells)), axis=0)
        return values.mean(axis=0), error, flags

    def pulse(self, cell: tuple[int, int], voltage: Volt, width: Second, count: int = 1) -> Seen:
        """Apply equal pulses and return what the verify read of the last one says."""
        cells = Cells.of([cell] * count)
        reading = self.backend.pulse(
            cells, np.full(count, voltage), np.full(count, width), self._voltage
        )
        conductance = self.conductances(cells, reading.current)
        return Seen(float(conductance[-1]), float("nan"), int(reading.flags[-1]))

    def conductances(self, cells: Cells, current: Array) -> Array:
        """Return the conductances, S, that read currents, A, mean."""
        return np.asarray((current - self._offset[cells.bit]) / self._voltage)
