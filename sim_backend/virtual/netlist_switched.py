"""The wirings `switched` and `mux`: two selectors, one amplifier, one cell at a time.

In `switched` every line has a changeover: the selected word line is on W1, the selected bit line on
the amplifier, all others on rails that W2 drives. In `mux` two multiplexers do the selecting, and
all other lines are open. A relay puts a source meter in the place of W1 and the amplifier.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Ampere, Array, BenchError, Indices, Mask, Ohm, Second, Volt
from sim_backend.settings import SimulationSettings
from sim_backend.virtual.amplifiers import Amplifiers, Pace, Sense, Settled
from sim_backend.virtual.faults import Faults
from sim_backend.virtual.held import Held
from sim_backend.virtual.rig import Rig
from sim_backend.virtual.signals import Signal, Steps, Stimulus
from sim_backend.virtual.source_path import Connection, SourcePath

ADDRESSES = 16
BIT_ADDRESS, ENABLE, GAIN, RELAY = 4, 8, 9, 10
"""First DIO of the bit lines' address, whose word lines' is on DIO 0, and the other pins."""
USED = (1 << RELAY + 1) - 1
"""All of them."""
BIT_CHANNEL, RELAY_CHANNEL = 16, 31
"""Of the switch board: word lines are channels 0 and up, bit lines 16 and up."""
REFERENCES: dict[int, Ohm] = {10: 10e3, 12: 47e3}
"""Resistors between the spare terminals of these numbers."""

SUPPLY: Volt = 4.0  # assumed: what the switches need on either side of 0 V
GLITCH: Second = 1e-9
"""Changes closer together than this are one: the lines cannot follow.  # assumed"""


@dataclass(frozen=True, slots=True)
class SwitchedParts:
    """Parts of the wiring.

    Parameters
    ----------
    floating
        True for multiplexers: lines that are not selected are open.
    select
        Whether digital pins or the switch board select lines and throw the relay.
    ratio
        Of the bit lines' rail to the word lines', which is W2: a jumper, 1 or 2.
    switch
        On-resistance of each switch, ohm.
    sense
        The amplifier.
    tolerance
        Largest error of the reference resistors, as a fraction.

    Raises
    ------
    BenchError
        If there is no such selection or jumper position, or a number is negative.
    """

    floating: bool = False
    select: Literal["dio", "serial"] = "dio"
    ratio: int = 1
    switch: Ohm = 5.0  # assumed
    sense: Sense = field(default_factory=Sense)
    tolerance: float = 1e-3  # 0.1 % resistors

    def __post_init__(self) -> None:
        if self.select not in ("dio", "serial"):
            raise BenchError(f"lines are selected by dio or serial, not by {self.select!r}")
        if self.ratio not in (1, 2):
            raise BenchError(f"the jumper is at 1 or 2, not at {self.ratio}")
        if not min(self.switch, self.tolerance) >= 0:
            raise BenchError("on-resistance and tolerance are zero or more")


