"""A waveform of many points on one cell, as samples of W1 and of one scope record."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, LimitError, Second
from instruments.scans import RECORD, TICK, WAVEFORM, Record, ticks

FEWEST = 2
"""Scope samples per point, at least."""
SLOWEST = 20
"""A waveform lasts at least so many times as long as the amplifier is waited for; assumed."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A lead at 0 V, the points, and 0 V again; in samples of a waveform.

    The amplifier's output in the lead is the baseline: its offset.

    Parameters
    ----------
    interval
        Of a sample, ticks.
    lead
        Samples of the lead.
    points
        How many there are.
    """

    interval: int
    lead: int
    points: int

    @classmethod
    def fitting(cls, interval: Second, points: int, lead: int, wait: int) -> "Trace":
        """Return the plan of so many points after a lead of at least so many ticks.

        Parameters
        ----------
        interval
            Of a point, s.
        points
            How many.
        lead
            Ticks until the lines and the amplifier hold.
        wait
            Ticks for which the amplifier is waited for.

        Raises
        ------
        LimitError
            If the points do not fit the instrument, or the amplifier cannot follow them.
        """
        each = ticks(interval)
        before = -(-2 * lead // each)
        length = before + points + 1
        if length > min(WAVEFORM, RECORD // FEWEST):
            raise LimitError(
                f"{points} points of {interval} s do not fit a waveform of {WAVEFORM} samples "
                f"with a lead of {before}"
            )
        if points * each < SLOWEST * wait:
            raise LimitError(
                f"a waveform of {points * interval:.3g} s is too fast: the amplifier takes "
                f"{wait * TICK:.3g} s to settle, and {SLOWEST} times that is the least"
            )
        return cls(each, before, points)

    @property
    def duration(self) -> Second:
        """Of the waveform, s."""
        return (self.lead + self.points + 1) * self.interval * TICK

    @property
    def record(self) -> Record:
        """The scope record: the lead and all points."""
        return Record.covering(0, (self.lead + self.points) * self.interval)

    def drive(self, voltages: Array) -> Array:
        """Return the samples of W1, V."""
        return np.concatenate([np.zeros(self.lead), voltages, [0.0]])

    def cut(self, samples: Array) -> tuple[Array, Array]:
        """Return the mean of the lead's second half, and of each point, V.

        Points are taken whole: in a ramp the middle of a point is where its mean belongs, of W1
        as of the amplifier.
        """
        start = self.lead * self.interval
        edges = start + self.interval * np.arange(self.points + 1)
        lead = self.record.means(samples, np.array([start // 2]), np.array([start]))
        return lead[..., 0], self.record.means(samples, edges[:-1], edges[1:])

    def times(self, end: Second) -> Array:
        """Return when each point ended, s, if the waveform ended at `end`."""
        left = np.arange(self.points, 0, -1)
        return np.asarray(end - left * self.interval * TICK, dtype=np.float64)
