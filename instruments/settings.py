"""What a bench of instruments is made of: the tables of its file, and how they fit together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from crossbar.backend import Ampere, Array, BenchError, Limits, Ohm, Second, Volt

DIO = range(16)
"""Digital pins of an Analog Discovery 2; reference manual."""
DAC_CHANNELS = range(16)
"""Outputs of an LTC2668; datasheet."""
BOARD_CHANNELS = range(32)
"""Outputs of the switch board; its firmware."""
SPANS = (2.5, 5.0, 10.0)
"""Bipolar output ranges of an LTC2668, V; datasheet."""
MUX_INPUTS = 8
"""Inputs of the multiplexer before each scope channel in the parallel wiring."""
ADDRESSES = range(16)
"""What four address lines can select in the switched wirings."""
WRITE_SCHEMES = ("grounded", "half", "third")
KEITHLEYS = ("6487", "2400")


@dataclass(frozen=True, slots=True)
class ArrayTable:
    """The table ``[array]``: the crossbar itself.

    Parameters
    ----------
    word_lines, bit_lines
        Size of the array.
    line_resistance
        Of each line segment from cell to cell, ohm; recorded, not corrected for.

    Raises
    ------
    BenchError
        If a size or the resistance is impossible.
    """

    word_lines: int
    bit_lines: int
    line_resistance: Ohm = 0.0

    def __post_init__(self) -> None:
        if min(self.word_lines, self.bit_lines) < 1:
            raise BenchError(f"{self.word_lines} x {self.bit_lines} lines have no cells")
        _at_least_zero(self, "line_resistance")

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

    Raises
    ------
    BenchError
        If a number is impossible.
    """

    serial: str = ""
    config: int = 0
    deadline: Second = 2.0
    supply: Volt = 5.0

    def __post_init__(self) -> None:
        if not 0 <= self.config <= 7:
            raise BenchError(f"config = {self.config} is outside 0 to 7")
        _positive(self, "deadline", "supply")
        if not self.supply <= 5.0:
            raise BenchError(f"supply = {self.supply} V is above 5 V, the most that V+ and V- give")


@dataclass(frozen=True, slots=True)
class ParallelTable:
    """The table ``[wiring]`` with ``kind = "parallel"``: a DAC and an amplifier for every line.

    Channels and inputs beyond the array's lines may be listed; they stay at 0 V or unread.

    Parameters
    ----------
    kind
        ``parallel``.
    address
        DIO of A0, A1, A2 of both multiplexers.
    word_select, bit_select
        DIO of the chip-select pins of the word lines' and the bit lines' DAC.
    clock, data, load
        DIO of SCK, SDI and LDAC of both DACs.
    clock_period
        Shortest period of SCK, s; a multiple of 20 ns.
    span
        Output range of both DACs, V, plus and minus.
    word_channels, bit_channels
        DAC channel of each word line, and of the amplifier of each bit line.
    multiplexers
        Bit line at input 0, 1, ... of the multiplexer of scope 1 and of that of scope 2.
    monitor_input, ground_input
        Inputs of both multiplexers that see their DAC's monitor pin, and ground.

    Raises
    ------
    BenchError
        If a pin, a channel or an input does not exist or is used twice, or a number is impossible.
    """

    kind: str
    address: tuple[int, int, int] = (0, 1, 2)
    word_select: int = 8
    clock: int = 9
    data: int = 10
    bit_select: int = 11
    load: int = 12
    clock_period: Second = 1e-7  # assumed: a tenth of what the LTC2668 accepts, for long wires
    span: Volt = 5.0
    word_channels: tuple[int, ...] = tuple(range(10))
    bit_channels: tuple[int, ...] = tuple(range(10))
    multiplexers: tuple[tuple[int, ...], tuple[int, ...]] = ((0, 1, 2, 3, 4), (5, 6, 7, 8, 9))
    monitor_input: int = 5
    ground_input: int = 6

    def __post_init__(self) -> None:
        _kind(self.kind, ("parallel",))
        _distinct("DIO", self.pins, DIO)
        _distinct("word_channels", self.word_channels, DAC_CHANNELS)
        _distinct("bit_channels", self.bit_channels, DAC_CHANNELS)
        _distinct("multiplexers", [bit for mux in self.multiplexers for bit in mux], range(1 << 8))
        if self.span not in SPANS:
            raise BenchError(f"span = {self.span} V is not one of {', '.join(map(str, SPANS))} V")
        ticks = self.clock_period / 20e-9
        if not (ticks >= 1 and np.isclose(ticks, round(ticks), rtol=1e-9)):
            raise BenchError(f"clock_period = {self.clock_period} s is not a multiple of 20 ns")
        extra = (self.monitor_input, self.ground_input)
        taken = range(max(len(mux) for mux in self.multiplexers))
        for number in extra:
            if number in taken or not number < MUX_INPUTS:
                raise BenchError(
                    f"multiplexer input {number} is a bit line's or beyond {MUX_INPUTS - 1}"
                )

    @property
    def pins(self) -> tuple[int, ...]:
        """Every DIO of this table."""
        dacs = (self.word_select, self.clock, self.data, self.bit_select, self.load)
        return (*self.address, *dacs)


