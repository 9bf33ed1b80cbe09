"""The wiring `parallel`: a converter on every line, an amplifier on every bit line.

Two LTC2668 drive the word lines and the amplifiers' other inputs, the bit lines' bias. Two 8:1
multiplexers behind the amplifiers lead to the scope. One spare output of the word lines' converter
drives a reference resistor at every bit line. Converters and amplifiers have supplies of their own:
without the Analog Discovery 2's the scope sees nothing, but the lines stay driven.
"""

from dataclasses import dataclass, field

import numpy as np

from crossbar.backend import Ampere, Array, BenchError, Indices, Mask, Ohm, Volt
from sim_backend.settings import SimulationSettings
from sim_backend.virtual.amplifiers import Amplifiers, Pace, Sense, Settled
from sim_backend.virtual.edges import Edges
from sim_backend.virtual.faults import Faults
from sim_backend.virtual.ltc2668 import DacSpread, Ltc2668, Pins
from sim_backend.virtual.rig import Rig
from sim_backend.virtual.signals import Stimulus

ADDRESS = 0b111
"""DIO 0 to 2: which input both multiplexers show."""
GAIN = 3
WORD_PINS = Pins(select=8, clock=9, data=10, load=12)
BIT_PINS = Pins(select=11, clock=9, data=10, load=12)
LINES = 10
REFERENCE_CHANNEL = 10
INPUTS = ((0, 1, 2, 3, 4), (5, 6, 7, 8, 9))
"""Bit lines at the first inputs of the multiplexers."""
MONITOR_INPUT = 5
"""Input with the monitor pin of the word lines' converter, and of the bit lines'."""

SUPPLY: Volt = 4.0  # assumed: what the multiplexers need on either side of 0 V
GLITCH = 1e-9
"""Changes closer together than this, s, are one: the lines cannot follow.  # assumed"""


@dataclass(frozen=True, slots=True)
class ParallelParts:
    """Parts of the wiring.

    Parameters
    ----------
    dac
        Spread of the converters' outputs.
    sense
        Amplifiers and multiplexers.
    reference
        Resistors at the bit lines, ohm.
    reference_tolerance
        Largest error of them, as a fraction.
    """

    dac: DacSpread = field(default_factory=DacSpread)
    sense: Sense = field(default_factory=Sense)
    reference: Ohm = 100e3
    reference_tolerance: float = 1e-3  # 0.1 % resistors

    @classmethod
    def exact(cls) -> "ParallelParts":
        """Return parts without spread."""
        return cls(dac=DacSpread(gain_sigma=0.0, offset_sigma=0.0), reference_tolerance=0.0)


class ParallelNetlist:
    """The wiring with its array.

    Parameters
    ----------
    settings
        Array, cells and spread of the amplifiers.
    parts
        Everything else on the board.
    faults
        What is wrong with it.

    Raises
    ------
    BenchError
        If the array has more lines than there are outputs.
    """

    def __init__(
        self,
        settings: SimulationSettings,
        parts: ParallelParts | None = None,
        faults: Faults | None = None,
    ) -> None:
        if max(settings.word_lines, settings.bit_lines) > LINES:
            raise BenchError(f"this wiring has {LINES} word lines and {LINES} bit lines")
        self._parts = ParallelParts() if parts is None else parts
        wrong = Faults() if faults is None else faults
        edges = Edges(self._parts.dac.slew, self._parts.dac.time_constant)
        self.rig = Rig(settings, edges=edges, faults=wrong)
        rng, count = self.rig.rng, settings.bit_lines
        self.amplifiers = Amplifiers(self._parts.sense, settings.tia, count, wrong, rng)
        self.word_dac = Ltc2668(WORD_PINS, self._parts.dac, rng)
        self.bit_dac = Ltc2668(BIT_PINS, self._parts.dac, rng)
        error = self._parts.reference_tolerance * rng.uniform(-1.0, 1.0, count)
        self.references = self._parts.reference * (1.0 + error)
        self._last: tuple[Settled, Settled] | None = None
        self._pace = Pace()
        self._state: tuple[int, bool, bytes] | None = None

    def respond(self, stimulus: Stimulus) -> tuple[Settled, Settled]:
        """Let the interval pass for the array; return the voltages at scope inputs 1 and 2."""
        run = _Run(self, stimulus)
        powered = stimulus.supplies[0] >= SUPPLY and stimulus.supplies[1] <= -SUPPLY
        last, state = self._state, (int(run.pins[0]), powered, run.levels(0))
        moved = last is not None and state != last
        self._state = int(run.pins[-1]), powered, run.levels(-1)
        cause, slewing = run.causes(self._parts, last)
        constant = self._pace.constants(run.time, cause, first=moved)
        ended = self._last or (None, None)
        before = [end and end.until(stimulus.start, moved=moved) for end in ended]
        one, two = (
            Settled(run.time, constant, slewing, run.target(k, powered), before[k])
            for k in range(2)
        )
        self._last = one, two
        return one, two

    def set_source(self, voltage: Volt, limit: Ampere) -> None:
        """Drive nothing: no source meter is wired."""

    def open_source(self) -> None:
        """Leave things as they are."""

    def source_reading(self) -> tuple[Volt, Ampere]:
        """Return nothing: 0 V and 0 A."""
        return 0.0, 0.0

    def switch(self, closed: frozenset[int]) -> None:
        """Leave things as they are: no switch is wired."""


