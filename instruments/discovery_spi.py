"""Serial words over the SPI engine of the Analog Discovery 2, one call per step: simple, slow."""

from dataclasses import dataclass


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