class SwitchedNetlist:
    """The wiring with its array.

    Parameters
    ----------
    settings
        Array, cells and spread of the amplifier.
    parts
        Everything else on the board; by default the jumper fits the settings' write scheme.
    faults
        What is wrong with it; amplifier 0 is the only one.

    Raises
    ------
    BenchError
        If the array has more lines than can be selected.
    """

    def __init__(
        self,
        settings: SimulationSettings,
        parts: SwitchedParts | None = None,
        faults: Faults | None = None,
    ) -> None:
        if parts is None:
            parts = SwitchedParts(ratio=2 if settings.write_scheme == "third" else 1)
        most = ADDRESSES if parts.select == "dio" else RELAY_CHANNEL - BIT_CHANNEL
        if max(settings.word_lines, settings.bit_lines) > most:
            raise BenchError(f"this wiring has up to {most} word lines and bit lines")
        self.parts = parts
        self.faults = Faults() if faults is None else faults
        self.rig = Rig(settings, lead=parts.switch, faults=self.faults)
        rng = self.rig.rng
        self.amplifier = Amplifiers(parts.sense, settings.tia, 1, self.faults, rng)
        error = parts.tolerance * rng.uniform(-1.0, 1.0, len(REFERENCES))
        spare = max(settings.word_lines, settings.bit_lines)
        self.references = {
            at: ohms * (1.0 + e)
            for (at, ohms), e in zip(REFERENCES.items(), error.tolist(), strict=True)
            if at >= spare
        }
        self.path = SourcePath(self.rig)
        self.closed: frozenset[int] = frozenset()
        self._source: tuple[Volt, Ampere] | None = None
        self._connection: Connection | None = None
        self._last: Settled | None = None
        self._pace = Pace()
        self._state: tuple[object, ...] | None = None

    def respond(self, stimulus: Stimulus) -> tuple[Signal, Signal]:
        """Let the interval pass for the array; return W1 and the amplifier's output."""
        lines = _Lines(self, stimulus)
        held = self._live(lines, stimulus)
        moved = self._state is not None and lines.state(0) != self._state
        self._state = lines.state(-1)
        last = self._last
        before = None if last is None else last.until(stimulus.start, moved=moved)
        sense = self.parts.sense
        amplifier = np.where(lines.low, sense.amplifier[1], sense.amplifier[0])
        cause = np.hypot(amplifier, sense.multiplexer)
        constant = self._pace.constants(lines.time, cause, first=moved)
        target = _Output(self, lines, held)
        self._last = Settled(lines.time, constant, np.zeros_like(constant), target, before)
        return stimulus.waveforms[0], self._last

    def set_source(self, voltage: Volt, limit: Ampere) -> None:
        """Drive a voltage from the source meter, V, with at most `limit` A."""
        self._source = voltage, abs(limit)

    def open_source(self) -> None:
        """Open the source meter's output."""
        self._source = None

    def source_reading(self) -> tuple[Volt, Ampere]:
        """Return voltage and current at the source meter's terminals now, V and A."""
        if self._source is None:
            return 0.0, 0.0
        if self._connection is None:
            return self._source[0], 0.0
        return self.path.reading(self._connection, *self._source)

    def switch(self, closed: frozenset[int]) -> None:
        """Close these channels of the switch board and open all others."""
        self.closed = closed

    def _live(self, lines: "_Lines", stimulus: Stimulus) -> list[tuple[int, Held | None]]:
        """Let the array live; return the first step and the currents of each stretch.

        A stretch with the source meter on has no currents into the amplifier.
        """
        widths = np.maximum(np.diff(lines.time, append=stimulus.end), 0.0)
        self._connection = lines.connection(-1) if lines.relay[-1] else None
        if self._source is None or not lines.relay.any():
            return [(0, self.rig.live(lines.word, lines.bit, widths, stimulus.start))]
        edges = np.flatnonzero(np.diff(lines.relay)) + 1
        stretches: list[tuple[int, Held | None]] = []
        for begin, end in zip([0, *edges.tolist()], [*edges.tolist(), len(widths)], strict=True):
            if not lines.relay[begin]:
                part = slice(begin, end)
                at = float(lines.time[begin])
                held = self.rig.live(lines.word[part], lines.bit[part], widths[part], at)
                stretches.append((begin, held))
                continue
            for k in range(begin, end):
                to, at = lines.connection(k), float(lines.time[k])
                self.path.hold(to, *self._source, float(widths[k]), at)
            stretches.append((begin, None))
        return stretches


