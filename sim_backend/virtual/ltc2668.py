"""A digital-to-analog converter LTC2668 with 16 outputs, at its pins.

Bits are taken at rising SCK while CS is low, commands at rising CS. A word has 24 bits, C3..C0
A3..A0 D15..D0, or 32 of which the first 8 do not count; all others are ignored.
"""

from array import array
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array, BenchError, Second, Volt
from sim_backend.virtual.signals import Steps

CHANNELS = 16
LENGTHS = (24, 32)  # LTC2668 datasheet, serial interface
MIDDLE = 0x8000

SPANS: dict[int, tuple[Volt, Volt]] = {  # LTC2668 datasheet, span codes
    0: (0.0, 5.0),
    1: (0.0, 10.0),
    2: (-5.0, 10.0),
    3: (-10.0, 20.0),
    4: (-2.5, 5.0),
}
"""Lowest voltage and width of each span, V."""

WRITE, WRITE_ALL = 0b0000, 0b1000
SPAN, SPAN_ALL = 0b0110, 0b1110
UPDATE, UPDATE_ALL = 0b0001, 0b1001
WRITE_UPDATE, WRITE_UPDATE_ALL, WRITE_ALL_UPDATE_ALL = 0b0011, 0b0010, 0b1010
POWER_DOWN, POWER_DOWN_CHIP = 0b0100, 0b0101
MONITOR, TOGGLE_SELECT, TOGGLE = 0b1011, 0b1100, 0b1101
CONFIGURATION, NO_OPERATION = 0b0111, 0b1111
# All commands: LTC2668 datasheet, command codes; from memory.


@dataclass(frozen=True, slots=True)
class DacSpread:
    """How the outputs of a converter depart from their codes.

    Parameters
    ----------
    gain_sigma
        Standard deviation of each output's gain error, as a fraction.
    offset_sigma
        Standard deviation of each output's offset, V.
    slew
        Largest slope of an output, V/s.
    time_constant
        Of an output's last, exponential part, s.

    Raises
    ------
    BenchError
        If a spread is negative, or slope or time is not above zero.
    """

    gain_sigma: float = 2e-4  # assumed
    offset_sigma: Volt = 3e-4  # assumed
    slew: float = 5e6  # assumed
    time_constant: Second = 0.9e-6  # assumed: about 10 us to 16 bit

    def __post_init__(self) -> None:
        if not (min(self.gain_sigma, self.offset_sigma) >= 0 and self.slew > 0):
            raise BenchError("spreads are zero or more, the slew rate above zero")
        if not self.time_constant > 0:
            raise BenchError(f"time constant {self.time_constant} s is not above zero")


@dataclass(frozen=True, slots=True)
class Pins:
    """Which digital pins a converter hangs on.

    Parameters
    ----------
    select, clock, data, load
        CS, SCK, MOSI and LDAC; CS and LDAC are active low.
    """

    select: int
    clock: int
    data: int
    load: int


Outputs: TypeAlias = tuple[bytes, tuple[int, ...], tuple[bool, ...], int | None]
"""Codes, spans, and which outputs are on and which one is monitored."""


@dataclass(slots=True)
class Registers:
    """What a converter remembers; as after power-up."""

    a: list[int] = field(default_factory=lambda: [MIDDLE] * CHANNELS)
    b: list[int] = field(default_factory=lambda: [MIDDLE] * CHANNELS)
    output: "array[int]" = field(default_factory=lambda: array("H", [MIDDLE] * CHANNELS))
    span: tuple[int, ...] = (2,) * CHANNELS
    powered: tuple[bool, ...] = (True,) * CHANNELS
    toggled: int = 0
    toggle: bool = False
    monitored: int | None = None

    def execute(self, word: int) -> bool:
        """Carry out a word; return True if an output or the monitor pin may have changed."""
        command, channel, data = word >> 20 & 0xF, word >> 16 & 0xF, word & 0xFFFF
        if command == NO_OPERATION:
            return False
        if command in (WRITE, WRITE_UPDATE, WRITE_UPDATE_ALL):
            (self.b if self.toggled >> channel & 1 else self.a)[channel] = data
        elif command in (WRITE_ALL, WRITE_ALL_UPDATE_ALL):
            for n in range(CHANNELS):
                (self.b if self.toggled >> n & 1 else self.a)[n] = data
        if command in (UPDATE, WRITE_UPDATE):
            self.update(channel)
        elif command in (UPDATE_ALL, WRITE_UPDATE_ALL, WRITE_ALL_UPDATE_ALL):
            self.update_all()
        elif command not in (WRITE, WRITE_ALL):
            return self._set_up(command, channel, data)
        return command not in (WRITE, WRITE_ALL)

    def update(self, channel: int) -> None:
        """Bring a channel's input register, A or B, to its output."""
        chosen = self.b if self.toggle and self.toggled >> channel & 1 else self.a
        self.output[channel] = chosen[channel]
        if not self.powered[channel]:
            self.powered = _changed(self.powered, channel, True)

    def update_all(self) -> None:
        """Bring all input registers to the outputs."""
        if not self.toggle or not self.toggled:
            self.output = array("H", self.a)
            self.powered = (True,) * CHANNELS
            return
        for n in range(CHANNELS):
            self.update(n)

    def state(self) -> "Outputs":
        """Return what the outputs are made from now."""
        return self.output.tobytes(), self.span, self.powered, self.monitored

    def _set_up(self, command: int, channel: int, data: int) -> bool:
        """Carry out a command that concerns no code."""
        if command == SPAN and data & 7 in SPANS:
            self.span = _changed(self.span, channel, data & 7)
        elif command == SPAN_ALL and data & 7 in SPANS:
            self.span = (data & 7,) * CHANNELS
        elif command == POWER_DOWN:
            self.powered = _changed(self.powered, channel, False)
        elif command == POWER_DOWN_CHIP:
            self.powered = (False,) * CHANNELS
        elif command == MONITOR:
            self.monitored = data & 0xF if data & 0x10 else None
        elif command == TOGGLE_SELECT:
            self.toggled = data
        elif command == TOGGLE:
            self.toggle = bool(data & 1)
            for n in range(CHANNELS):
                if self.toggled >> n & 1:
                    self.update(n)
        else:
            return False
        return True


