"""Serial words over the SPI engine of the Analog Discovery 2, one call per step: simple, slow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crossbar.backend import LimitError

_MODE = 0  # SCK idles low, data are taken at its rising edge
_MSB_FIRST = 1
_MOSI = 0  # of the engine's data lines DQ0 to DQ3
_ONE_LINE_EACH_WAY = 1  # kind of transfer: data go out on DQ0
_MOST_BITS = 32


@dataclass(frozen=True, slots=True)
class SpiBus:
    """Pins and speed of an SPI bus that is only written to; mode 0, most significant bit first.

    Parameters
    ----------
    clock, data, select
        DIO of SCK, of MOSI, and of the chip select (low while a word is sent).
    frequency
        Of SCK, Hz.
    """

    clock: int
    data: int
    select: int
    frequency: float = 1e6

    @property
    def pins(self) -> int:
        """The three pins, bit k is DIO k."""
        return 1 << self.clock | 1 << self.data | 1 << self.select

    def check(self, words: Sequence[int], bits: int) -> None:
        """Raise `LimitError` for what cannot be sent."""
        pins = {self.clock, self.data, self.select}
        if len(pins) != 3 or not all(0 <= pin <= 15 for pin in pins):
            raise LimitError(f"an SPI bus has three different pins of DIO 0 to 15, not {pins}")
        if not 0 < self.frequency <= 50e6:  # AD2: half of the 100 MHz of the digital pins
            raise LimitError(f"SCK of {self.frequency} Hz is outside 0 to 50 MHz")
        if not 1 <= bits <= _MOST_BITS:
            raise LimitError(f"a word has 1 to {_MOST_BITS} bits, not {bits}")
        for word in words:
            if not 0 <= word < 1 << bits:
                raise LimitError(f"{word:#x} is not a word of {bits} bits")


def take_pins(engine: Any, bus: SpiBus) -> None:
    """Give the engine its pins; SCK and chip select go to their idle levels."""
    engine.frequencySet(bus.frequency)
    engine.clockSet(bus.clock)
    engine.dataSet(_MOSI, bus.data)
    engine.modeSet(_MODE)
    engine.orderSet(_MSB_FIRST)
    engine.select(bus.select, 1)
    # A word of no bits: SCK and MOSI are driven from here on, before the first chip select
    # (Digilent's Digital_Spi example, "start driving the channels").
    engine.writeOne(_ONE_LINE_EACH_WAY, 0, 0)


def send(engine: Any, bus: SpiBus, words: Sequence[int], bits: int) -> None:
    """Send words, each within its own chip select."""
    for word in words:
        engine.select(bus.select, 0)
        engine.writeOne(_ONE_LINE_EACH_WAY, bits, word)
        engine.select(bus.select, 1)
