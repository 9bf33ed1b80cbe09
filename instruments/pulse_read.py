"""One waveform for a pulse and the verify read that follows it, and how its record is cut.

W1 plays a lead with the rails, the pulse, a gap at 0 V and the read voltage; W2, the rails' bias,
plays the lead and the pulse. The amplifier is at its low gain until the middle of the gap, at the
high one until the first part of the verify read is over, then at the low one again: gap and read
are each seen at both. All times are ticks of `instruments.scans` after the trigger.
"""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, LimitError, Second, Volt
from instruments.scans import TICK, WAVEFORM, Record, Steps

EDGE: Second = 0.35 / 12e6
"""Rise time of W1: 0.35 over its bandwidth, 12 MHz; AD2 reference manual."""
SHORTEST: Second = 1e-6
"""Pulses below this are mostly edges behind switches and lines; assumed."""
WIDTH_ERROR = 1e-3
"""By which part a pulse may differ from the width asked for."""
VIEW = 4000
"""Ticks of a pulse's end that the record shows."""
FINER = 4
"""How many times coarser than possible the samples may be for a width that is then exact."""


@dataclass(frozen=True, slots=True)
class Margins:
    """What surrounds a pulse, in ticks.

    Parameters
    ----------
    lead
        From the rails' bias until the pulse.
    gap
        From the pulse until the verify read, at least.
    settle
        From the read voltage until the lines hold.
    steps
        Of the amplifier's gains.
    """

    lead: int
    gap: int
    settle: int
    steps: Steps

    @property
    def verify(self) -> int:
        """How long the read voltage is on."""
        return self.settle + self.steps.average + self.steps.step


@dataclass(frozen=True, slots=True)
class PulseRead:
    """A pulse with its verify read, in samples of the two waveforms.

    Parameters
    ----------
    interval
        Of a sample, ticks.
    lead, pulse, gap, verify
        How many samples each part has.
    margins
        What they were made for.
    """

    interval: int
    lead: int
    pulse: int
    gap: int
    verify: int
    margins: Margins

    @classmethod
    def fitting(cls, width: Second, margins: Margins) -> "PulseRead":
        """Return the finest waveform whose pulse has this width, exactly if one nearly as fine has.

        Raises
        ------
        LimitError
            If the width is below `SHORTEST`, or no waveform has it within `WIDTH_ERROR`.
        """
        if not SHORTEST * (1 - 1e-9) <= width < np.inf:
            raise LimitError(
                f"a pulse of {width} s is shorter than {SHORTEST:g} s: the edges of W1 take "
                f"{EDGE:.1g} s each, those behind the switches longer"
            )
        wanted = width / TICK
        gap = max(margins.gap, 2 * margins.steps.step)
        parts = np.array([margins.lead, gap, margins.verify])
        finest = int(np.ceil((parts.sum() + wanted) / WAVEFORM))
        intervals = np.arange(finest, max(FINER * finest, finest + 8) + 1)
        pulse = np.rint(wanted / intervals)
        others = -(-parts[:, None] // intervals)
        error = np.abs(pulse * intervals / wanted - 1)
        fits = (pulse >= 1) & (others.sum(axis=0) + pulse <= WAVEFORM)
        for allowed in (1e-9, WIDTH_ERROR):
            if (chosen := np.flatnonzero(fits & (error <= allowed))).size:
                k = chosen[0]
                lead, rest, verify = (int(n) for n in others[:, k])
                return cls(int(intervals[k]), lead, int(pulse[k]), rest, verify, margins)
        best = np.where(fits, error, np.inf).argmin()
        raise LimitError(
            f"no waveform of {WAVEFORM} samples has a pulse of {width} s within "
            f"{WIDTH_ERROR:.1%}; one of {pulse[best] * intervals[best] * TICK:.6g} s is near"
        )

    @property
    def width(self) -> Second:
        """Of the pulse, s."""
        return self.pulse * self.interval * TICK

    @property
    def begin(self) -> int:
        """Where the pulse begins."""
        return self.lead * self.interval

    @property
    def end(self) -> int:
        """Where the pulse ends."""
        return (self.lead + self.pulse) * self.interval

    @property
    def read(self) -> int:
        """Where the verify read begins."""
        return (self.lead + self.pulse + self.gap) * self.interval

    @property
    def duration(self) -> Second:
        """Of the waveforms, s."""
        return (self.lead + self.pulse + self.gap + self.verify) * self.interval * TICK

    @property
    def high_gain(self) -> tuple[Second, Second]:
        """When the amplifier goes to its high gain, s after the trigger, and for how long, s."""
        steps = self.margins.steps
        start = self.read - steps.step
        return start * TICK, (steps.step + self.margins.settle + steps.average) * TICK

    @property
    def record(self) -> Record:
        """The scope record: the end of the pulse, the gap and the verify read."""
        return Record.covering(self._shown, self.read + self.margins.verify)

    @property
    def _shown(self) -> int:
        return max(self.begin, self.end - VIEW)

    def drive(self, voltage: Volt, read_voltage: Volt, bias: Volt = 0.0) -> Array:
        """Return the samples of W1, V: in the lead at the rail's bias, which spares its cells."""
        levels = np.array([bias, voltage, 0.0, read_voltage])
        return np.repeat(levels, [self.lead, self.pulse, self.gap, self.verify])

    def bias(self, level: Volt) -> Array:
        """Return the samples of W2, V."""
        levels = np.array([level, 0.0])
        return np.repeat(levels, [self.lead + self.pulse, self.gap + self.verify])

    def levels(self, waveform: Array) -> Array:
        """Return what W1 was at the pulse's end, in the gap and in the verify read, V, ``(3,)``."""
        wait = self.margins.steps.wait
        begin = np.array(
            [(self._shown + self.end) // 2, self.end + wait, self.read + self.margins.settle]
        )
        return self.record.means(
            waveform, begin, np.array([self.end, self.read, self.read + self.margins.verify])
        )

    def cut(self, amplifier: Array) -> Array:
        """Return the amplifier's outputs, V, shape ``(2, 2)``: gap and read, high and low gain."""
        steps = self.margins.steps
        high = self.read + self.margins.settle
        begin = np.array(
            [self.read - steps.average, self.end + steps.wait, high, high + steps.step]
        )
        return self.record.means(amplifier, begin, begin + steps.average).reshape(2, 2)
