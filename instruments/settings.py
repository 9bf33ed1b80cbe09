"""What a bench of instruments is made of: the tables of its file, and how they fit together."""

from dataclasses import dataclass, field, fields

import numpy as np

from crossbar.backend import BenchError, Limits
from instruments.bench_tables import (
    Ad2Table,
    ArrayTable,
    CalibrationTable,
    ReferenceTable,
    SchemesTable,
    SenseTable,
    TimingTable,
)
from instruments.companion_tables import KeithleyTable, SwitchBoardTable
from instruments.table_checks import distinct, enough
from instruments.wiring_tables import (
    DIO,
    MUX_INPUTS,
    WIRING_TABLES,
    ParallelTable,
    SwitchedTable,
    WiringTable,
)

__all__ = [
    "DIO",
    "MUX_INPUTS",
    "WIRING_TABLES",
    "Ad2Table",
    "ArrayTable",
    "CalibrationTable",
    "HardwareSettings",
    "KeithleyTable",
    "ParallelTable",
    "ReferenceTable",
    "SchemesTable",
    "SenseTable",
    "SwitchBoardTable",
    "SwitchedTable",
    "TimingTable",
    "WiringTable",
    "assumed",
]

ASSUMED = {
    "wiring": ("clock_period", "r_on"),
    "sense": ("settle", "average", "clip"),
    "timing": ("line_settle", "bias_lead", "dead_time", "switch", "relay"),
}
"""Settings whose defaults nobody measured, by table."""


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
        distinct("DIO", (*self.wiring.pins, self.sense.gain_pin), DIO)
        self.calibration.offsets(self.array.bit_lines)
        self.calibration.gains(self.array.bit_lines)
        if isinstance(self.wiring, ParallelTable):
            self._check_parallel(self.wiring)
        else:
            self._check_switched(self.wiring)

    def _check_parallel(self, wiring: ParallelTable) -> None:
        words, bits = self.array.shape
        enough("word_channels", wiring.word_channels, words)
        enough("bit_channels", wiring.bit_channels, bits)
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
        enough("word_addresses", wiring.word_addresses, words)
        enough("bit_addresses", wiring.bit_addresses, bits)
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
            enough("switch_board.word_channels", board.word_channels, words)
            enough("switch_board.bit_channels", board.bit_channels, bits)
        elif self.keithley is not None and wiring.relay is None:
            raise BenchError("a Keithley takes a relay: its DIO is missing in [wiring]")


def assumed(settings: HardwareSettings) -> list[str]:
    """Return the settings that are at a default which nobody measured, as ``table.key``."""
    return [
        f"{table}.{field.name}"
        for table, names in ASSUMED.items()
        for field in fields(getattr(settings, table))
        if field.name in names and getattr(getattr(settings, table), field.name) == field.default
    ]
