"""Converters between numbers and the array: DAC, transimpedance amplifiers, ADC."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import (
    Ampere,
    Array,
    BenchError,
    Flag,
    Indices,
    LimitError,
    Reading,
    Volt,
)

HEADROOM = 6.0
"""A range holds a reading if this many sigmas of its noise fit above it: one in 10^9 does not."""


@dataclass(frozen=True, slots=True)
class Dac:
    """Voltage source: mid-tread, symmetric, its ends exactly ± `range`.

    Parameters
    ----------
    bits
        Resolution; one code stays unused so that 0 V and both ends are codes. None is exact.
    range
        Largest magnitude, V.

    Raises
    ------
    BenchError
        If `bits` is below 2 or `range` is not positive.
    """

    bits: int | None = 14  # Analog Discovery 2 reference manual, waveform generator
    range: Volt = 5.0  # Analog Discovery 2 reference manual, waveform generator

    def __post_init__(self) -> None:
        _check_bits(self.bits)
        if not 0 < self.range < np.inf:
            raise BenchError(f"DAC range {self.range} V has to be above zero and finite")

    def convert(self, voltages: Array) -> Array:
        """Return the voltages that come out, V.

        Raises
        ------
        LimitError
            If a voltage is outside the range, or not a number.
        """
        outside = ~(np.abs(voltages) <= self.range)
        if outside.any():
            raise LimitError(f"{voltages[outside].flat[0]} V is outside ±{self.range} V of the DAC")
        return quantised(voltages, self.bits, self.range)


@dataclass(frozen=True, slots=True)
class Tia:
    """Spread of the transimpedance amplifiers, one per bit line, drawn once per bench.

    Parameters
    ----------
    gain_sigma
        Standard deviation of the gain error, as a fraction.
    offset_sigma
        Standard deviation of the input offset, A.

    Raises
    ------
    BenchError
        If a spread is negative or not finite.
    """

    gain_sigma: float = 0.005  # assumed: uncalibrated 0.5 % feedback resistors
    offset_sigma: Ampere = 10e-9  # assumed

    def __post_init__(self) -> None:
        for name in ("gain_sigma", "offset_sigma"):
            if not 0 <= getattr(self, name) < np.inf:
                raise BenchError(f"{name} {getattr(self, name)} has to be zero or more")


@dataclass(frozen=True, slots=True)
class Adc:
    """Current meter that takes for each reading the smallest range that holds it.

    Parameters
    ----------
    bits
        Resolution within a range; None is exact.
    ranges
        Full scales, A, ascending.
    noise
        Input noise, rms, as a fraction of the range in use.

    Raises
    ------
    BenchError
        If `bits` is below 2, the ranges are not positive and ascending, or `noise` is negative.
    """

    bits: int | None = 14  # Analog Discovery 2 reference manual, scope
    ranges: tuple[Ampere, ...] = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)  # assumed
    noise: float = 1e-4  # assumed

    def __post_init__(self) -> None:
        _check_bits(self.bits)
        scales = np.asarray(self.ranges, dtype=np.float64)
        rising = scales.size > 0 and scales[0] > 0 and np.all(np.diff(scales) > 0)
        if not (rising and np.isfinite(scales).all()):
            raise BenchError(f"ADC ranges {self.ranges} A have to be positive, ascending, finite")
        if not 0 <= self.noise < 1 / HEADROOM:
            raise BenchError(f"ADC noise {self.noise} of the range is not between 0 and 1/6")

    def convert(self, currents: Array, rng: np.random.Generator) -> Reading:
        """Return the readings of these currents, A, with one noise draw each."""
        scales = np.asarray(self.ranges)
        holds = scales * (1.0 - HEADROOM * self.noise)
        size = np.abs(currents)
        # A comparison per range is several times as fast as a search, where ranges are few.
        chosen = sum((size > held for held in holds[:-1].tolist()), np.zeros(size.shape, np.intp))
        scale = scales[chosen]
        noisy = rng.standard_normal(currents.shape)
        noisy *= self.noise * scale
        noisy += currents
        clipped = np.abs(noisy) > scale
        flags = np.where(clipped, np.uint8(Flag.CLIPPED), np.uint8(0))
        if clipped.any():
            noisy = np.where(clipped, np.copysign(scale, noisy), noisy)
        return Reading(quantised(noisy, self.bits, scale), flags)


@dataclass(frozen=True, slots=True, eq=False)
class Readout:
    """The amplifiers of one bench and the converter behind them.

    Parameters
    ----------
    gain
        Of each bit line's amplifier, shape ``(n_bit,)``.
    offset
        Of each bit line's amplifier, A, shape ``(n_bit,)``.
    adc
        Behind all of them.
    """

    gain: Array
    offset: Array
    adc: Adc

    @classmethod
    def drawn(cls, tia: Tia, adc: Adc, bit_lines: int, rng: np.random.Generator) -> "Readout":
        """Return a readout whose amplifiers are drawn from their spread."""
        gain = 1.0 + tia.gain_sigma * rng.standard_normal(bit_lines)
        return cls(gain, tia.offset_sigma * rng.standard_normal(bit_lines), adc)

    def measure(self, currents: Array, bit: Indices | slice, rng: np.random.Generator) -> Reading:
        """Return the readings of currents into these bit lines.

        Parameters
        ----------
        currents
            A, shape ``(..., n)``.
        bit
            Bit line of each along the last axis.
        rng
            Source of the converter's noise.
        """
        return self.adc.convert(currents * self.gain[bit] + self.offset[bit], rng)


def quantised(values: Array, bits: int | None, scale: float | Array) -> Array:
    """Return values rounded to a mid-tread code; ± `scale` and zero are codes.

    Parameters
    ----------
    values
        Within ± `scale`.
    bits
        Resolution, 2 or more; None returns the values as they are.
    scale
        End of the range, in the unit of `values`.
    """
    if bits is None:
        return values
    largest = 2 ** (bits - 1) - 1
    # Step by step in one array: a new one for each step costs more than the step.
    rounded: Array = values / scale
    rounded *= largest
    np.rint(rounded, out=rounded)
    rounded /= largest
    rounded *= scale
    return rounded


def _check_bits(bits: int | None) -> None:
    if bits is not None and bits < 2:
        raise BenchError(f"{bits} bits are too few: a sign and a magnitude need 2")