@dataclass(frozen=True, slots=True)
class SwitchedTable:
    """The table ``[wiring]`` with ``kind = "switched"`` or ``"mux"``: one cell at a time.

    Parameters
    ----------
    kind
        ``switched``: a changeover at every line, unselected ones on rails. ``mux``: two
        multiplexers, unselected lines float.
    select
        ``dio``: address pins; ``serial``: the switch board.
    word_address, bit_address
        DIO of A0, A1, ... of the word lines' and the bit lines' selector.
    enable
        DIO that is high while a line is selected.
    relay
        DIO of the relay that puts a Keithley in the place of W1 and amplifier; None without one.
    word_addresses, bit_addresses
        Address of each word line and of each bit line.
    ratio
        Voltage of the bit lines' rail over that of W2, which is the word lines' rail.
    r_on
        Of one switch, ohm; two are in the path of a cell.

    Raises
    ------
    BenchError
        If a pin or an address does not exist or is used twice, or a number is impossible.
    """

    kind: str
    select: str = "dio"
    word_address: tuple[int, ...] = (0, 1, 2, 3)
    bit_address: tuple[int, ...] = (4, 5, 6, 7)
    enable: int = 8
    relay: int | None = None
    word_addresses: tuple[int, ...] = tuple(range(10))
    bit_addresses: tuple[int, ...] = tuple(range(10))
    ratio: float = 1.0
    r_on: Ohm = 5.0

    def __post_init__(self) -> None:
        _kind(self.kind, ("switched", "mux"))
        if self.select not in ("dio", "serial"):
            raise BenchError(f"select = {self.select!r} is not one of dio, serial")
        _distinct("DIO", self.pins, DIO)
        _distinct("word_addresses", self.word_addresses, range(1 << len(self.word_address)))
        _distinct("bit_addresses", self.bit_addresses, range(1 << len(self.bit_address)))
        _positive(self, "ratio")
        _at_least_zero(self, "r_on")

    @property
    def pins(self) -> tuple[int, ...]:
        """Every DIO of this table that is in use."""
        relay = () if self.relay is None else (self.relay,)
        if self.select == "serial":
            return relay
        return (*self.word_address, *self.bit_address, self.enable, *relay)


WiringTable: TypeAlias = ParallelTable | SwitchedTable

WIRING_TABLES: Mapping[str, type[WiringTable]] = MappingProxyType(
    {"parallel": ParallelTable, "switched": SwitchedTable, "mux": SwitchedTable}
)
"""What ``[wiring]`` holds, by its ``kind``."""


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
        _distinct("gain_pin", (self.gain_pin,), DIO)
        _positive(self, "range", "rate", "settle", "average", "clip")
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
        _at_least_zero(self, "line_settle", "bias_lead", "dead_time", "switch", "relay")


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
        return _rows("offset", (self.offset_high, self.offset_low), 0.0, bit_lines)

    def gains(self, bit_lines: int) -> Array:
        """Return factors, shape ``(2, bit_lines)``: high gain, low gain."""
        return _rows("gain", (self.gain_high, self.gain_low), 1.0, bit_lines)


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
        _distinct("word", (self.word,), ADDRESSES)
        _distinct("bit", () if self.bit is None else (self.bit,), ADDRESSES)
        _positive(self, "resistance", "tolerance")


@dataclass(frozen=True, slots=True)
class KeithleyTable:
    """The table ``[keithley]``: a source meter behind the relay.

    Parameters
    ----------
    model
        ``6487`` or ``2400``.
    resource
        VISA address.
    reads, sweeps
        True if it takes the reads, the sweeps, instead of the Analog Discovery 2.
    nplc
        Integration time in cycles of the mains.
    deadline
        Longest wait for an answer beyond what the measurement itself takes, s.

    Raises
    ------
    BenchError
        If there is no such model, no resource, or a number is impossible.
    """

    model: str
    resource: str
    reads: bool = False
    sweeps: bool = True
    nplc: float = 1.0
    deadline: Second = 5.0

    def __post_init__(self) -> None:
        if self.model not in KEITHLEYS:
            raise BenchError(f"model = {self.model!r} is not one of {', '.join(KEITHLEYS)}")
        if not self.resource:
            raise BenchError("resource is a VISA address, not empty")
        _positive(self, "nplc", "deadline")


@dataclass(frozen=True, slots=True)
class SwitchBoardTable:
    """The table ``[switch_board]``: selection over a serial line.

    Parameters
    ----------
    port
        Serial port.
    baud
        Bits per second.
    word_channels, bit_channels
        Channel of the changeover of each word line and of each bit line; closed is selected.
    relay_channel
        Channel of the relay that puts a Keithley in the place of W1 and amplifier.
    deadline
        Longest wait for an answer, s.

    Raises
    ------
    BenchError
        If a channel does not exist or is used twice, or a number is impossible.
    """

    port: str
    baud: int = 115200
    word_channels: tuple[int, ...] = tuple(range(10))
    bit_channels: tuple[int, ...] = tuple(range(16, 26))
    relay_channel: int = 31
    deadline: Second = 2.0

    def __post_init__(self) -> None:
        used = (*self.word_channels, *self.bit_channels, self.relay_channel)
        _distinct("channels", used, BOARD_CHANNELS)
        _positive(self, "baud", "deadline")
        if not self.port:
            raise BenchError("port names a serial port, not empty")


