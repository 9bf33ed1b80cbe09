"""The words of an LTC2668: sixteen outputs of sixteen bits.

A word is 24 bits, the highest first: four of command, four of channel, sixteen of data. It is taken
in at the rising edges of SCK while the chip-select pin is low, and executed when that rises.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossbar.backend import Array, Volt

BITS = 24
"""Of one word; datasheet."""
MIDDLE = 0x8000
"""The code of 0 V in every bipolar span; datasheet."""
SPAN_CODES = {5.0: 2, 10.0: 3, 2.5: 4}  # assumed: from memory of the datasheet
"""Code of each bipolar span, by its voltage."""

Codes = NDArray[np.int64]


class Command(IntEnum):
    """The highest four bits of a word."""  # assumed: all from memory of the datasheet

    WRITE = 0b0000
    UPDATE = 0b0001
    WRITE_UPDATE_ALL = 0b0010
    WRITE_UPDATE = 0b0011
    SPAN = 0b0110
    WRITE_TO_ALL = 0b1000
    UPDATE_ALL = 0b1001
    WRITE_TO_ALL_UPDATE_ALL = 0b1010
    MONITOR = 0b1011
    SPAN_TO_ALL = 0b1110
    NOTHING = 0b1111


def word(command: Command, channel: int = 0, data: int = 0) -> int:
    """Return the word of a command."""
    return command << 20 | channel << 16 | data


def words(command: Command, channel: ArrayLike, data: ArrayLike) -> Codes:
    """Return the words of a command for many channels or data."""
    joined: Codes = np.asarray(channel, dtype=np.int64) << 16 | np.asarray(data, dtype=np.int64)
    return joined | command << 20


def codes(voltages: Array, span: Volt) -> Codes:
    """Return the nearest codes; those of voltages beyond the span are of its ends."""
    scaled = np.rint(voltages * (0x8000 / span)) + MIDDLE
    within: Codes = np.minimum(np.maximum(scaled, 0), 0xFFFF).astype(np.int64)
    return within


def code(voltage: Volt, span: Volt) -> int:
    """Return the nearest code of one voltage."""
    return int(codes(np.array([voltage], dtype=np.float64), span)[0])


def voltages(codes: Codes, span: Volt) -> Array:
    """Return what the codes give, V."""
    return (codes - MIDDLE).astype(np.float64) * (span / 0x8000)


def bits(sent: Codes) -> NDArray[np.uint8]:
    """Return the bits of words, the highest first; one axis more, of 24."""
    octets = np.ascontiguousarray(sent, dtype=">u4").view(np.uint8).reshape(*sent.shape, 4)
    return np.unpackbits(octets[..., 1:], axis=-1)
