"""Published converters: what one conversion costs. None of them is on any bench of ours.

Numbers from the ISSCC and VLSI symposia are those of B. Murmann, ADC Performance Survey 1997-2025,
github.com/bmurmann/ADC-survey (revision of June 2025), where power over Nyquist rate is the energy
of a conversion; sessions are named as there. ISAAC's are those of its table 1: 16 mW for 8 ADCs of
8 bits at 1.2 GS/s, and 4 mW for 8 x 128 DACs of 1 bit in a cycle of 100 ns, at 32 nm.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from crossbar.backend import Second
from crossbar.energy.array import Joule, Watt

Hertz: TypeAlias = float
Metre: TypeAlias = float

NONE = "none"
"""What stands for no converter: its energy is not counted."""


@dataclass(frozen=True, slots=True)
class Converter:
    """One published converter.

    Parameters
    ----------
    architecture
        In a word.
    bits
        Nominal resolution.
    rate
        Conversions per second.
    power
        At that rate, W.
    node
        Of the process, m.
    source
        Where the numbers are from.
    """

    architecture: str
    bits: int
    rate: Hertz
    power: Watt
    node: Metre
    source: str

    @property
    def energy(self) -> Joule:
        """Of one conversion, J."""
        return self.power / self.rate

    def needed(self, conversions: int, duration: Second) -> int:
        """Return how many of them keep up with so many conversions in a time."""
        # What is a whole number but for rounding is one.
        return max(1, math.ceil(conversions / (self.rate * duration) * (1 - 1e-12)))


ADCS: Mapping[str, Converter] = MappingProxyType(
    {
        "isaac": Converter("SAR", 8, 1.2e9, 2e-3, 32e-9, "Shafiee et al., ISCA 2016, table 1"),
        "kull": Converter("SAR", 8, 1.2e9, 3.06e-3, 32e-9, "Kull et al., ISSCC 2013, 26.4"),
        "choo": Converter("SAR", 6, 1e9, 1.26e-3, 40e-9, "Choo et al., ISSCC 2016, 27.3"),
        "elzakker": Converter("SAR", 10, 1e6, 1.9e-6, 65e-9, "van Elzakker, ISSCC 2008, 12.4"),
        "harpe": Converter("SAR", 8, 10.24e6, 69e-6, 90e-9, "Harpe et al., ISSCC 2010, 21.6"),
        "liu-10b": Converter("SAR", 10, 1e8, 1.13e-3, 65e-9, "Liu et al., ISSCC 2010, 21.5"),
        "liu-12b": Converter("slope, SAR", 12, 1e8, 0.35e-3, 28e-9, "Liu, ISSCC 2016, 27.4"),
        "tai": Converter("SAR", 10, 2e5, 84e-9, 40e-9, "Tai et al., ISSCC 2014, 11.2"),
        "bogner": Converter("pipeline", 14, 1e8, 0.224, 130e-9, "Bogner, ISSCC 2006, 12.6"),
    }
)

DACS: Mapping[str, Converter] = MappingProxyType(
    {
        "isaac": Converter("inverter", 1, 1e7, 4e-3 / 1024, 32e-9, "Shafiee, ISCA 2016, table 1"),
    }
)
