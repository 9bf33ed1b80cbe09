"""Frames on the instrument: what it is told of a layout, and amplifier voltages out of records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from crossbar.backend import Array, Indices, Second
from instruments import frames
from instruments.analog_discovery import (
    Acquisition,
    AnalogDiscovery,
    Idle,
    Pattern,
    Square,
    Trigger,
)
from instruments.bench_tables import SenseTable
from instruments.frame_plans import Pace, bare, cost
from instruments.frames import Layout
from instruments.ltc2668 import Codes
from instruments.settings import HardwareSettings
from instruments.timing import Timer
from instruments.wiring_tables import ParallelTable

UPLOADS = 28
"""Calls that another layout takes, about; counted on the virtual bench."""
CHUNK = 64
"""Frames that are encoded at once."""
KEPT = 64
"""Layouts whose patterns are kept on this side."""
TICKS_PER_SECOND = 1e8
"""Of the scope's clock; AD2 reference manual."""
HELD_HIGH = Pattern.of([1, 1], 1e-6, idle=Idle.HIGH)
"""LDAC: words say themselves what they update. A pattern, because a check may take static pins."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A layout with what the instrument is told about it.

    Parameters
    ----------
    layout
        The layout.
    patterns
        Of every pin but the data's.
    acquisition
        Record that covers every reading of a frame; None if there is none.
    taps
        Where the samples of each reading are in the two records, one after the other, shape
        ``(2, slots, bit_lines, n)``: high gain, low gain.
    weights
        That average them, shape ``(n,)``.
    sources
        Which bit of the words each cell of the data pin shows, see `Layout.sources`.
    duration
        Of the frame, s.
    """

    layout: Layout
    patterns: Mapping[int, Pattern | Square]
    acquisition: Acquisition | None
    taps: Indices
    weights: Array
    sources: Indices
    duration: Second


