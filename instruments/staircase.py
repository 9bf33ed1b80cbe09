"""One point of a sweep as a waveform, and a current limit where no instrument has one.

An Analog Discovery 2 has no compliance. What software can do is to look after each point: where the
current is above the limit the point is taken again at a lower voltage, and the next one begins no
higher than the conductance seen last allows. A cell that switches within a point has seen the full
current until that point's end; only a source meter or a series resistor protects it from that.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crossbar.backend import Ampere, Array, Flag, InstrumentError, LimitError, Second, Siemens, Volt
from instruments.scans import TICK, WAVEFORM, Record, Steps, ticks

ATTEMPTS = 12
"""Times that a point is taken at a lower voltage before the bench gives up; assumed."""
NEAR = 0.9
"""Part of the limit from which on a lowered voltage is near enough to it; assumed."""
BELOW = 0.99
"""Part of the limit that is aimed at, so that noise and curvature do not lead beyond it."""
YIELDING = 0.95
"""Part of the aim that is left after each failure: a cell that every attempt changes by chance
would be above the limit half of the times, and now and then at all attempts; assumed."""
LEAD = 16
"""A point's lead, where its own baseline is measured, is at least this part of its dwell."""


@dataclass(frozen=True, slots=True)
class Point:
    """A lead at 0 V, with the rails' bias, and the dwell at a voltage; in samples of a waveform.

    The amplifier's output in the lead is the baseline: its offset, and what the rails' bias drives
    through the other cells of the bit line.

    Parameters
    ----------
    interval
        Of a sample, ticks.
    lead, dwell
        How many samples each has.
    steps
        Of the amplifier.
    """

    interval: int
    lead: int
    dwell: int
    steps: Steps

    @classmethod
    def fitting(cls, dwell: Second, lead: int, steps: Steps) -> "Point":
        """Return the point with this dwell, after a lead of at least so many ticks.

        Raises
        ------
        LimitError
            If the dwell is too short to wait for the amplifier and then to average.
        """
        if not 2 * steps.step * TICK <= dwell < np.inf:
            raise LimitError(
                f"a dwell of {dwell} s is too short for a point: the amplifier takes "
                f"{2 * steps.step * TICK:.3g} s"
            )
        wanted = ticks(dwell)
        before = max(lead, steps.step, wanted // LEAD)
        interval = -(-(before + wanted) // (WAVEFORM // 2))
        return cls(interval, -(-before // interval), -(-wanted // interval), steps)

    @property
    def duration(self) -> Second:
        """Of the waveform, s."""
        return (self.lead + self.dwell) * self.interval * TICK

    @property
    def record(self) -> Record:
        """The scope record: lead and dwell."""
        return Record.covering(0, (self.lead + self.dwell) * self.interval)

    def drive(self, voltage: Volt) -> Array:
        """Return the samples of W1, V."""
        return np.repeat([0.0, voltage], [self.lead, self.dwell])

    def bias(self, level: Volt) -> Array:
        """Return the samples of W2, V."""
        return np.full(self.lead + self.dwell, level)

    def cut(self, samples: Array) -> Array:
        """Return the means of the second halves of lead and dwell, V, ``(..., 2)``."""
        start, end = self.lead * self.interval, (self.lead + self.dwell) * self.interval
        settled = min(start - self.steps.average, max(self.steps.wait, start // 2))
        begin = np.array([settled, (start + end) // 2])
        return self.record.means(samples, begin, np.array([start, end]))


@dataclass(frozen=True, slots=True)
class Measured:
    """What one point came to.

    Parameters
    ----------
    voltage
        At the cell, V.
    current
        A.
    flags
        `crossbar.backend.Flag` bits.
    """

    voltage: Volt
    current: Ampere
    flags: int


def held_below(
    limit: Ampere, asked: Volt, conductance: Siemens, measure: Callable[[Volt], Measured]
) -> tuple[Measured, bool]:
    """Return a point at the voltage asked for, or at the highest one found with less than a limit.

    Parameters
    ----------
    limit
        A.
    asked
        V.
    conductance
        Of the point before, S; 0 if there is none.
    measure
        Takes a point at a voltage.

    Returns
    -------
    Measured
        The point.
    bool
        True if its voltage was lowered.

    Raises
    ------
    InstrumentError
        If the current stays above the limit however low the voltage.
    """
    voltage, foreseen = asked, abs(asked) * conductance > limit
    if foreseen:
        voltage = float(np.copysign(BELOW * limit / conductance, asked))
    aim = BELOW
    for _ in range(ATTEMPTS):
        point = measure(voltage)
        clipped = bool(point.flags & Flag.CLIPPED)
        size = max(abs(point.current), 1e-15)
        if size <= limit and not clipped:
            if not foreseen or size >= NEAR * limit:
                return point, voltage != asked
            # The cell conducts less than before: once, the voltage may rise again.
            foreseen = False
            higher = min(abs(asked), abs(voltage) * BELOW * limit / size)
            voltage = float(np.copysign(higher, asked))
            continue
        # What is clipped is more than it says.
        foreseen = False
        voltage *= min(aim * limit / size, 0.5 if clipped else aim)
        aim *= YIELDING
    raise InstrumentError(
        f"the current stays above {limit:.3g} A: {point.current:.3g} A at {point.voltage:.3g} V"
    )
