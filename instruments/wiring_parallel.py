"""The parallel wiring: a DAC channel for every line, an amplifier for every bit line."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np

from crossbar.backend import (
    Ampere,
    Array,
    BenchError,
    Cells,
    Flag,
    Indices,
    LimitError,
    Limits,
    Reading,
    Second,
    Sweep,
    Volt,
)
from instruments import frame_plans, ltc2668
from instruments.analog_discovery import AnalogDiscovery
from instruments.frame_runner import FrameRunner, Prepared
from instruments.frame_words import Pulses, equal_runs, multiply_words, pulse_words, read_words
from instruments.ltc2668 import ZERO, Codes, Command
from instruments.settings import HardwareSettings, ParallelTable
from instruments.staircase import Measured, held_below
from instruments.timing import Timer
from instruments.wiring import Sensing

ZEROS = 51
"""Readings at 0 V that are averaged when the bench is opened: three frames."""
PROBE: Volt = 0.1  # assumed: far below what moves a cell
"""Voltage of the reading that a sweep begins with."""
SUPPLY_RISE: Second = 1e-2  # assumed
"""From switching the supplies on until the multiplexers work."""


class ParallelWiring:
    """The parallel wiring, see `instruments.wiring.Wiring`.

    All that belongs together in time happens in one run of digital patterns, a frame: words to the
    DACs, pulses, readings, and at its end 0 V on every line. The computer only says when.

    No instrument limits the current here: the compliance of `sweep` is software, which sees a
    current only after it has flowed for a dwell. Series resistors on the word lines are what
    protects a cell while it is formed.

    Parameters
    ----------
    settings
        Of the bench; the wiring is a `ParallelTable`.
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
        if not isinstance(settings.wiring, ParallelTable):
            raise BenchError(f"wiring {settings.wiring.kind!r} is not parallel")
        self._settings = settings
        self._wiring = wiring = settings.wiring
        self._ad2 = discovery
        self._timer = timer
        self._runner = FrameRunner(settings, wiring, discovery, timer)
        words, bits = settings.array.shape
        self._word_channels: Codes = np.array(wiring.word_channels[:words], dtype=np.int64)
        self._bit_channels: Codes = np.array(wiring.bit_channels[:bits], dtype=np.int64)
        self._sensing = Sensing(settings.sense, settings.calibration, bits)
        self._limits = _within(settings)
        # What is added to outputs at the low gain so that both gains agree, V.
        self._shift: Array = np.zeros(bits)

    @property
    def board(self) -> None:
        """No switch board."""
        return

    @property
    def limits(self) -> Limits:
        """What this wiring accepts."""
        return self._limits

    def open(self) -> None:
        """Set both DACs to their span and 0 V, then switch on the supplies."""
        span = ltc2668.word(Command.SPAN_TO_ALL, 0, ltc2668.SPAN_CODES[self._wiring.span])
        # 0 V in the old span first: whatever is at the outputs must not be scaled to the new one.
        self._runner.send([ZERO, span, ZERO])
        self._ad2.supplies(self._settings.ad2.supply, -self._settings.ad2.supply)
        self._timer.sleep(SUPPLY_RISE)
        self._refer()

    def sources_off(self) -> None:
        """Do nothing: there are none."""

    def make_safe(self) -> None:
        """Do nothing: there are no switches, and `close` brings every line to 0 V."""

    def close(self) -> None:
        """Bring every line to 0 V; the DACs keep their own supply, so that it has to be said."""
        # Twice: an interrupted frame may have left a word half sent.
        self._runner.send([ZERO, ZERO])

    def read(self, cells: Cells, voltage: Volt) -> Reading:
        """Return one read current per cell; all other lines are at 0 V.

        One slot for each word line, with all its bit lines; a cell named again is read again.
        """
        if not len(cells):
            return Reading(np.empty(0), np.empty(0, dtype=np.uint8))
        lines, slot = _slots(cells.word.tobytes(), cells.bit.tobytes())
        best = frame_plans.multiply(2, min(len(lines), 1000), self._runner.pace)
        prepared = self._runner.choose(best, len(lines))
        slots = prepared.layout.slots
        channels = _filled(self._word_channels[lines, None], slots, 0)[:, :, 0]
        codes = np.full(channels.size, ltc2668.MIDDLE)
        codes[: len(lines)] = ltc2668.code(voltage, self._wiring.span)
        sent = read_words(prepared.layout, channels, codes.reshape(channels.shape))
        seen = self._runner.run(prepared, sent)
        self._ad2.confirm(seen[0, len(lines) - 1])
        high, low = seen[:, slot, cells.bit]
        return self._sensing.reading(high, low, cells.bit, self._shift[cells.bit])

    def drive(self, voltages: Array) -> Reading:
        """Return the bit-line currents for each vector of word-line voltages."""
        count, words = voltages.shape
        if not count:
            shape = (0, self._settings.array.bit_lines)
            return Reading(np.empty(shape), np.empty(shape, dtype=np.uint8))
        codes = ltc2668.codes(voltages, self._wiring.span)
        if count > 1:
            from_rest = np.count_nonzero(codes != ltc2668.MIDDLE, axis=1).max()
            from_last = np.count_nonzero(codes[1:] != codes[:-1], axis=1).max()
            words = max(int(from_rest), int(from_last), 1)
        return self._multiply(codes, words)

    def pulse(self, cells: Cells, voltages: Array, widths: Array, read_voltage: Volt) -> Reading:
        """Apply one pulse per cell, in order, each followed by its verify read.

        Neighbours of one width share frames, each pulse with its read in a slot of its own.

        Raises
        ------
        LimitError
            If a width is too short for the DAC, or cannot be timed to 1 %.
        """
        runs = list(equal_runs(widths)) if len(cells) else []
        # All layouts before the first pulse: what is refused has to be refused before it.
        layouts = [
            frame_plans.pulse(float(widths[run.start]), run.stop - run.start, self._runner.pace)
            for run in runs
        ]
        read = ltc2668.code(read_voltage, self._wiring.span)
        sent = pulse_words(self._pulses(cells, voltages, self._settings.schemes.levels), read)
        high, low = np.empty(len(cells)), np.empty(len(cells))
        for run, layout in zip(runs, layouts, strict=True):
            prepared = self._runner.choose(layout, run.stop - run.start)
            filled = _filled(sent[run], prepared.layout.slots, ltc2668.word(Command.NOTHING))
            seen = self._runner.run(prepared, filled.reshape(-1, filled.shape[1] * filled.shape[2]))
            self._ad2.confirm(seen[0, run.stop - run.start - 1])
            place = np.arange(run.stop - run.start), cells.bit[run]
            high[run], low[run] = seen[0][place], seen[1][place]
        return self._sensing.reading(high, low, cells.bit, self._shift[cells.bit])

    def sweep(
        self, cell: tuple[int, int], voltages: Array, compliance: Ampere, dwell: Second
    ) -> Sweep:
        """Apply each voltage for `dwell`, read at its end, with 0 V between the points.

        The compliance is software, see `instruments.staircase`: each attempt at a point takes a
        dwell, and the current of a failed one has flowed for as long. A reading at a harmless
        voltage comes first, so that the first point is not taken blindly. The voltages are those
        of the DAC. Other word lines are at 0 V, other bit lines at half the voltage or, if pulses
        leave them grounded, at 0 V.

        Raises
        ------
        LimitError
            If a dwell is too short for a reading, or cannot be timed.
        InstrumentError
            If a current cannot be brought below the compliance.
        """
        prepared = self._runner.prepare(frame_plans.hold(dwell, self._runner.pace))

        def measure(voltage: Volt) -> Measured:
            return self._point(prepared, cell, voltage)

        probe = min(PROBE, self._limits.read_voltage)
        conductance = abs(measure(probe).current) / probe if len(voltages) else 0.0
        points: list[Measured] = []
        flags = np.zeros(len(voltages), dtype=np.uint8)
        times = np.empty(len(voltages))
        for k, asked in enumerate(voltages.tolist()):
            point, lowered = held_below(compliance, asked, conductance, measure)
            if abs(point.voltage) > probe / 2:
                conductance = abs(point.current / point.voltage)
            points.append(point)
            times[k] = self._timer.now
            flags[k] = point.flags | (Flag.COMPLIANCE if lowered else 0)
        driven = np.array([point.voltage for point in points])
        return Sweep(driven, np.array([point.current for point in points]), times, flags)

    def trace(
        self, cell: tuple[int, int], voltages: Array, interval: Second, largest: Ampere
    ) -> Sweep:
        """Refuse: DACs that take words over SPI play no waveforms.

        Raises
        ------
        LimitError
            Always.
        """
        raise LimitError(
            "the lines of the wiring 'parallel' have no waveform generator; a staircase works"
        )

    def describe(self) -> Mapping[str, object]:
        """Return what is particular to this wiring, in plain values."""
        identity = self._ad2.identity
        return {
            "read_scheme": "grounded",
            "write_scheme": self._settings.schemes.write,
            "compliance": "software: a current is seen after it has flowed for a dwell",
            "instruments": {
                "analog_discovery": {
                    "name": identity.name,
                    "serial": identity.serial,
                    "config": identity.config,
                    "libdwf": identity.version,
                    "library": identity.library,
                },
                "dac": f"2 LTC2668, ±{self._wiring.span:g} V",
            },
        }

    def _refer(self) -> None:
        """Measure both gains at 0 V, so that a current reads the same at either.

        The scope's offset is twenty times as much current at the low gain. The offset of the high
        gain stays in the readings, where a crossbar measures it.
        """
        bits = self._settings.array.bit_lines
        words = np.full((ZEROS, self._settings.array.word_lines), ltc2668.MIDDLE)
        high, low = self._seen(words, 1).mean(axis=1)
        lines = np.arange(bits)
        self._shift = self._sensing.referred(np.zeros(bits), high, low, lines)

    def _point(self, prepared: Prepared, cell: tuple[int, int], voltage: Volt) -> Measured:
        """Return what one cell draws at the end of a dwell, at the DAC's own nearest voltage."""
        one = Cells.of([cell])
        # Other word lines would drive currents of their own into the bit line that is measured.
        # With half the voltage on the other bit lines no neighbour sees more than that.
        rest = 0.0, 0.0 if self._settings.schemes.write == "grounded" else 0.5
        pulses = self._pulses(one, np.array([voltage]), rest)
        high, low = self._runner.run(prepared, pulse_words(pulses, None))
        self._ad2.confirm(high[0])
        low = low + self._shift
        reading = self._sensing.reading(high[0, one.bit], low[0, one.bit], one.bit)
        driven = float(ltc2668.voltages(pulses.level, self._wiring.span)[0])
        return Measured(driven, float(reading.current[0]), int(reading.flags[0]))

    def _multiply(self, codes: Codes, words: int) -> Reading:
        """Return the bit-line currents for each row of word-line codes."""
        high, low = self._seen(codes, words)
        return self._sensing.reading(high, low, slice(None), self._shift)

    def _seen(self, codes: Codes, words: int) -> Array:
        """Return amplifier outputs for each row of codes, V, ``(2, n, bit_lines)``."""
        count = len(codes)
        best = frame_plans.multiply(words, min(count, 1000), self._runner.pace)
        prepared = self._runner.choose(best, count)
        grouped = _filled(codes, prepared.layout.slots, ltc2668.MIDDLE)
        sent = multiply_words(prepared.layout, grouped, self._word_channels)
        seen = self._runner.run(prepared, sent)[:, :count]
        self._ad2.confirm(seen[0, -1])
        return seen

    def _pulses(self, cells: Cells, voltages: Array, rest: tuple[float, float]) -> Pulses:
        parts = np.array([[1.0], rest[:1], rest[1:]])
        level, word_rest, bit_rest = ltc2668.codes(parts * voltages, self._wiring.span)
        return Pulses(
            word_channel=self._word_channels[cells.word],
            bit_channel=self._bit_channels[cells.bit],
            level=level,
            word_rest=word_rest,
            bit_rest=bit_rest,
        )


