"""What digital pins of the Analog Discovery 2 do during a run, as values that do not change."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike

from crossbar.backend import LimitError, Second


class Idle(IntEnum):
    """Level of a pattern's pin before and after a run; numbers as in dwf.h 3.20.1."""

    LOW = 1
    HIGH = 2
    RELEASED = 3
    """Not driven."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Bits that a pin steps through during a run, again and again until the run ends.

    Stating the same object again costs nothing; stating one that differs in its bits only costs
    one call. Make it with `of`.

    Parameters
    ----------
    octets
        The bits, eight per byte, the first in the lowest place.
    length
        Number of bits.
    interval
        Time of each, s; a whole number of 10 ns.
    first
        Time of the first bit of a run, s, where that differs; a whole number of 10 ns.
    idle
        Level before and after the run.
    """

    octets: bytes
    length: int
    interval: Second
    first: Second | None = None
    idle: Idle = Idle.LOW

    @classmethod
    def of(
        cls,
        bits: ArrayLike,
        interval: Second,
        *,
        first: Second | None = None,
        idle: Idle = Idle.LOW,
    ) -> "Pattern":
        """Return the pattern with these bits, 0 and 1 in the order of time, shape ``(n,)``."""
        levels = np.asarray(bits)
        if levels.ndim != 1 or not levels.size:
            raise LimitError(f"a pattern is one or more bits in a row, not shape {levels.shape}")
        if levels.dtype.kind not in "biu":
            raise LimitError(f"bits of a pattern are 0 and 1, not {levels.dtype} numbers")
        octets = np.packbits(levels, bitorder="little").tobytes()
        return cls(octets, len(levels), interval, first, idle)


@dataclass(frozen=True, slots=True)
class Square:
    """A pin that is low and high by turns during a run, as a clock is.

    Parameters
    ----------
    low, high
        Time of each level, s; whole numbers of 10 ns.
    high_first
        Whether a run begins with the high level.
    idle
        Level before and after the run.
    """

    low: Second
    high: Second
    high_first: bool = False
    idle: Idle = Idle.LOW