class _Run:
    """One interval: what the lines did, and what the scope can see of it."""

    def __init__(self, netlist: ParallelNetlist, stimulus: Stimulus) -> None:
        self._netlist = netlist
        pins = stimulus.pins
        word = netlist.word_dac.play(pins)
        bit = netlist.bit_dac.play(pins)
        lines = _merged(word[0], bit[0])
        n_word, n_bit = netlist.rig.shape
        self._of = _held(lines, word[0]), _held(lines, bit[0])
        self._outputs = word, bit
        driven, biased = word[1][self._of[0]], bit[1][self._of[1]]
        self.word, self.bit = driven[:, :n_word], biased[:, :n_bit]
        self._reference = driven[:, REFERENCE_CHANNEL]
        widths = np.maximum(np.diff(lines, append=stimulus.end), 0.0)
        self._held = netlist.rig.live(self.word, self.bit, widths, stimulus.start)
        shown = np.asarray(pins.value) & (ADDRESS | 1 << GAIN)
        turned = (shown[1:] != shown[:-1]).nonzero()[0] + 1
        self.time = _merged(lines, pins.time[turned])
        self._line = _held(self.time, lines)
        self.pins = shown[_held(self.time, pins.time)]

    def levels(self, k: int) -> bytes:
        """Return what all lines are at."""
        return bytes(self.word[k]) + bytes(self.bit[k])

    def causes(
        self, parts: ParallelParts, last: tuple[int, bool, bytes] | None
    ) -> tuple[Array, Array]:
        """Return the time constant of what moves at each step and how long it slews, s.

        Parameters
        ----------
        parts
            What moves.
        last
            Pins, supplies and levels before.
        """
        sense, dac = parts.sense, parts.dac
        gain = self.pins >> GAIN & 1
        amplifier = np.asarray(sense.amplifier)[gain]
        moved = np.full(len(self.time), sense.multiplexer)
        slewing = np.zeros(len(self.time))
        gained = np.zeros(len(self.time), bool)
        lined = np.zeros(len(self.time), bool)
        if last is not None:
            gained[0] = gain[0] != last[0] >> GAIN & 1
            lined[0] = self.levels(0) != last[2]
        gained[1:] = gain[1:] != gain[:-1]
        lined[1:] = self._line[1:] > self._line[:-1]
        moved[gained] = amplifier[gained]
        moved[lined] = np.hypot(amplifier[lined], dac.time_constant)
        if len(self.word) > 1:
            change = np.maximum(
                np.abs(self.word[1:] - self.word[:-1]).max(axis=1),
                np.abs(self.bit[1:] - self.bit[:-1]).max(axis=1),
            )
            at = lined & (self._line > 0)
            slewing[at] = np.maximum(change[self._line[at] - 1] / dac.slew - dac.time_constant, 0.0)
        return moved, slewing

    def target(self, number: int, powered: bool) -> "_Multiplexer":
        """Return what multiplexer 0 or 1 shows."""
        return _Multiplexer(self, number, powered)

    def shown(self, number: int, steps: Indices) -> Array:
        """Return the voltages that multiplexer 0 or 1 leads to the scope, V."""
        lines, pins = self._line[steps], self.pins[steps]
        volts = np.zeros(len(steps))
        address = pins & ADDRESS
        monitor = address == MONITOR_INPUT
        if monitor.any():
            volts[monitor] = self._monitored(number, lines[monitor])
        inputs = np.full(ADDRESS + 1, -1)
        inputs[: len(INPUTS[number])] = INPUTS[number]
        bit = inputs[address]
        wired = (bit >= 0) & (bit < self.bit.shape[1])
        if wired.any():
            volts[wired] = self._amplified(lines[wired], bit[wired], pins[wired])
        return volts

    def _amplified(self, lines: Indices, bit: Indices, pins: Indices) -> Array:
        distinct, position = np.unique(lines, return_inverse=True)
        current = self._held.currents(distinct)[position, bit]
        bias = self.bit[lines, bit]
        current = current + (self._reference[lines] - bias) / self._netlist.references[bit]
        low: Mask = (pins >> GAIN & 1).astype(bool)
        return self._netlist.amplifiers.output(bit, current, bias, low)

    def _monitored(self, number: int, lines: Indices) -> Array:
        """Return the voltage at a converter's monitor pin, V; 0 V while it shows nothing."""
        _, outputs, channels = self._outputs[number]
        return np.array(
            [
                0.0 if channels[k] is None else outputs[k, channels[k]]
                for k in self._of[number][lines].tolist()
            ]
        )


class _Multiplexer:
    """What one multiplexer shows at each step of a run."""

    def __init__(self, run: _Run, number: int, powered: bool) -> None:
        self._run, self._number, self._powered = run, number, powered

    def __call__(self, steps: Indices) -> Array:
        """Return the voltages at these steps, V."""
        return self._run.shown(self._number, steps) if self._powered else np.zeros(len(steps))


def _merged(one: Array, other: Array) -> Array:
    """Return the times of both, ascending; of those that are too close the first."""
    if len(one) <= 1 and (len(other) == 0 or (len(other) == 1 and other[0] == one[0])):
        return one
    times = np.sort(np.concatenate([one, other]))
    kept = np.ones(len(times), bool)
    kept[1:] = times[1:] - times[:-1] > GLITCH
    return times[kept]


def _held(times: Array, steps: Array) -> Indices:
    """Return which step holds right after each time."""
    if len(steps) == 1:
        return np.zeros(len(times), dtype=np.intp)
    return np.maximum(np.searchsorted(steps, times + GLITCH, side="right") - 1, 0)
