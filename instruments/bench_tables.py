"""The tables of a bench of instruments besides ``[wiring]``; each checks itself."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Ampere, Array, BenchError, Ohm, Second, Volt
from instruments.table_checks import at_least_zero, distinct, positive, rows
from instruments.wiring_tables import DIO

ADDRESSES = range(16)
"""What four address lines can select in the switched wirings."""
WRITE_SCHEMES = ("grounded", "half", "third")


@dataclass(frozen=True, slots=True)
class ArrayTable:
    """The table ``[array]``: the crossbar itself.

    Parameters
    ----------
    word_lines, bit_lines
        Size of the array.
    line_resistance
        Of each line segment from cell to cell, ohm; recorded, not corrected for.
    name
        Of the array that is plugged in: under it the program keeps, from day to day, what each of
        its cells has received. Empty stands for the array of this bench file.

    Raises
    ------
    BenchError
        If a size or the resistance is impossible.
    """

    word_lines: int
    bit_lines: int
    line_resistance: Ohm = 0.0
    name: str = ""

    def __post_init__(self) -> None:
        if min(self.word_lines, self.bit_lines) < 1:
            raise BenchError(f"{self.word_lines} x {self.bit_lines} lines have no cells")
        at_least_zero(self, "line_resistance")

    @property
    def shape(self) -> tuple[int, int]:
        """Number of word lines and of bit lines."""
        return self.word_lines, self.bit_lines


@dataclass(frozen=True, slots=True)
class Ad2Table:
    """The table ``[ad2]``: the Analog Discovery 2.

    Parameters
    ----------
    serial
        Serial number; empty takes the only one that is plugged in.
    config
        Device configuration, which sets the buffer sizes.
    deadline
        Longest wait for an answer beyond what the measurement itself takes, s.
    supply
        Magnitude of V+ and of V-, V.
    settle
        Waited after opening and after a change of the scope's range, s. Digilent's examples wait
        2 s there, for the offsets of the inputs; the wiring `switched` changes it between pulses
        and scans.

    Raises
    ------
    BenchError
        If a number is impossible.
    """

    serial: str = ""
    config: int = 0
    deadline: Second = 2.0
    supply: Volt = 5.0
    settle: Second = 0.0  # assumed

    def __post_init__(self) -> None:
        at_least_zero(self, "settle")
        if not 0 <= self.config <= 7:
            raise BenchError(f"config = {self.config} is outside 0 to 7")
        positive(self, "deadline", "supply")
        if not self.supply <= 5.0:
            raise BenchError(f"supply = {self.supply} V is above 5 V, the most that V+ and V- give")


@dataclass(frozen=True, slots=True)
class SenseTable:
    """The table ``[sense]``: from a bit line's current to numbers.

    Parameters
    ----------
    gain_pin
        DIO that is low for the high gain and high for the low one.
    feedback
        Resistors of the amplifiers, ohm: high gain, low gain.
    range
        Of both scope channels, V from end to end.
    rate
        Samples per second.
    settle, average
        What a reading waits after a change at the amplifier's input, and what it averages, s.
    clip
        Amplifier output beyond which a reading counts as clipped, as a part of half the range.

    Raises
    ------
    BenchError
        If the pin does not exist, or a number is impossible.
    """

    gain_pin: int
    feedback: tuple[Ohm, Ohm] = (1e5, 5e3)
    range: Volt = 5.0
    rate: float = 1e6
    settle: Second = 1e-5  # assumed
    average: Second = 1e-5  # assumed
    clip: float = 0.98  # assumed

    def __post_init__(self) -> None:
        distinct("gain_pin", (self.gain_pin,), DIO)
        positive(self, "range", "rate", "settle", "average", "clip")
        high, low = self.feedback
        if not 0 < low < high < np.inf:
            raise BenchError(f"feedback {high} ohm and {low} ohm: the high gain's comes first")
        if not self.clip <= 1:
            raise BenchError(f"clip = {self.clip} is above 1, the end of the range")
        if self.rate * self.average < 1:
            raise BenchError(f"rate {self.rate} /s leaves no sample in {self.average} s")

    @property
    def largest(self) -> Volt:
        """Magnitude of the amplifier output beyond which a reading is clipped, V."""
        return self.clip * self.range / 2

    @property
    def full_scale(self) -> tuple[Ampere, Ampere]:
        """Largest current that is not clipped at the high and at the low gain, A."""
        high, low = self.feedback
        return self.largest / high, self.largest / low


@dataclass(frozen=True, slots=True)
class SchemesTable:
    """The table ``[schemes]``: what unselected lines do during a pulse and during a sweep.

    Parameters
    ----------
    write
        ``grounded`` (0 V), ``half`` (V/2 on all) or ``third`` (V/3 on word, 2V/3 on bit lines).

    Raises
    ------
    BenchError
        If there is no such scheme.
    """

    write: str = "half"

    def __post_init__(self) -> None:
        if self.write not in WRITE_SCHEMES:
            raise BenchError(f"write = {self.write!r} is not one of {', '.join(WRITE_SCHEMES)}")

    @property
    def levels(self) -> tuple[float, float]:
        """Unselected word lines and bit lines, as parts of the voltage at the cell."""
        levels = {"grounded": (0.0, 0.0), "half": (0.5, 0.5), "third": (1 / 3, 2 / 3)}
        return levels[self.write]


@dataclass(frozen=True, slots=True)
class TimingTable:
    """The table ``[timing]``: what the parts of a measurement wait for each other, s.

    Parameters
    ----------
    line_settle
        From a change of the lines' voltages until they hold.
    bias_lead
        From the rails' or the unselected lines' level until the pulse begins.
    dead_time
        From the end of a pulse until its verify read begins.
    switch
        From a change of addresses until the new line is selected.
    relay
        From a command until a relay has stopped bouncing.

    Raises
    ------
    BenchError
        If a time is negative or not finite.
    """

    line_settle: Second = 2e-5  # assumed
    bias_lead: Second = 2e-5  # assumed
    dead_time: Second = 2e-5  # assumed
    switch: Second = 2e-6  # assumed
    relay: Second = 1e-2  # assumed

    def __post_init__(self) -> None:
        at_least_zero(self, "line_settle", "bias_lead", "dead_time", "switch", "relay")


@dataclass(frozen=True, slots=True)
class CalibrationTable:
    """The table ``[calibration]``: what a check found out; the current is (raw - offset) gain.

    Parameters
    ----------
    offset_high, offset_low
        Current that each bit line reads at 0 V, at the high and at the low gain, A; none is 0 A.
    gain_high, gain_low
        Factor of each bit line; none is 1.

    Raises
    ------
    BenchError
        If a number is not finite, or a gain is not positive.
    """

    offset_high: tuple[float, ...] = ()
    offset_low: tuple[float, ...] = ()
    gain_high: tuple[float, ...] = ()
    gain_low: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not np.all(np.isfinite([*self.offset_high, *self.offset_low])):
            raise BenchError("an offset is not finite")
        gains = np.array([*self.gain_high, *self.gain_low])
        if not np.all((gains > 0) & np.isfinite(gains)):
            raise BenchError("a gain is not finite and above 0")

    def offsets(self, bit_lines: int) -> Array:
        """Return offsets, A, shape ``(2, bit_lines)``: high gain, low gain."""
        return rows("offset", (self.offset_high, self.offset_low), 0.0, bit_lines)

    def gains(self, bit_lines: int) -> Array:
        """Return factors, shape ``(2, bit_lines)``: high gain, low gain."""
        return rows("gain", (self.gain_high, self.gain_low), 1.0, bit_lines)


@dataclass(frozen=True, slots=True)
class ReferenceTable:
    """One of ``[[references]]``: a resistor that a check measures.

    Parameters
    ----------
    word
        Address of its word side in a switched wiring, DAC channel in the parallel one.
    resistance
        Ohm.
    bit
        Address of its bit side; None if there is one resistor to every bit line.
    tolerance
        Part of the resistance by which it may differ.

    Raises
    ------
    BenchError
        If an address or a number is impossible.
    """

    word: int
    resistance: Ohm
    bit: int | None = None
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        distinct("word", (self.word,), ADDRESSES)
        distinct("bit", () if self.bit is None else (self.bit,), ADDRESSES)
        positive(self, "resistance", "tolerance")
