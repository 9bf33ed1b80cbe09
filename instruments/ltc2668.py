"""The LTC2668: sixteen outputs of sixteen bits; its words, and a driver for single settings.

Three lines, with SCK on DIO 9, MOSI on DIO 10 and chip select on DIO 8::

    with AnalogDiscovery() as ad2, Ltc2668(ad2, SpiBus(clock=9, data=10, select=8)) as dac:
        dac.set(0, 0.1)
        input("0.1 V at output 0; Enter for 0 V")

A word is 24 bits, the highest first: four of command, four of channel, sixteen of data. It is taken
in at the rising edges of SCK while the chip-select pin is low, and executed when that rises.
"""

from enum import IntEnum
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossbar.backend import Array, LimitError, Volt
from instruments.analog_discovery import AnalogDiscovery
from instruments.discovery_spi import SpiBus

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


ZERO = word(Command.WRITE_TO_ALL_UPDATE_ALL, 0, MIDDLE)
"""Sets every output to 0 V at once, in a bipolar span."""


def words(command: Command, channel: ArrayLike, data: ArrayLike) -> Codes:
    """Return the words of a command for many channels or data."""
    joined: Codes = np.asarray(channel, dtype=np.int64) << 16 | np.asarray(data, dtype=np.int64)
    return joined | command << 20


def code(voltage: Volt, span: Volt) -> int:
    """Return the code nearest to a voltage within ±`span`; the largest code is one step below it.

    Raises
    ------
    LimitError
        If there is no such span, or the voltage is outside it.
    """
    if span not in SPAN_CODES:
        raise LimitError(f"spans of an LTC2668 are ±{sorted(SPAN_CODES)} V, not ±{span} V")
    if not abs(voltage) <= span:
        raise LimitError(f"{voltage} V is outside ±{span} V")
    return min(round(voltage / span * 0x8000) + MIDDLE, 0xFFFF)


def codes(voltages: Array, span: Volt) -> Codes:
    """Return the nearest codes; those of voltages beyond the span are of its ends."""
    scaled = np.rint(voltages * (0x8000 / span)) + MIDDLE
    within: Codes = np.minimum(np.maximum(scaled, 0), 0xFFFF).astype(np.int64)
    return within


def voltages(codes: Codes, span: Volt) -> Array:
    """Return what the codes give, V."""
    return (codes - MIDDLE).astype(np.float64) * (span / 0x8000)


class Ltc2668:
    """One LTC2668 on the SPI pins of an Analog Discovery 2: single outputs, four calls each.

    Entering sets the span with every output at 0 V; leaving sets every output to 0 V.

    Parameters
    ----------
    discovery
        Open when this is entered.
    bus
        The pins.
    span
        Largest voltage of either sign, V: 2.5, 5 or 10.
    """

    def __init__(self, discovery: AnalogDiscovery, bus: SpiBus, span: Volt = 5.0) -> None:
        self._discovery = discovery
        self._bus = bus
        self._span = span
        code(0.0, span)

    def __enter__(self) -> "Ltc2668":
        """Set the span, with every output at 0 V."""
        span = word(Command.SPAN_TO_ALL, 0, SPAN_CODES[self._span])
        # A span is taken over with the next update: no output has the old code in the new span.
        self._discovery.spi(self._bus, [span, ZERO], BITS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Set every output to 0 V."""
        self.zero()

    def set(self, channel: int, voltage: Volt) -> None:
        """Set one output at once.

        Raises
        ------
        LimitError
            If there is no such output, or the voltage is outside the span.
        """
        if not 0 <= channel <= 15:
            raise LimitError(f"outputs of an LTC2668 are 0 to 15, not {channel}")
        data = code(voltage, self._span)
        self._discovery.spi(self._bus, [word(Command.WRITE_UPDATE, channel, data)], BITS)

    def zero(self) -> None:
        """Set every output to 0 V."""
        self._discovery.spi(self._bus, [ZERO], BITS)
