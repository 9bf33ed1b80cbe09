"""What something costs on a bench: a wrapper that counts pulses, reads, multiplies and time."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass

import numpy as np

from crossbar.backend import Ampere, Array, Backend, Cells, Limits, Reading, Second, Sweep, Volt


@dataclass(frozen=True, slots=True)
class Tally:
    """What was asked of a bench.

    Parameters
    ----------
    pulses
        Programming pulses.
    reads
        Read currents of single cells, those that follow pulses included.
    multiplies
        Vectors that were driven.
    seconds
        Bench time, s, waiting included.
    """

    pulses: int = 0
    reads: int = 0
    multiplies: int = 0
    seconds: Second = 0.0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, earlier: "Tally") -> "Tally":
        return Tally(*(a - b for a, b in zip(astuple(self), astuple(earlier), strict=True)))


class Counted:
    """A backend that counts what it is asked for; sweeps and traces only count in time.

    What is refused or fails is counted all the same: part of it may have been done.

    Parameters
    ----------
    backend
        The bench.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._pulses = self._reads = self._multiplies = 0

    @property
    def tally(self) -> Tally:
        """What was asked for so far; the difference of two says what something took."""
        return Tally(self._pulses, self._reads, self._multiplies, self._backend.now)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of word lines and of bit lines."""
        return self._backend.shape

    @property
    def limits(self) -> Limits:
        """What this bench accepts."""
        return self._backend.limits

    @property
    def now(self) -> Second:
        """Bench time since opening, s."""
        return self._backend.now

    def read(self, cells: Cells, voltage: Volt) -> Reading:
        """Return one read current per cell."""
        self._reads += len(cells)
        return self._backend.read(cells, voltage)

    def pulse(self, cells: Cells, voltages: Array, widths: Array, read_voltage: Volt) -> Reading:
        """Apply one programming pulse per cell, in order, and return each cell's verify read."""
        self._pulses += len(cells)
        self._reads += len(cells)
        return self._backend.pulse(cells, voltages, widths, read_voltage)

    def drive(self, voltages: Array) -> Reading:
        """Multiply: return the bit-line currents for each vector of word-line voltages."""
        self._multiplies += len(np.atleast_2d(voltages))
        return self._backend.drive(voltages)

    def sweep(
        self, cell: tuple[int, int], voltages: Array, compliance: Ampere, dwell: Second
    ) -> Sweep:
        """Step one cell through voltages, quasi-statically, and measure at each."""
        return self._backend.sweep(cell, voltages, compliance, dwell)

    def trace(
        self, cell: tuple[int, int], voltages: Array, interval: Second, largest: Ampere
    ) -> Sweep:
        """Play voltages on one cell as one waveform, and return what flowed."""
        return self._backend.trace(cell, voltages, interval, largest)

    def wait(self, duration: Second) -> None:
        """Let `duration` seconds of bench time pass with every line at 0 V."""
        self._backend.wait(duration)

    def describe(self) -> Mapping[str, object]:
        """Return what made the numbers, as the bench says it."""
        return self._backend.describe()

    def close(self) -> None:
        """Leave every line at 0 V and disconnected; a second call does nothing."""
        self._backend.close()