class _Lines:
    """What every line is connected to during an interval, step by step."""

    def __init__(self, netlist: SwitchedNetlist, stimulus: Stimulus) -> None:
        parts, (n_word, n_bit) = netlist.parts, netlist.rig.shape
        first, second = stimulus.waveforms
        used = USED if parts.select == "dio" else 1 << GAIN
        shown = Steps(stimulus.pins.time, np.asarray(stimulus.pins.value) & used)
        self.time = _merged(first, second, shown)
        pins = shown.at(self.time + GLITCH).astype(np.int64)
        self.w1, self.w2 = first.at(self.time + GLITCH), second.at(self.time + GLITCH)
        self.low: Mask = (pins >> GAIN & 1).astype(bool)
        powered = stimulus.supplies[0] >= SUPPLY and stimulus.supplies[1] <= -SUPPLY
        chosen_word, chosen_bit, relay = _selected(netlist, pins)
        if not powered:
            chosen_word[:], chosen_bit[:], relay[:] = False, False, False
        stuck = netlist.faults.relay
        self.relay: Mask = relay if stuck is None else np.full(len(pins), stuck)
        self.chosen = chosen_word[:, :n_word], chosen_bit[:, :n_bit]
        on_rail = powered and not parts.floating
        rail = np.where(on_rail, self.w2, np.nan)[:, None]
        # The source meter stands for W1 and the amplifier; where it is open, so are the lines.
        through = self.relay[:, None]
        self.word = np.where(self.chosen[0], np.where(through, np.nan, self.w1[:, None]), rail)
        self.bit = np.where(self.chosen[1], np.where(through, np.nan, 0.0), parts.ratio * rail)
        self.beside = np.zeros(len(pins))
        for at, ohms in netlist.references.items():
            both = chosen_word[:, at] & chosen_bit[:, at]
            self.beside += both / (ohms + 2 * parts.switch)

    def connection(self, k: int) -> Connection:
        """Return what the source meter is on at a step."""
        high, low = (np.flatnonzero(chosen[k]) for chosen in self.chosen)
        return Connection(self.word[k], self.bit[k], high, low, float(self.beside[k]))

    def state(self, k: int) -> tuple[object, ...]:
        """Return all that the amplifier's output depends on at a step."""
        arrays = (self.word, self.bit, *self.chosen, self.low, self.relay, self.beside)
        return tuple(np.asarray(a[k]).tobytes() for a in arrays)


class _Output:
    """The amplifier's output at each step of an interval, settled."""

    def __init__(
        self, netlist: SwitchedNetlist, lines: _Lines, held: list[tuple[int, Held | None]]
    ) -> None:
        self._netlist, self._lines, self._held = netlist, lines, held

    def __call__(self, steps: Indices) -> Array:
        """Return the voltages at these steps, V."""
        lines = self._lines
        current = np.where(lines.relay[steps], 0.0, lines.beside[steps] * lines.w1[steps])
        for k, (begin, held) in enumerate(self._held):
            end = self._held[k + 1][0] if k + 1 < len(self._held) else len(lines.time)
            mine = np.flatnonzero((steps >= begin) & (steps < end))
            if held is not None and mine.size:
                chosen = lines.chosen[1][steps[mine]] & ~lines.relay[steps[mine], None]
                if chosen.any():
                    into = held.currents(steps[mine] - begin)
                    current[mine] += np.where(chosen, into, 0.0).sum(axis=1)
        only = np.zeros(len(steps), dtype=np.intp)
        bias = np.zeros(len(steps))
        return self._netlist.amplifier.output(only, current, bias, lines.low[steps])


def _selected(netlist: SwitchedNetlist, pins: NDArray[np.int64]) -> tuple[Mask, Mask, Mask]:
    """Return which numbers of word and bit lines are selected at each step, and the relay."""
    numbers = np.arange(ADDRESSES)
    if netlist.parts.select == "dio":
        enabled = (pins >> ENABLE & 1).astype(bool)[:, None]
        word = enabled & ((pins & ADDRESSES - 1)[:, None] == numbers)
        bit = enabled & ((pins >> BIT_ADDRESS & ADDRESSES - 1)[:, None] == numbers)
        return word, bit, (pins >> RELAY & 1).astype(bool)
    closed = np.isin(np.arange(2 * ADDRESSES), list(netlist.closed))
    relay = bool(closed[RELAY_CHANNEL])
    closed[RELAY_CHANNEL] = False
    shape = (len(pins), ADDRESSES)
    word = np.broadcast_to(closed[:BIT_CHANNEL], shape).copy()
    bit = np.broadcast_to(closed[BIT_CHANNEL:], shape).copy()
    return word, bit, np.full(len(pins), relay)


def _merged(*signals: Steps) -> Array:
    """Return when any of these signals changes, s; of moments too close together the first."""
    moments = [signals[0].time[:1]]
    moments += [s.time[1:][s.value[1:] != s.value[:-1]] for s in signals if len(s.time) > 1]
    times = np.unique(np.concatenate(moments)) if len(moments) > 1 else moments[0]
    return times[np.diff(times, prepend=-np.inf) > GLITCH]