class FrameRunner:
    """Runs frames, and keeps the layout on the instrument while that pays.

    Parameters
    ----------
    settings
        Of the bench.
    wiring
        Its pins.
    discovery
        The Analog Discovery 2.
    timer
        What waiting is done by.
    """

    def __init__(
        self,
        settings: HardwareSettings,
        wiring: ParallelTable,
        discovery: AnalogDiscovery,
        timer: Timer,
    ) -> None:
        self._sense: SenseTable = settings.sense
        self._wiring = wiring
        self._ad2 = discovery
        self._timer = timer
        self._inputs = _inputs(wiring.multiplexers, settings.array.bit_lines)
        self.pace = Pace(
            period=2 * round(wiring.clock_period / (2 * frames.TICK)),
            lead=settings.timing.line_settle,
            step=settings.sense.settle + settings.sense.average,
            dead=settings.timing.dead_time,
            inputs=int(self._inputs[1].max()) + 1,
        )
        self._prepared: dict[Layout, Prepared] = {}
        self._loaded: Prepared | None = None
        self._regret: Second = 0.0

    def send(self, words: Sequence[int]) -> None:
        """Send words to both DACs and nothing else."""
        prepared = self.prepare(bare(len(words), self.pace))
        (octets,) = frames.encode(np.array([words], dtype=np.int64), prepared.sources)
        self._ad2.patterns(prepared.patterns, self._data(prepared, octets.tobytes()))
        self._ad2.run_patterns(prepared.duration)
        self._timer.sleep(prepared.duration)
        self._loaded = None

    def run(self, prepared: Prepared, sent: Codes) -> Array:
        """Run one frame for each row of words.

        Returns
        -------
        Array
            Amplifier outputs, V, shape ``(2, frames * slots, bit_lines)``: high gain, low gain.
        """
        if len(sent) == 1:
            return self._once(prepared, frames.encode(sent, prepared.sources).tobytes())
        seen = []
        for begin in range(0, len(sent), CHUNK):
            octets = frames.encode(sent[begin : begin + CHUNK], prepared.sources)
            seen += [self._once(prepared, row.tobytes()) for row in octets]
        return seen[0] if len(seen) == 1 else np.concatenate(seen, axis=1)

    def _once(self, prepared: Prepared, octets: bytes) -> Array:
        """Run one frame; return the amplifier outputs, V, shape ``(2, slots, bit_lines)``."""
        assert prepared.acquisition is not None  # noqa: S101  # only bare layouts have none
        data = self._data(prepared, octets)
        record = self._ad2.recorded_run(
            prepared.patterns, data, prepared.acquisition, prepared.duration
        )
        averaged: Array = record.take(prepared.taps) @ prepared.weights
        return averaged

    def _data(self, prepared: Prepared, octets: bytes) -> dict[int, Pattern]:
        layout = prepared.layout
        return {self._wiring.data: Pattern(octets, layout.cells, layout.cell)}

    def choose(self, best: Layout, count: int) -> Prepared:
        """Return the best layout, or the one that is loaded while another would not pay.

        The time lost by staying is added up, and another layout uploaded once it exceeds what the
        upload costs: never more than twice the time of a choice that knew the future.
        """
        loaded = self._loaded
        if loaded is not None and loaded.layout is best:
            return loaded
        if loaded is not None and _serves(loaded.layout, best):
            kept = cost(loaded.layout, count, self.pace)
            self._regret += kept - cost(best, count, self.pace)
            if self._regret <= UPLOADS * self.pace.exchange:
                return loaded
        self._regret = 0.0
        self._loaded = self.prepare(best)
        return self._loaded

    def prepare(self, layout: Layout) -> Prepared:
        """Return a layout with its patterns, record and taps, made once."""
        if layout not in self._prepared:
            if len(self._prepared) == KEPT:
                self._prepared.clear()
            self._prepared[layout] = self._make(layout)
        return self._prepared[layout]

    def _make(self, layout: Layout) -> Prepared:
        wiring, cell = self._wiring, layout.cell
        half = layout.period // 2 * frames.TICK
        patterns: dict[int, Pattern | Square] = {
            wiring.clock: Square(low=half, high=half),
            wiring.load: HELD_HIGH,
            wiring.word_select: Pattern.of(layout.select(frames.WORDS), cell, idle=Idle.HIGH),
            wiring.bit_select: Pattern.of(layout.select(frames.BITS), cell, idle=Idle.HIGH),
            self._sense.gain_pin: Pattern.of(layout.gain(), cell),
        }
        for bit, pin in enumerate(wiring.address):
            patterns[pin] = Pattern.of(layout.address(bit), cell)
        stated = MappingProxyType(patterns)
        if not layout.steps:
            none = np.zeros(0, dtype=np.intp), np.zeros(0)
            return Prepared(layout, stated, None, *none, layout.sources(), layout.duration)
        acquisition, ends, count = self._record(layout)
        scope, inputs = self._inputs
        # Low gain first in time, high gain first in what is returned.
        steps = np.stack([inputs + layout.inputs, inputs])
        last = scope * acquisition.samples + ends[:, steps].swapaxes(0, 1)
        taps = last[..., None] - count + np.arange(count)
        weights = np.full(count, 1 / count)
        sources, duration = layout.sources(), layout.duration
        return Prepared(layout, stated, acquisition, taps, weights, sources, duration)

    def _record(self, layout: Layout) -> tuple[Acquisition, Indices, int]:
        """Return the record of a frame, where each step ends in it, and samples per reading."""
        sense = self._sense
        ends = layout.step_ends()
        begin = float(ends[0, 0]) - layout.step * layout.cell
        length = float(ends[-1, -1]) - begin
        divider = np.ceil(
            max(TICKS_PER_SECOND / sense.rate, TICKS_PER_SECOND * length / frames.RECORD) - 1e-9
        )
        rate = TICKS_PER_SECOND / float(divider)
        places = np.floor((ends - begin) * rate + 1e-6).astype(np.intp)
        part = sense.average / (sense.settle + sense.average)
        count = max(int(layout.step * layout.cell * part * rate + 1e-6), 1)
        acquisition = Acquisition(
            rate=rate,
            samples=int(places[-1, -1]),
            span=sense.range,
            trigger=Trigger.PATTERNS,
            start=begin,
        )
        return acquisition, places, count


def _serves(loaded: Layout, best: Layout) -> bool:
    """Return whether one layout does what another does, if not as fast."""
    if not loaded.steps or bool(loaded.held) != bool(best.held):
        return False
    if best.held:
        same = loaded.targets == best.targets
        return same and abs(loaded.width - best.width) <= 1e-9 * best.width
    return len(loaded.starts) >= len(best.starts)


def _inputs(multiplexers: Sequence[Sequence[int]], bit_lines: int) -> Indices:
    """Return the scope channel and the multiplexer input of each bit line, ``(2, bit_lines)``."""
    places = {
        bit: (scope, place)
        for scope, bits in enumerate(multiplexers)
        for place, bit in enumerate(bits)
    }
    return np.array([places[bit] for bit in range(bit_lines)], dtype=np.intp).T