@dataclass(frozen=True, slots=True)
class HardwareSettings:
    """Everything that a bench of instruments is made of.

    Parameters
    ----------
    limits
        What the bench accepts.
    array, wiring, sense, ad2, schemes, timing, calibration, references, keithley, switch_board
        The tables of the same names.

    Raises
    ------
    BenchError
        If the tables do not fit each other.
    """

    limits: Limits
    array: ArrayTable
    wiring: WiringTable
    sense: SenseTable
    ad2: Ad2Table = field(default_factory=Ad2Table)
    schemes: SchemesTable = field(default_factory=SchemesTable)
    timing: TimingTable = field(default_factory=TimingTable)
    calibration: CalibrationTable = field(default_factory=CalibrationTable)
    references: tuple[ReferenceTable, ...] = ()
    keithley: KeithleyTable | None = None
    switch_board: SwitchBoardTable | None = None

    def __post_init__(self) -> None:
        _distinct("DIO", (*self.wiring.pins, self.sense.gain_pin), DIO)
        self.calibration.offsets(self.array.bit_lines)
        self.calibration.gains(self.array.bit_lines)
        if isinstance(self.wiring, ParallelTable):
            self._check_parallel(self.wiring)
        else:
            self._check_switched(self.wiring)

    def _check_parallel(self, wiring: ParallelTable) -> None:
        words, bits = self.array.shape
        _enough("word_channels", wiring.word_channels, words)
        _enough("bit_channels", wiring.bit_channels, bits)
        seen = {bit for mux in wiring.multiplexers for bit in mux}
        if missing := set(range(bits)) - seen:
            raise BenchError(f"no multiplexer sees bit line {min(missing)}")
        if self.keithley is not None or self.switch_board is not None:
            raise BenchError("the parallel wiring has neither a Keithley nor a switch board")
        for reference in self.references:
            if reference.bit is not None or reference.word in wiring.word_channels[:words]:
                raise BenchError(
                    "a reference of the parallel wiring is a DAC channel of its own as word, "
                    "without bit"
                )

    def _check_switched(self, wiring: SwitchedTable) -> None:
        words, bits = self.array.shape
        _enough("word_addresses", wiring.word_addresses, words)
        _enough("bit_addresses", wiring.bit_addresses, bits)
        if wiring.kind == "mux" and self.schemes.write != "grounded":
            raise BenchError('unselected lines float behind multiplexers: write = "grounded"')
        levels = self.schemes.levels
        if levels[0] and not np.isclose(levels[1] / levels[0], wiring.ratio):
            raise BenchError(
                f"write = {self.schemes.write!r} takes a ratio of {levels[1] / levels[0]:.3g}, "
                f"the wiring has {wiring.ratio:g}"
            )
        board = self.switch_board
        if wiring.select == "serial":
            if board is None:
                raise BenchError('select = "serial" takes a table [switch_board]')
            _enough("switch_board.word_channels", board.word_channels, words)
            _enough("switch_board.bit_channels", board.bit_channels, bits)
        elif self.keithley is not None and wiring.relay is None:
            raise BenchError("a Keithley takes a relay: its DIO is missing in [wiring]")


def _kind(kind: str, known: tuple[str, ...]) -> None:
    if kind not in known:
        raise BenchError(f"kind = {kind!r} is not one of {', '.join(known)}")


def _positive(table: object, *names: str) -> None:
    for name in names:
        if not 0 < getattr(table, name) < np.inf:
            raise BenchError(f"{name} = {getattr(table, name)} is not finite and above 0")


def _at_least_zero(table: object, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(table, name) < np.inf:
            raise BenchError(f"{name} = {getattr(table, name)} is not finite and zero or more")


def _distinct(what: str, numbers: Iterable[int], allowed: range) -> None:
    """Raise `BenchError` if a number is used twice or does not exist."""
    seen: set[int] = set()
    for number in numbers:
        if number not in allowed:
            raise BenchError(f"{what}: {number} is outside {allowed[0]} to {allowed[-1]}")
        if number in seen:
            raise BenchError(f"{what}: {number} is used twice")
        seen.add(number)


def _enough(name: str, listed: tuple[int, ...], lines: int) -> None:
    if len(listed) < lines:
        raise BenchError(f"{name} lists {len(listed)}, the array has {lines} lines")


def _rows(name: str, rows: tuple[tuple[float, ...], ...], default: float, count: int) -> Array:
    for row in rows:
        if row and len(row) != count:
            raise BenchError(f"{name}: {len(row)} numbers for {count} bit lines")
    return np.array([row or (default,) * count for row in rows], dtype=np.float64)
