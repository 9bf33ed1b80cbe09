"""One record for many readings: which address when, which gain when, and how a record is cut.

A scan is a row of slots, all of one length. In each slot the selectors hold one address, W1 holds
one level, and the amplifier is read first at its high and then at its low gain. Digital patterns,
waveform and scope record begin at one trigger and run on one clock, so that all times are whole
numbers of its ticks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array, BenchError, Indices, Second

TICK: Second = 1e-8
"""Period of the clock of waveforms, patterns and scope: 100 MHz; AD2 reference manual."""
BITS = 1024
"""Samples of a digital pattern in configuration 0; `pydwf list -c` on an AD2."""
RECORD = 8192
"""Samples of a scope record in configuration 0; as above."""
WAVEFORM = 4096
"""Samples of a custom waveform in configuration 0; as above."""
FEWEST = 3
"""Samples that are averaged for one reading, at least."""

Bits = NDArray[np.uint8]


def ticks(duration: Second) -> int:
    """Return a duration in whole ticks, not shorter than it is."""
    return int(np.ceil(duration / TICK * (1 - 1e-9)))


@dataclass(frozen=True, slots=True)
class Record:
    """Where the samples of a scope record lie in time.

    Parameters
    ----------
    start
        First sample, ticks after the trigger.
    interval
        From sample to sample, ticks.
    samples
        How many there are.
    """

    start: int
    interval: int
    samples: int

    @classmethod
    def covering(cls, start: int, end: int, fastest: int = 1) -> "Record":
        """Return the finest record of these ticks, its samples at least `fastest` ticks apart."""
        interval = max(fastest, -(-(end - start) // RECORD))
        return cls(start, interval, -(-(end - start) // interval))

    @property
    def rate(self) -> float:
        """Samples per second."""
        return 1 / (self.interval * TICK)

    def means(self, voltages: Array, begin: Indices, end: Indices) -> Array:
        """Return the mean of the samples in each window.

        Parameters
        ----------
        voltages
            V, shape ``(..., samples)``.
        begin, end
            Of each window, ticks after the trigger, shape ``(n,)``; the last sample before `end`
            is left out where others remain, because the scope may be late by one.

        Returns
        -------
        Array
            V, shape ``(..., n)``.
        """
        first = -((self.start - begin) // self.interval)
        last = -((self.start - end) // self.interval)
        last = np.where(last - first > 1, last - 1, last)
        sums = np.concatenate([np.zeros((*voltages.shape[:-1], 1)), voltages.cumsum(axis=-1)], -1)
        means: Array = (sums[..., last] - sums[..., first]) / (last - first)
        return means


@dataclass(frozen=True, slots=True)
class Steps:
    """How long each gain of a slot is waited for and averaged, ticks."""

    wait: int
    average: int

    @classmethod
    def of(cls, wait: Second, average: Second) -> "Steps":
        """Return steps of at least these durations."""
        return cls(ticks(wait), ticks(average))

    @property
    def step(self) -> int:
        """Of one gain, ticks."""
        return self.wait + self.average

    @property
    def slot(self) -> int:
        """Of both gains, ticks."""
        return 2 * self.step

    @property
    def capacity(self) -> int:
        """Slots that patterns, waveform and record hold together.

        Raises
        ------
        BenchError
            If not even one fits: the steps wait too long for what they average.
        """
        by_record = RECORD * (self.average // FEWEST) // self.slot
        most = min(BITS // 2, WAVEFORM, by_record)
        if most < 1:
            raise BenchError(
                f"a reading that waits {self.wait * TICK:.3g} s and averages "
                f"{self.average * TICK:.3g} s does not fit a record of {RECORD} samples"
            )
        return most


@dataclass(frozen=True, slots=True)
class Scan:
    """One run of slots, as the instrument plays and records it.

    Parameters
    ----------
    slots
        How many, at most `steps.capacity`.
    steps
        Of each slot.
    fastest
        Shortest time from sample to sample, ticks.
    """

    slots: int
    steps: Steps
    fastest: int = 1

    @property
    def duration(self) -> Second:
        """Of the run, s."""
        return self.slots * self.steps.slot * TICK

    @property
    def record(self) -> Record:
        """The scope record that holds the run."""
        return Record.covering(0, self.slots * self.steps.slot, self.fastest)

    def gain(self) -> Bits:
        """Return the gain pin, one bit per step: low (high gain) first, then high."""
        return np.tile(np.array([0, 1], dtype=np.uint8), self.slots)

    def cut(self, amplifier: Array) -> Array:
        """Return the amplifier's outputs, V, shape ``(slots, 2)``: high gain, low gain.

        Parameters
        ----------
        amplifier
            Samples of the record, V.
        """
        begin = np.arange(2 * self.slots) * self.steps.step
        means = self.record.means(amplifier, begin + self.steps.wait, begin + self.steps.step)
        return means.reshape(-1, 2)

    def levels(self, waveform: Array) -> Array:
        """Return the mean of W1 in each slot, V, shape ``(slots,)``, edges left out."""
        begin = np.arange(self.slots) * self.steps.slot
        return self.record.means(waveform, begin + self.steps.wait, begin + self.steps.slot)


def address_bits(addresses: Indices, lines: int) -> list[Bits]:
    """Return the pattern of each address line, lowest first, one bit per address."""
    return [((addresses >> line) & 1).astype(np.uint8) for line in range(lines)]
