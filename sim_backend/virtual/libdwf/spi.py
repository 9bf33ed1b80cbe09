"""Words on a serial peripheral interface."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from crossbar.backend import Array
from sim_backend.virtual.libdwf.chassis import Chassis
from sim_backend.virtual.libdwf.failure import invalid, unsupported
from sim_backend.virtual.libdwf.memory import read_array, write, write_array
from sim_backend.virtual.libdwf.parameters import Functions, named
from sim_backend.virtual.libdwf.protocols import ProtocolPins, pin_number

_IDLE_HIGH = 2  # DwfDigitalOutIdle, dwf.h
_FASTEST = 50e6  # Hz: the base clock makes two levels a bit
_WIDTHS: dict[str, DTypeLike] = {"": np.uint8, "16": np.uint16, "32": np.uint32}
_SINGLE, _DUPLEX = 0, 1  # cDQ: one data pin for both directions, or one for each

Bits = NDArray[np.uint8]


class Spi:
    """A master: clock, data out, data in, and pins to select with.

    Parameters
    ----------
    chassis
        Of the device.
    pins
        The pins that protocols drive.
    seen
        Returns the levels of all pins at some times of the last interval.
    """

    def __init__(
        self, chassis: Chassis, pins: ProtocolPins, seen: Callable[[Array], NDArray[Any]]
    ) -> None:
        self._chassis = chassis
        self._pins = pins
        self._seen = seen
        self._forget()

    def functions(self) -> Functions:
        """Return its functions by name."""
        made = named(self)
        for suffix, kind in _WIDTHS.items():
            made[f"FDwfDigitalSpiWriteRead{suffix}"] = self._write_read(kind)
            made[f"FDwfDigitalSpiWrite{suffix}"] = self._write(kind)
            made[f"FDwfDigitalSpiRead{suffix}"] = self._read(kind)
        return made

    def _forget(self) -> None:
        self._frequency = 1e6
        self._clock = 0
        self._data = [1, 2]
        self._idle = [0, 0]
        self._mode = 0
        self._high_bit_first = True

    def _hold(self) -> None:
        clock = self._mode >> 1
        self._pins.hold({self._clock: clock, self._data[0]: int(self._idle[0] == _IDLE_HIGH)})

    def FDwfDigitalSpiReset(self) -> None:
        """Leave all pins, and forget all settings."""
        self._pins.reset()
        self._forget()

    def FDwfDigitalSpiFrequencySet(self, frequency: float) -> None:
        """Set the bits a second, Hz."""
        if not 0 < frequency <= _FASTEST:
            raise invalid(1, f"{frequency} Hz is not in 0 to {_FASTEST} Hz")
        self._frequency = frequency

    def FDwfDigitalSpiClockSet(self, pin: int) -> None:
        """Set the clock pin."""
        self._clock = pin_number(pin)

    def FDwfDigitalSpiDataSet(self, line: int, pin: int) -> None:
        """Set a data pin: line 0 goes out, line 1 comes in."""
        if line not in (0, 1):
            raise unsupported(f"data line {line} of SPI")
        self._data[line] = pin_number(pin, 2)

    def FDwfDigitalSpiIdleSet(self, line: int, idle: int) -> None:
        """Set the level of a data pin between transfers."""
        if line not in (0, 1):
            raise unsupported(f"data line {line} of SPI")
        self._idle[line] = idle

    def FDwfDigitalSpiModeSet(self, mode: int) -> None:
        """Set polarity (bit 1) and phase (bit 0) of the clock."""
        if mode not in range(4):
            raise invalid(1, f"there is no SPI mode {mode}")
        self._mode = mode

    def FDwfDigitalSpiOrderSet(self, high_bit_first: int) -> None:
        """Set which bit of a word comes first."""
        self._high_bit_first = bool(high_bit_first)

    def FDwfDigitalSpiSelect(self, pin: int, level: int) -> None:
        """Drive a pin, or leave it (level -1)."""
        pin_number(pin)
        self._hold()
        if level < 0:
            self._pins.release(pin)
        else:
            self._pins.hold({pin: int(level > 0)})

    def FDwfDigitalSpiWriteOne(self, lines: int, count: int, word: int) -> None:
        """Send the low bits of one word; one of none makes the master drive its pins."""
        if count == 0:
            self._hold()
            return
        self._transfer(lines, self._bits(np.array([word], np.uint32), _width(count, 32)))

    def FDwfDigitalSpiReadOne(self, lines: int, count: int, word: Any) -> None:
        """Receive one word."""
        bits = self._transfer(lines, np.zeros(_width(count, 32), np.uint8))
        write(word, int(self._words(bits, count)[0]))

    def _write_read(self, kind: DTypeLike) -> Callable[..., None]:
        widest = 8 * np.dtype(kind).itemsize

        def write_read(lines: int, width: int, tx: Any, sent: int, rx: Any, got: int) -> None:
            words = np.zeros(max(sent, got), kind)
            words[:sent] = read_array(tx, sent, kind)
            bits = self._transfer(lines, self._bits(words, _width(width, widest)))
            write_array(rx, self._words(bits, width)[:got], kind)

        return write_read

    def _write(self, kind: DTypeLike) -> Callable[..., None]:
        widest = 8 * np.dtype(kind).itemsize

        def send(lines: int, width: int, tx: Any, count: int) -> None:
            words = read_array(tx, count, kind)
            self._transfer(lines, self._bits(words, _width(width, widest)))

        return send

    def _read(self, kind: DTypeLike) -> Callable[..., None]:
        widest = 8 * np.dtype(kind).itemsize

        def receive(lines: int, width: int, rx: Any, count: int) -> None:
            bits = self._transfer(lines, np.zeros(_width(width, widest) * count, np.uint8))
            write_array(rx, self._words(bits, width), kind)

        return receive

    def _shifts(self, width: int) -> NDArray[np.int64]:
        shifts = np.arange(width)
        return shifts[::-1] if self._high_bit_first else shifts

    def _bits(self, words: NDArray[Any], width: int) -> Bits:
        bits: Bits = (words[:, None].astype(np.int64) >> self._shifts(width) & 1).astype(np.uint8)
        return bits.ravel()

    def _words(self, bits: Bits, width: int) -> NDArray[np.int64]:
        words: NDArray[np.int64] = (
            bits.reshape(-1, width).astype(np.int64) << self._shifts(width)
        ).sum(axis=1)
        return words

    def _transfer(self, lines: int, bits: Bits) -> Bits:
        """Send bits, and return those that came in meanwhile."""
        if lines not in (_SINGLE, _DUPLEX):
            raise unsupported(f"SPI on {lines} data lines")
        if not len(bits):
            return bits
        self._hold()
        polarity, phase = self._mode >> 1, self._mode & 1
        # Phase 0 puts the bit out half a period before the leading edge, phase 1 on that edge.
        clock = np.tile([polarity ^ phase, polarity ^ phase ^ 1], len(bits))
        step = 0.5 / self._frequency
        start = self._pins.send({self._clock: clock, self._data[0]: np.repeat(bits, 2)}, step)
        sampled = start + step * np.arange(1, 2 * len(bits), 2, dtype=np.float64)
        levels = self._seen(sampled).astype(np.int64)
        received: Bits = (levels >> self._data[lines] & 1).astype(np.uint8)
        return received


def _width(width: int, widest: int) -> int:
    if not 1 <= width <= widest:
        raise invalid(2, f"{width} bits in a word are not in 1 to {widest}")
    return width
