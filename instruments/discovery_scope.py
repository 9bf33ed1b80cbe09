"""The scope of the Analog Discovery 2: what is recorded, and whether it is what was played."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from crossbar.backend import Array, InstrumentError, Second, Volt


class Trigger(IntEnum):
    """What starts a record, a waveform or a pattern; numbers as in dwf.h 3.20.1."""

    NONE = 0
    """At once."""
    PC = 1
    """A call of the computer's."""
    SCOPE = 4
    """The start of a record."""
    PATTERNS = 6
    """The start of the digital patterns."""
    W1 = 7
    """The start of waveform generator 1."""
    W2 = 8
    """The start of waveform generator 2."""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """One kind of record; stating the one that the scope already holds costs no call.

    Parameters
    ----------
    rate
        Samples per second; 100 MS/s divided by a whole number.
    samples
        Per channel, at most the scope's buffer (8192 in configuration 0).
    span
        Full scale peak to peak, V: 5 or 50 on an AD2, about the middle of zero; of both inputs,
        or of each where they differ.
    trigger
        What starts it.
    start
        Time of the first sample after the trigger, s; negative records what came before.
    channels
        Scope inputs that are wanted, 0 is scope 1; each costs one call per record.
    """

    rate: float
    samples: int
    span: Volt | tuple[Volt, Volt] = 5.0
    trigger: Trigger = Trigger.NONE
    start: Second = 0.0
    channels: tuple[int, ...] = (0, 1)

    def span_of(self, channel: int) -> Volt:
        """Return the full scale of a scope input, peak to peak, V."""
        return self.span[channel] if isinstance(self.span, tuple) else self.span

    @property
    def duration(self) -> Second:
        """From the first sample to one interval after the last, s."""
        return self.samples / self.rate

    @property
    def times(self) -> Array:
        """When each sample is taken, s after the trigger, shape ``(samples,)``."""
        times: Array = self.start + np.arange(self.samples) / self.rate
        return times


def commanded(samples: Array, interval: Second, times: Array, settle: Second) -> Array:
    """Return what a waveform should be at given times; NaN where its edges have not settled.

    Parameters
    ----------
    samples
        Of the waveform, V.
    interval
        Time of each, s. Before the first and after the last, the output is at 0 V.
    times
        Since the start of the waveform, s.
    settle
        Nothing is expected this long after a step, s, nor one tenth of it before: the two clocks
        need not agree better.
    """
    padded = np.concatenate(([0.0], samples, [0.0]))

    def at(moments: Array) -> Array:
        where = np.clip(np.floor(moments / interval + 1e-9).astype(np.intp), -1, len(samples))
        played: Array = padded[where + 1]
        return played

    now = at(times)
    quiet = (at(times - settle) == now) & (at(times + settle / 10) == now)
    # A pulse shorter than the settling time is never quiet, so both its edges count.
    return np.where(quiet, now, np.nan)


def check_against(expected: Array, seen: Array, tolerance: Volt, what: str = "W1") -> None:
    """Raise unless a record shows what was commanded.

    Parameters
    ----------
    expected
        V, shape ``(samples,)``; NaN where nothing is expected (see `commanded`).
    seen
        The record of the scope input that watches, V, same shape.
    tolerance
        Largest difference that is accepted, V.
    what
        The output, for the message.

    Raises
    ------
    InstrumentError
        If any sample differs by more; it says what was commanded and what was seen.
    """
    inside = np.abs(seen - expected) <= tolerance
    if inside.all():
        return
    wrong = np.flatnonzero(~inside & (expected == expected))  # NaN expects nothing
    if not wrong.size:
        return
    first = int(wrong[0])
    worst = int(wrong[np.argmax(np.abs(seen[wrong] - expected[wrong]))])
    raise InstrumentError(
        f"{what} did not play what was commanded: {expected[worst]:.4g} V was commanded and "
        f"{seen[worst]:.4g} V was seen at sample {worst}; {wrong.size} of {len(expected)} samples, "
        f"from sample {first} on, differ by more than {tolerance:.3g} V"
    )
