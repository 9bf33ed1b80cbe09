"""Pin changes made by hand, for tests of what hangs on the pins."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sim_backend.virtual.signals import Steps, Stimulus

CS_WORD, SCK, MOSI, CS_BIT, LOAD = 8, 9, 10, 11, 12
IDLE = 1 << CS_WORD | 1 << CS_BIT | 1 << LOAD
POWERED = (5.0, -5.0)


def code(voltage: float) -> int:
    return min(max(round((voltage / 10 + 0.5) * 65536), 0), 65535)


def word(command: int, channel: int = 0, data: int = 0) -> int:
    return command << 20 | channel << 16 | data


def sent(
    number: int, select: Sequence[int] = (CS_WORD,), bits: int = 24, rest: int = IDLE
) -> list[int]:
    """Levels of all pins, one per half bit, that shift a word out and end with CS high."""
    low = rest & ~sum(1 << pin for pin in select)
    levels = []
    for k in range(bits - 1, -1, -1):
        data = (number >> k & 1) << MOSI
        levels += [low | data, low | data | 1 << SCK]
    return [*levels, low, rest]


def steps(levels: Sequence[int] | NDArray[np.int64], start: float, half_bit: float) -> Steps:
    """The pins' changes, with repeated levels left out."""
    values = np.asarray(levels, dtype=np.int64)
    times = start + half_bit * np.arange(len(values))
    kept = np.concatenate([[True], values[1:] != values[:-1]])
    return Steps(times[kept], values[kept])


def stimulus(
    pins: Steps, end: float, supplies: tuple[float, float] = POWERED, w1: float = 0.0
) -> Stimulus:
    start = float(pins.time[0])
    waves = Steps.constant(start, w1), Steps.constant(start, 0.0)
    return Stimulus(start, end, waves, pins, supplies)
