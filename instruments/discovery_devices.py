"""Finding and opening an Analog Discovery 2, and what it says about itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """Which device is open, and through which library.

    Parameters
    ----------
    name
        As the device calls itself.
    serial
        Serial number, 12 characters.
    config
        Number of its device configuration.
    version
        Of libdwf.
    library
        Path of the libdwf that is loaded, or its name where no path is to be had.
    """

    name: str
    serial: str
    config: int
    version: str
    library: str


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the open device holds in its configuration.

    Parameters
    ----------
    scope_samples
        Samples per channel of one record.
    scope_rate
        Fastest sampling, per second; slower ones are this divided by a whole number.
    waveform_samples
        Samples of a custom waveform.
    pattern_bits
        Bits of a digital pattern.
    pattern_clock
        Ticks per second of the digital patterns.
    """

    scope_samples: int
    scope_rate: float
    waveform_samples: int
    pattern_bits: int
    pattern_clock: float