def _within(settings: HardwareSettings) -> Limits:
    """Return the limits that this wiring can keep: the file's, or its own where stricter."""
    wiring, limits = settings.wiring, settings.limits
    assert isinstance(wiring, ParallelTable)  # noqa: S101  # the constructor saw to it
    largest = float(ltc2668.voltages(np.array([0xFFFF]), wiring.span)[0])
    return replace(
        limits,
        voltage=min(limits.voltage, largest),
        read_voltage=min(limits.read_voltage, largest),
        current=min(limits.current, settings.sense.full_scale[1]),
        width_min=max(limits.width_min, frame_plans.SHORTEST),
    )


def _filled(rows: Codes, slots: int, filler: int) -> Codes:
    """Return rows in groups of `slots`, the last one filled up; ``(groups, slots, n)``."""
    count, width = rows.shape
    groups = -(-count // slots)
    if groups * slots != count:
        whole = np.full((groups * slots, width), filler, dtype=np.int64)
        whole[:count] = rows
        rows = whole
    return rows.reshape(groups, slots, width)


@lru_cache(maxsize=64)
def _slots(word: bytes, bit: bytes) -> tuple[Indices, Indices]:
    """Return the word line of each slot that cells take, and the slot of each cell.

    A cell that has occurred before takes another slot of its word line.

    Parameters
    ----------
    word, bit
        Lines of the cells, as the bytes of `Cells.word` and `Cells.bit`.
    """
    words, bits = np.frombuffer(word, dtype=np.intp), np.frombuffer(bit, dtype=np.intp)
    again = _occurrence(words * (bits.max() + 1) + bits)
    lines = words.max() + 1
    rows, slot = np.unique(again * lines + words, return_inverse=True)
    return rows % lines, slot


def _occurrence(values: Indices) -> Indices:
    """Return how often each value has occurred before its place."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    fresh = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    place = np.arange(len(values))
    again = np.empty(len(values), dtype=np.intp)
    again[order] = place - np.maximum.accumulate(np.where(fresh, place, 0))
    return again
