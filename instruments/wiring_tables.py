"""The table ``[wiring]`` of a bench of instruments: which pin, channel and address is what."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from crossbar.backend import BenchError, Ohm, Second, Volt
from instruments.table_checks import at_least_zero, distinct, known_kind, positive

DIO = range(16)
"""Digital pins of an Analog Discovery 2; reference manual."""
DAC_CHANNELS = range(16)
"""Outputs of an LTC2668; datasheet."""
SPANS = (2.5, 5.0, 10.0)
"""Bipolar output ranges of an LTC2668, V; datasheet."""
MUX_INPUTS = 8
"""Inputs of the multiplexer before each scope channel in the parallel wiring."""


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
        known_kind(self.kind, ("parallel",))
        distinct("DIO", self.pins, DIO)
        distinct("word_channels", self.word_channels, DAC_CHANNELS)
        distinct("bit_channels", self.bit_channels, DAC_CHANNELS)
        distinct("multiplexers", [bit for mux in self.multiplexers for bit in mux], range(1 << 8))
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
        known_kind(self.kind, ("switched", "mux"))
        if self.select not in ("dio", "serial"):
            raise BenchError(f"select = {self.select!r} is not one of dio, serial")
        distinct("DIO", self.pins, DIO)
        distinct("word_addresses", self.word_addresses, range(1 << len(self.word_address)))
        distinct("bit_addresses", self.bit_addresses, range(1 << len(self.bit_address)))
        positive(self, "ratio")
        at_least_zero(self, "r_on")

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