T = TypeVar("T")


def _changed(values: tuple[T, ...], at: int, value: T) -> tuple[T, ...]:
    return (*values[:at], value, *values[at + 1 :])


class Ltc2668:
    """One converter.

    Its input register A or B is chosen by the channel's toggle-select bit. A span takes effect
    with its command. An output that is powered down is at 0 V: the bench pulls it down.

    Parameters
    ----------
    pins
        What it hangs on.
    spread
        Of its outputs.
    rng
        Draws them.
    """

    def __init__(self, pins: Pins, spread: DacSpread, rng: np.random.Generator) -> None:
        self.registers = Registers()
        self.spread = spread
        self.gain = 1.0 + spread.gain_sigma * rng.standard_normal(CHANNELS)
        self.offset = spread.offset_sigma * rng.standard_normal(CHANNELS)
        self._pins = pins
        self._mask = sum(1 << pin for pin in (pins.select, pins.clock, pins.load))
        self._level = 0
        self._shifted = np.zeros(0, dtype=np.int64)
        self._still = self._voltages([self.registers.state()])[0]
        self._shown = self.registers.monitored

    def play(self, pins: Steps) -> tuple[Array, Array, list[int | None]]:
        """Take what the pins do; return when the outputs changed, and what they became.

        Returns
        -------
        tuple
            Times, s, shape ``(n,)``, the first that of `pins`; outputs from then on without
            settling, V, ``(n, 16)``; and which channel the monitor pin shows, None for none.
        """
        start, last = pins.time[:1], int(pins.value[-1])
        if len(pins.value) == 1 and not (self._level ^ last) & self._mask:
            self._level = last
            return start, self._still[None], [self._shown]
        level = np.empty(len(pins.value) + 1, dtype=np.int64)
        level[0] = self._level
        level[1:] = pins.value
        self._level = last
        times: list[Second] = [float(start[0])]
        states = [self.registers.state()]
        for at, word in self._events(level):
            changed = True
            if word is not None:
                changed = self.registers.execute(word)
            if word is None or not level[at + 1] >> self._pins.load & 1:
                self.registers.update_all()
                changed = True
            if changed:
                times.append(float(pins.time[at]))
                states.append(self.registers.state())
        outputs = self._voltages(states)
        self._still, self._shown = outputs[-1], self.registers.monitored
        return np.array(times), outputs, [state[3] for state in states]

    def _events(self, level: NDArray[np.int64]) -> list[tuple[int, int | None]]:
        """Return the words executed, and None where LDAC fell, with the index of the pins' step."""
        select = level >> self._pins.select & 1
        clock = level >> self._pins.clock & 1
        # A bit needs CS low before the clock rises: otherwise there is no time to set up.
        taken = np.flatnonzero((clock[1:] > clock[:-1]) & (select[1:] + select[:-1] == 0))
        bits = np.concatenate([self._shifted, level[taken + 1] >> self._pins.data & 1])
        at = np.concatenate([np.full(len(self._shifted), -1), taken])
        rises = np.flatnonzero(select[1:] > select[:-1])
        ends = np.searchsorted(at, rises)
        begins = np.concatenate([[0], ends[:-1]])
        left = int(ends[-1]) if len(ends) else 0
        # One bit more than the longest word is enough to tell that it is none.
        self._shifted = bits[left : left + LENGTHS[-1] + 1]
        count = ends - begins
        whole = (count == LENGTHS[0]) | (count == LENGTHS[1])
        weights = 1 << np.arange(23, -1, -1)
        words = bits[ends[whole, None] + np.arange(-24, 0)] @ weights if whole.any() else []
        events: list[tuple[int, int | None]] = list(
            zip(rises[whole].tolist(), np.asarray(words, dtype=np.int64).tolist(), strict=True)
        )
        load = level >> self._pins.load & 1
        loads = np.flatnonzero((load[1:] < load[:-1]) & (select[1:] == 1))
        if loads.size:
            events = sorted(events + [(k, None) for k in loads.tolist()], key=lambda e: e[0])
        return events

    def _voltages(self, states: list[Outputs]) -> Array:
        codes = np.frombuffer(b"".join(state[0] for state in states), dtype=np.uint16)
        ranges = np.array([SPANS[span] for span in states[0][1]])
        volts = ranges[:, 0] + ranges[:, 1] / 0x10000 * codes.reshape(-1, CHANNELS)
        for k, (_, span, _, _) in enumerate(states):
            if span is not states[0][1]:
                ranges = np.array([SPANS[code] for code in span])
                own = codes[k * CHANNELS : (k + 1) * CHANNELS]
                volts[k] = ranges[:, 0] + ranges[:, 1] / 0x10000 * own
        volts = volts * self.gain + self.offset
        powered = [state[2] for state in states]
        return volts if all(map(all, powered)) else np.where(powered, volts, 0.0)
