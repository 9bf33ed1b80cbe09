"""Whether what the scope hands out can be a record that it has just made.

Scopes have been seen to hand out values that stick until they are reset. A real input is never
quite still, so a record that repeats, or that does not move where others did, is none. Nothing is
assumed of how noisy an input is: that is seen in the records themselves, and where there is too
little of it to tell (a short record, a coarse range, an ideal input) nothing is said.

References
----------
dwfpy, issue 7: scope values of an Analog Discovery 2 that stay the same until a reset.
"""

from collections.abc import Sequence

import numpy as np

from crossbar.backend import Array, InstrumentError, Volt

BEYOND = 1.5
"""Half ranges that no sample is beyond: real ones are a few percent wider than their name.
# assumed"""

TURNS = 15
"""Turning points of noise that cannot repeat by chance.

Where noise takes a sample to the next code with probability a, a (1 - a) of the samples turn, and
two records agree at 1 - 2 a (1 - a) of them: with T turns in all, exp(-2 T), here 1e-13.
"""


STILL = 20
"""Turning points that a record without any cannot have lost by chance: exp(-T), here 2e-9."""

LOOKS = 8
"""Records of a kind from which is learned how often they turn; of these the fewest counts."""

CLIPPED = 0.95
"""Of half a range: samples beyond it may be those of an input that is clipped.  # assumed"""


class Credible:
    """What is known of the records of one open scope."""

    def __init__(self) -> None:
        self._last: dict[int, Array] = {}
        self._lively: dict[tuple[int, Volt], float] = {}
        self._looked: dict[tuple[int, Volt], int] = {}

    def check(self, record: Array, channels: Sequence[int], spans: Sequence[Volt]) -> None:
        """Look at a record, and keep it for comparison with the next.

        Parameters
        ----------
        record
            V, shape ``(n_channels, samples)``.
        channels, spans
            Inputs and their full scales, peak to peak, V.

        Raises
        ------
        InstrumentError
            If it cannot be what the inputs were at.
        """
        repeated, moving, still, expected = [], 0, [], 0.0
        for samples, channel, span in zip(record, channels, spans, strict=True):
            kind = channel, span
            largest = np.abs(samples).max()
            if not largest <= BEYOND * span / 2:  # NaN too
                raise InstrumentError(
                    f"Analog Discovery 2: scope {channel + 1} handed out samples beyond its range "
                    f"of ±{span / 2:g} V"
                )
            before = self._last.get(channel)
            self._last[channel] = samples
            if before is not None and np.array_equal(samples, before):
                repeated.append(channel)
                moving += turns(samples)
            if samples[0] == samples[-1] and samples.min() == samples.max():
                # A clipped input is still, too, and flagged where it is read.
                if largest < CLIPPED * span / 2:
                    still.append(channel)
                    expected += self._lively.get(kind, 0.0) * len(samples)
            elif self._looked.get(kind, 0) < LOOKS:
                share = turns(samples) / len(samples)
                self._lively[kind] = min(self._lively.get(kind, share), share)
                self._looked[kind] = self._looked.get(kind, 0) + 1
        if moving >= TURNS:
            raise InstrumentError(
                f"Analog Discovery 2: {_named(repeated)} handed out the record before once more, "
                "noise and all"
            )
        if expected >= STILL:
            raise InstrumentError(
                f"Analog Discovery 2: all {record.shape[1]} samples of {_named(still)} are the "
                "same: what is handed out sticks"
            )


def _named(channels: Sequence[int]) -> str:
    return " and ".join(f"scope {channel + 1}" for channel in channels)


def turns(samples: Array) -> int:
    """Return how often samples turn: up and at once down, or down and at once up.

    Steps of a signal that was sent do not; noise does at two of three samples.
    """
    change = np.diff(samples)
    return int(np.count_nonzero(change[1:] * change[:-1] < 0))
