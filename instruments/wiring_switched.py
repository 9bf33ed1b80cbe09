"""The wirings of one cell at a time: changeovers with rails, or floating lines."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import lru_cache

import numpy as np

from crossbar.backend import (
    Ampere,
    Array,
    BenchError,
    Cells,
    Indices,
    Limits,
    Reading,
    Second,
    Siemens,
    Sweep,
    Volt,
)
from instruments.analog_discovery import AnalogDiscovery
from instruments.cell_runs import W1, W2, CellRuns
from instruments.cell_sweep import CellSweep
from instruments.pulse_read import PulseRead
from instruments.selectors import BoardSelector
from instruments.settings import HardwareSettings, SwitchedTable
from instruments.slots import Slots, Superposition, read_slots
from instruments.sneak import SneakError, typical_sneak_error
from instruments.source_meter import SourceMeter
from instruments.switched_parts import keithley_path, limits_within, margins, selector
from instruments.timing import Timer
from instruments.wiring import Sensing

SUPPLY_RISE: Second = 1e-2
"""From switching the supplies on until the switches work; assumed."""
UNBOUNDED = 1 << 40
"""Slots of a run that are sorted into runs of one selection each afterwards."""
LEAST_TYPICAL: Siemens = 2e-6
MOST_TYPICAL: Siemens = 8e-5
"""Conductances of programmed cells; assumed: the window of the benches that come with it."""


class SwitchedWiring:
    """The wirings `switched` and `mux`, see `instruments.wiring.Wiring`.

    What belongs together in time is in one run: a scan steps addresses and gains while W1 plays the
    levels and one scope record runs; a pulse is in one waveform with its verify read. A multiply is
    a sum of reads, word line by word line, because there is one amplifier.

    Readings at the low gain are referred to the high gain's offset, measured in the same run: all
    readings of a bit line carry one offset, whichever gain they were taken at.

    Where no Keithley sweeps, the compliance is software: a current is seen after it has flowed for
    a dwell. Only a series resistor protects a cell then while it is formed.

    Parameters
    ----------
    settings
        Of the bench; the wiring is a `SwitchedTable`.
    discovery
        The Analog Discovery 2.
    timer
        What waiting is done by.
    meter
        The source meter, not open yet; by default the one of the settings.

    Raises
    ------
    BenchError
        If the settings are of another wiring, or no limits are left within what it can do.
    """

    def __init__(
        self,
        settings: HardwareSettings,
        discovery: AnalogDiscovery,
        timer: Timer,
        meter: SourceMeter | None = None,
    ) -> None:
        if not isinstance(settings.wiring, SwitchedTable):
            raise BenchError(f"wiring {settings.wiring.kind!r} is neither switched nor mux")
        self._settings = settings
        self._table = settings.wiring
        self._ad2 = discovery
        self._timer = timer
        self._limits = limits_within(settings)
        self._selector = selector(settings, discovery, self._table)
        self._words, self._bits = self._selector.addresses(settings.array.shape)
        self._sensing = Sensing(settings.sense, settings.calibration, settings.array.bit_lines)
        self._rail = settings.schemes.levels[0]
        around = margins(settings)
        self._steps = around.steps
        self._runs = CellRuns(
            discovery, self._selector, settings.sense, self._steps, self._limits.read_voltage
        )
        self._plan: Callable[[Second], PulseRead] = lru_cache(maxsize=64)(
            lambda width: PulseRead.fitting(width, around)
        )
        in_series = 2 * self._table.r_on
        self._sweep = CellSweep(
            self._runs, self._sensing, settings.sense, around, self._rail, in_series, timer
        )
        self._keithley = keithley_path(settings, self._selector, timer, meter)
        reads = self._keithley is not None and self._keithley.reads
        self._reader = self._keithley if reads else None

    @property
    def board(self) -> BoardSelector | None:
        """What selects by a switch board; None with address pins."""
        return self._selector if isinstance(self._selector, BoardSelector) else None

    @property
    def limits(self) -> Limits:
        """What this wiring accepts."""
        return self._limits

    def open(self) -> None:
        """Bring every source to 0 V and select nothing, then switch on the supplies."""
        if self._keithley is not None:
            self._keithley.open()
        for channel in (W1, W2):
            self._ad2.quiet(channel)
        self._selector.open()
        supply = self._settings.ad2.supply
        self._ad2.supplies(supply, -supply)
        self._timer.sleep(SUPPLY_RISE)

    def sources_off(self) -> None:
        """Open the Keithley, which finds it on and switches it off."""
        if self._keithley is not None:
            self._keithley.open()

    def make_safe(self) -> None:
        """Reach the switches; `close` opens them."""
        self._selector.open()

    def close(self) -> None:
        """Bring every source to 0 V, then open every switch; each is tried whatever fails."""
        with ExitStack() as last_first:
            last_first.callback(self._selector.close)
            if self._keithley is not None:
                last_first.callback(self._keithley.close)
            last_first.callback(self._ad2.safe)

    def read(self, cells: Cells, voltage: Volt) -> Reading:
        """Return one read current per cell, in as few runs as there is room for.

        With a Keithley that reads, each current is its own; it has no offset.
        """
        if not len(cells):
            return Reading(np.empty(0), np.empty(0, dtype=np.uint8))
        if self._reader is not None:
            return self._reader.read(list(zip(*self._addresses(cells), strict=True)), voltage)
        most = max(1, self._steps.capacity - self._settings.array.bit_lines)
        high, low = np.empty(len(cells)), np.empty(len(cells))
        for part in np.array_split(np.arange(len(cells)), -(-len(cells) // most)):
            words, bits = self._words[cells.word[part]], self._bits[cells.bit[part]]
            slots, zero = read_slots(words, bits, voltage, shared=self._selector.stepping)
            seen = self._runs.scan(slots)
            high[part] = seen[: len(part), 0]
            low[part] = self._referred(seen[: len(part), 1], seen[zero], cells.bit[part])
        self._selector.confirm()
        return self._sensing.reading(high, low, cells.bit)

    def pulse(self, cells: Cells, voltages: Array, widths: Array, read_voltage: Volt) -> Reading:
        """Apply one pulse per cell, in order, each with its verify read in the same waveform.

        With a Keithley that reads, its read follows each pulse instead, once the relay is thrown.

        Raises
        ------
        LimitError
            If a width cannot be made within 0.1 %; nothing was driven then.
        """
        plans = [self._plan(width) for width in widths.tolist()]
        after = 0.0 if self._reader is not None else read_voltage
        seen, verified = np.empty((len(cells), 2, 2)), []
        for k, pair in enumerate(zip(*self._addresses(cells), strict=True)):
            voltage = float(voltages[k])
            seen[k] = self._runs.pulse(plans[k], pair, voltage, after, self._rail * voltage)
            if self._reader is not None:
                verified.append(self._reader.read([pair], read_voltage))
        self._selector.confirm()
        if verified:
            return Reading(
                np.concatenate([reading.current for reading in verified]),
                np.concatenate([reading.flags for reading in verified]),
            )
        low = self._referred(seen[:, 1, 1], seen[:, 0], cells.bit)
        return self._sensing.reading(seen[:, 1, 0], low, cells.bit)

    def drive(self, voltages: Array) -> Reading:
        """Multiply by superposition: each cell of a driven word line is read at its voltage.

        Several vectors share a run where they fit. A word line that no vector drives is not read.
        """
        shape = len(voltages), self._settings.array.bit_lines
        current, flags = np.empty(shape), np.empty(shape, dtype=np.uint8)
        if not len(voltages):
            return Reading(current, flags)
        words = np.flatnonzero(voltages.any(axis=0))
        capacity = self._steps.capacity if self._selector.stepping else UNBOUNDED
        done = 0
        while done < shape[1]:
            left = range(done, shape[1])
            runs = Superposition.fitting(len(voltages), words, left, capacity)
            for begin in range(0, len(voltages), runs.vectors):
                rows = slice(begin, begin + runs.vectors)
                reading = self._superposed(runs, voltages[rows])
                current[rows, runs.bits], flags[rows, runs.bits] = reading.current, reading.flags
            done += len(runs.bits)
        self._selector.confirm()
        return Reading(current, flags)

    def sweep(
        self, cell: tuple[int, int], voltages: Array, compliance: Ampere, dwell: Second
    ) -> Sweep:
        """Apply each voltage for `dwell`, measured in its second half, with 0 V between the points.

        With a Keithley that sweeps, its compliance is its own, and it holds each point until the
        next; unselected lines are at 0 V then, or float.

        Otherwise they follow the write scheme; what the rails drive through the bit line is
        measured before each point and taken out. The compliance is software, see
        `instruments.staircase`; each attempt at a point takes a dwell.

        Raises
        ------
        LimitError
            If the dwell is too short to measure in.
        InstrumentError
            If a current cannot be brought below the compliance.
        """
        pair = int(self._words[cell[0]]), int(self._bits[cell[1]])
        if self._keithley is not None and self._keithley.sweeps:
            return self._keithley.sweep(pair, voltages, compliance, dwell)
        swept = self._sweep.sweep(pair, cell[1], voltages, compliance, dwell)
        self._selector.confirm()
        return swept

    def trace(
        self, cell: tuple[int, int], voltages: Array, interval: Second, largest: Ampere
    ) -> Sweep:
        """Play a waveform on one cell; unselected lines follow it as the write scheme says.

        Raises
        ------
        LimitError
            If the waveform does not fit the instrument, or is too fast for the amplifier.
        """
        pair = int(self._words[cell[0]]), int(self._bits[cell[1]])
        traced = self._sweep.trace(pair, cell[1], voltages, interval, largest)
        self._selector.confirm()
        return traced

    def describe(self) -> Mapping[str, object]:
        """Return what is particular to this wiring, in plain values."""
        identity = self._ad2.identity
        instruments: dict[str, object] = {
            "analog_discovery": {
                "name": identity.name,
                "serial": identity.serial,
                "config": identity.config,
                "libdwf": identity.version,
                "library": identity.library,
            }
        }
        if self._settings.switch_board is not None:
            instruments["switch_board"] = self._settings.switch_board.port
        compliance = "software: a current is seen after it has flowed for a dwell"
        if self._keithley is not None:
            instruments["keithley"] = self._keithley.describe()
            compliance = "the Keithley's" if self._keithley.sweeps else compliance
        described: dict[str, object] = {
            "read_scheme": "floating" if self._floating else "grounded",
            "write_scheme": "floating" if self._floating else self._settings.schemes.write,
            "select": self._table.select,
            "compliance": compliance,
            "instruments": instruments,
        }
        error = self.sneak_error()
        return described if error is None else described | {"warning": error.sentence()}

    def sneak_error(
        self, low: Siemens = LEAST_TYPICAL, high: Siemens = MOST_TYPICAL
    ) -> SneakError | None:
        """Return what sneak paths add to reads of typical cells; None where nothing floats.

        Parameters
        ----------
        low, high
            Conductances between which every decade is equally likely, S.
        """
        if not self._floating:
            return None
        return typical_sneak_error(self._settings.array.shape, low, high, 2 * self._table.r_on)

    @property
    def _floating(self) -> bool:
        return self._table.kind == "mux"

    def _addresses(self, cells: Cells) -> tuple[list[int], list[int]]:
        return self._words[cells.word].tolist(), self._bits[cells.bit].tolist()

    def _referred(self, low: Array, zero: Array, bits: Indices) -> Array:
        return self._sensing.referred(low, zero[:, 0], zero[:, 1], bits)

    def _superposed(self, runs: Superposition, vectors: Array) -> Reading:
        """Return the products of as many vectors as share a run."""
        lines = runs.slots(vectors)
        seen = self._runs.scan(Slots(self._words[lines.word], self._bits[lines.bit], lines.level))
        low = self._referred(seen[:, 1], runs.zero(seen), lines.bit)
        reading = self._sensing.reading(seen[:, 0], low, lines.bit)
        # A Keithley's reads have no offset: a multiply must not have one beside them.
        product = runs.sum(reading.current, offset_free=self._reader is not None)
        return Reading(product[: len(vectors)], runs.any(reading.flags)[: len(vectors)])
