"""The wirings of one cell at a time: changeovers with rails, or floating lines."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np

from crossbar.backend import (
    Ampere,
    Array,
    BenchError,
    Cells,
    Flag,
    Indices,
    InstrumentError,
    Limits,
    Reading,
    Second,
    Siemens,
    Sweep,
    Volt,
)
from instruments.analog_discovery import AnalogDiscovery
from instruments.cell_runs import MOST, W1, W2, CellRuns
from instruments.pulse_read import SHORTEST, Margins, PulseRead
from instruments.scans import Steps, ticks
from instruments.selectors import BoardSelector, PinSelector, Selector
from instruments.settings import HardwareSettings, SwitchedTable
from instruments.slots import Slots, Superposition, read_slots
from instruments.sneak import SneakError, typical_sneak_error
from instruments.staircase import Measured, Point, held_below
from instruments.switch_board import SwitchBoard
from instruments.timing import Timer
from instruments.wiring import Sensing

SUPPLY_RISE: Second = 1e-2
"""From switching the supplies on until the switches work; assumed."""
ROOM = 0.8
"""Part of the high gain's full scale that a sweep point is expected to stay below to be taken
there; assumed."""
READ_PART = 0.95
"""Part of scope 1's range that a scan's level may use, so that it can be checked; assumed."""
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

    Raises
    ------
    BenchError
        If the settings are of another wiring, or no limits are left within what it can do.
    """

    def __init__(
        self, settings: HardwareSettings, discovery: AnalogDiscovery, timer: Timer
    ) -> None:
        if not isinstance(settings.wiring, SwitchedTable):
            raise BenchError(f"wiring {settings.wiring.kind!r} is neither switched nor mux")
        self._settings = settings
        self._table = settings.wiring
        self._ad2 = discovery
        self._timer = timer
        self._limits = _within(settings)
        self._selector = _selector(settings, discovery, settings.wiring)
        self._words, self._bits = self._selector.addresses(settings.array.shape)
        sense, timing = settings.sense, settings.timing
        self._sensing = Sensing(sense, settings.calibration, settings.array.bit_lines)
        self._rail = settings.schemes.levels[0]
        self._steps = Steps.of(max(sense.settle, timing.switch), sense.average)
        lead = max(timing.switch, timing.bias_lead if self._rail else 0.0)
        margins = Margins(
            ticks(lead), ticks(timing.dead_time), ticks(timing.line_settle), self._steps
        )
        self._runs = CellRuns(
            discovery, self._selector, sense, self._steps, self._limits.read_voltage
        )
        self._plan: Callable[[Second], PulseRead] = lru_cache(maxsize=64)(
            lambda width: PulseRead.fitting(width, margins)
        )
        self._lead = margins.lead

    @property
    def limits(self) -> Limits:
        """What this wiring accepts."""
        return self._limits

    def open(self) -> None:
        """Bring W1 and W2 to 0 V and select nothing, then switch on the supplies."""
        for channel in (W1, W2):
            self._ad2.quiet(channel)
        self._selector.open()
        supply = self._settings.ad2.supply
        self._ad2.supplies(supply, -supply)
        self._timer.sleep(SUPPLY_RISE)

    def close(self) -> None:
        """Bring W1 and W2 to 0 V, then open every switch; each is tried whatever fails."""
        problems = []
        for step in (self._ad2.safe, self._selector.close):
            try:
                step()
            except InstrumentError as problem:
                problems.append(str(problem))
        if problems:
            raise InstrumentError("; ".join(problems))

    def read(self, cells: Cells, voltage: Volt) -> Reading:
        """Return one read current per cell, in as few runs as there is room for."""
        if not len(cells):
            return Reading(np.empty(0), np.empty(0, dtype=np.uint8))
        most = max(1, self._steps.capacity - self._settings.array.bit_lines)
        high, low = np.empty(len(cells)), np.empty(len(cells))
        for part in np.array_split(np.arange(len(cells)), -(-len(cells) // most)):
            words, bits = self._words[cells.word[part]], self._bits[cells.bit[part]]
            slots, zero = read_slots(words, bits, voltage, shared=self._selector.stepping)
            seen = self._runs.scan(slots)
            high[part] = seen[: len(part), 0]
            low[part] = self._referred(seen[: len(part), 1], seen[zero], cells.bit[part])
        return self._sensing.reading(high, low, cells.bit)

    def pulse(self, cells: Cells, voltages: Array, widths: Array, read_voltage: Volt) -> Reading:
        """Apply one pulse per cell, in order, each with its verify read in the same waveform.

        Raises
        ------
        LimitError
            If a width cannot be made within 0.1 %; nothing was driven then.
        """
        plans = [self._plan(width) for width in widths.tolist()]
        words, bits = self._words[cells.word].tolist(), self._bits[cells.bit].tolist()
        drives = np.stack([voltages, np.full(len(cells), read_voltage)], axis=1)
        biases = (self._rail * voltages).tolist()
        seen = np.empty((len(cells), 2, 2))
        for k, plan in enumerate(plans):
            seen[k] = self._runs.pulse(plan, (words[k], bits[k]), drives[k], biases[k])
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
        return Reading(current, flags)

    def sweep(
        self, cell: tuple[int, int], voltages: Array, compliance: Ampere, dwell: Second
    ) -> Sweep:
        """Apply each voltage for `dwell`, measured in its second half, with 0 V between the points.

        Unselected lines follow the write scheme; what the rails drive through the bit line is
        measured before each point and taken out. The compliance is software, see
        `instruments.staircase`; each attempt at a point takes a dwell.

        Raises
        ------
        LimitError
            If the dwell is too short to measure in.
        InstrumentError
            If a current cannot be brought below the compliance.
        """
        plan = Point.fitting(dwell, self._lead, self._steps)
        points, times = [], np.empty(len(voltages))
        conductance = 0.0
        for k, asked in enumerate(voltages.tolist()):
            point, lowered = held_below(
                compliance, asked, conductance, partial(self._point, plan, cell, conductance)
            )
            if point.voltage:
                conductance = abs(point.current / point.voltage)
            flags = point.flags | (Flag.COMPLIANCE if lowered else 0)
            points.append((point.voltage, point.current, flags))
            times[k] = self._timer.now
        table = np.array(points, dtype=np.float64).reshape(-1, 3)
        return Sweep(table[:, 0], table[:, 1], times, table[:, 2].astype(np.uint8))

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
        described: dict[str, object] = {
            "read_scheme": "floating" if self._floating else "grounded",
            "write_scheme": "floating" if self._floating else self._settings.schemes.write,
            "select": self._table.select,
            "compliance": "software: a current is seen after it has flowed for a dwell",
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

    def _referred(self, low: Array, zero: Array, bits: Indices) -> Array:
        return self._sensing.referred(low, zero[:, 0], zero[:, 1], bits)

    def _superposed(self, runs: Superposition, vectors: Array) -> Reading:
        """Return the products of as many vectors as share a run."""
        lines = runs.slots(vectors)
        seen = self._runs.scan(Slots(self._words[lines.word], self._bits[lines.bit], lines.level))
        low = self._referred(seen[:, 1], runs.zero(seen), lines.bit)
        reading = self._sensing.reading(seen[:, 0], low, lines.bit)
        count = len(vectors)
        return Reading(runs.sum(reading.current)[:count], runs.any(reading.flags)[:count])

    def _point(
        self, plan: Point, cell: tuple[int, int], conductance: Siemens, voltage: Volt
    ) -> Measured:
        """Take one point, at the high gain if the conductance seen last promises that it fits."""
        sense, bias = self._settings.sense, self._rail * voltage
        pair = int(self._words[cell[0]]), int(self._bits[cell[1]])
        expected = conductance * abs(voltage)
        # The rails drive a current of their own through the bit line: the low gain holds more.
        gains = [True] if bias or not 0 < expected < ROOM * sense.full_scale[0] else [False, True]
        for low_gain in gains:
            w1, seen = self._runs.point(plan, pair, voltage, bias, low_gain=low_gain)
            clipped = bool((np.abs(seen) >= sense.largest).any())
            if not clipped:
                break
        baseline, total = self._sensing.current(seen, cell[1], low_gain=low_gain)
        current = float(total - baseline)
        # The lead's 0 V is W1's own: the difference is free of scope 1's offset.
        across = float(w1[1] - w1[0]) - 2 * self._table.r_on * current
        return Measured(across, current, Flag.CLIPPED if clipped else 0)


def _within(settings: HardwareSettings) -> Limits:
    """Return the bench's limits, or this wiring's where those are stricter."""
    limits = settings.limits
    return replace(
        limits,
        voltage=min(limits.voltage, MOST),
        read_voltage=min(limits.read_voltage, READ_PART * settings.sense.range / 2),
        width_min=max(limits.width_min, SHORTEST),
    )


def _selector(
    settings: HardwareSettings, discovery: AnalogDiscovery, table: SwitchedTable
) -> Selector:
    board = settings.switch_board
    if table.select == "dio" or board is None:  # the settings saw to it that there is a board
        return PinSelector(discovery, table)
    return BoardSelector(SwitchBoard(board.port, deadline=board.deadline), board)
