"""Shapes of the waveform generator, and the steps that its converter makes of them.

References
----------
WaveForms SDK reference manual, "Analog Out"; how symmetry and modulation work is told by pydwf's
example scripts, which were compared with an Analog Discovery 2 by their author.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array, Second, Volt
from sim_backend.virtual.libdwf.failure import unsupported
from sim_backend.virtual.libdwf.intervals import MANY_STEPS, scattered

# FUNC, dwf.h
DC, SINE, SQUARE, TRIANGLE, RAMP_UP, RAMP_DOWN, NOISE, PULSE, TRAPEZIUM, SINE_POWER = range(10)
CUSTOM, PLAY = 30, 31
FUNCTIONS = (*range(10), CUSTOM, PLAY)

_SMOOTH = 1024  # steps of one period of a sine, where there is room
_ROUGH = 32
_SAME = 1e-12  # s; moments closer than this are one


def _empty() -> Array:
    return np.zeros(1)


@dataclass(slots=True)
class Node:
    """Settings of the carrier of a channel, or of one of its modulations.

    Parameters
    ----------
    amplitude, offset
        Volts; percent for modulations.
    symmetry, phase
        Percent and degrees.
    data
        The custom shape, -1 to 1.
    """

    enable: int = 0
    function: int = DC
    frequency: float = 1e3
    amplitude: float = 1.0
    offset: float = 0.0
    symmetry: float = 50.0
    phase: float = 0.0
    data: Array = field(default_factory=_empty)

    @property
    def turn(self) -> float:
        """The phase as a part of a period."""
        return self.phase / 360.0

    def at(self, cycles: Array) -> Array:
        """Return offset and shape after so many periods, in the node's unit."""
        if not self.enable:
            return np.full(np.shape(cycles), self.offset)
        return self.offset + self.amplitude * _shape(self, np.mod(cycles + self.turn, 1.0))

    def period(self, smoothness: int) -> tuple[Array, Array]:
        """Return where in a period the value steps, as parts of it from phase 0, and to what."""
        if not self.enable or self.function == DC:
            return np.zeros(1), np.array([self.offset])
        if self.function == CUSTOM:
            where = np.arange(len(self.data)) / len(self.data)
            values = self.data
        elif self.function in (SQUARE, PULSE):
            where = np.unique([0.0, min(max(self.symmetry / 100.0, 0.0), 1.0)])
            where = where[where < 1.0]
            values = _shape(self, where + 1e-9)
        else:
            where = np.arange(smoothness) / smoothness
            values = _shape(self, where + 0.5 / smoothness)
        step = np.concatenate([[True], values[1:] != values[:-1]])
        return where[step], self.offset + self.amplitude * values[step]


def steps(node: Node, begin: Second, start: Second, end: Second) -> tuple[Array, Array]:
    """Return the times in [start, end) at which an unmodulated carrier steps, and to what, V.

    Parameters
    ----------
    node
        The carrier.
    begin
        Bench time at which it began to run, s.
    start, end
        Of the interval, s.
    """
    frequency = node.frequency
    first = int(np.floor((start - begin) * frequency + node.turn))
    last = int(np.ceil((end - begin) * frequency + node.turn))
    periods = max(last - first, 1)
    smoothness = int(np.clip(40 * _SMOOTH // periods, _ROUGH, _SMOOTH))
    where, values = node.period(smoothness)
    if len(where) == 1:
        return np.array([start]), values
    if periods * len(where) > MANY_STEPS:
        times = scattered(start, end)
        return times, node.at((times - begin) * frequency)
    cycles = np.arange(first, first + periods)[:, None] + where - node.turn
    times = (begin + cycles / frequency).ravel()
    low = max(int(np.searchsorted(times, start + _SAME, side="right")) - 1, 0)
    high = max(int(np.searchsorted(times, end - _SAME, side="left")), low + 1)
    times = times[low:high].copy()
    times[0] = start
    return times, np.tile(values, periods)[low:high]


def modulated(
    nodes: tuple[Node, Node, Node], begin: Second, start: Second, end: Second
) -> tuple[Array, Array]:
    """Return times and values of a carrier with frequency and amplitude modulation, V.

    Parameters
    ----------
    nodes
        Carrier, frequency modulation, amplitude modulation (percent of the carrier's).
    begin, start, end
        As in `steps`.
    """
    carrier, frequency, amplitude = nodes
    fastest = max(node.frequency for node in nodes if node.enable)
    count = int(np.clip((end - start) * fastest * 4 * _ROUGH, _ROUGH, MANY_STEPS))
    edges = np.linspace(start, end, count, endpoint=False)
    since = edges + 0.5 * (end - start) / count - begin
    cycles = since * carrier.frequency
    if frequency.enable:
        cycles = cycles + carrier.frequency * _integral(frequency, since) / 100.0
    plain = carrier.at(cycles) - carrier.offset
    if amplitude.enable:
        plain = plain * (100.0 + amplitude.at(since * amplitude.frequency)) / 100.0
    return edges, plain + carrier.offset


def _integral(node: Node, since: Array) -> Array:
    """Return the integral of a node over time, in its unit times seconds."""
    edges = np.linspace(0.0, 1.0, _SMOOTH + 1)
    values = node.at(0.5 * (edges[1:] + edges[:-1]))
    total = np.concatenate([[0.0], np.cumsum(values)]) / _SMOOTH
    cycles = since * node.frequency
    whole = np.floor(cycles)
    summed: Array = (whole * total[-1] + np.interp(cycles - whole, edges, total)) / node.frequency
    return summed


def _shape(node: Node, x: Array) -> Array:
    """Return the shape at the parts `x` of a period, -1 to 1 (a pulse: 0 to 1)."""
    s = min(max(node.symmetry / 100.0, 0.0), 1.0)
    match node.function:
        case 0:
            return np.zeros(np.shape(x))
        case 1:
            return np.sin(0.5 * np.pi * _triangle(0.5 * s, x))
        case 2:
            return np.where(x < s, 1.0, -1.0)
        case 3:
            return _triangle(0.5 * s, x)
        case 4:
            return _line(x, (0.0, s, 1.0), (-1.0, 1.0, 1.0))
        case 5:
            return _line(x, (0.0, s, 1.0), (1.0, 1.0, -1.0))
        case 6:
            return np.random.default_rng(0).uniform(-1.0, 1.0, np.shape(x))
        case 7:
            return np.where(x < s, 1.0, 0.0)
        case 8:
            q = 0.25 * s
            where = (0.0, q, 0.5 - q, 0.5 + q, 1.0 - q, 1.0)
            return _line(x, where, (0.0, 1.0, 1.0, -1.0, -1.0, 0.0))
        case 9:
            return _sine_power(node.symmetry, x)
        case 30:
            held: Array = node.data[(x * len(node.data)).astype(np.int64) % len(node.data)]
            return held
    raise unsupported(f"analog output function {node.function} as a periodic shape")


def _line(x: Array, where: tuple[float, ...], values: tuple[float, ...]) -> Array:
    # Points that fall together make a jump; a hair between them keeps them in order.
    apart = np.asarray(where) + 1e-12 * np.arange(len(where))
    line: Array = np.interp(x, apart, values)
    return line


def _triangle(quarter: float, x: Array) -> Array:
    return _line(x, (0.0, quarter, 1.0 - quarter, 1.0), (0.0, 1.0, -1.0, 0.0))


def _sine_power(symmetry: float, x: Array) -> Array:
    sine = np.sin(2.0 * np.pi * x)
    setting = min(max(symmetry / 100.0, -0.999999), 1.0)
    exponent = 1.0 - setting if setting >= 0 else 1.0 / (1.0 + setting)
    power: Array = np.copysign(np.abs(sine) ** exponent, sine)
    return power


@dataclass(slots=True)
class Stream:
    """Samples that are played one after the other, -1 to 1.

    Parameters
    ----------
    samples
        What has not been played.
    begin
        Bench time of the first of them, s.
    """

    samples: Array = field(default_factory=_empty)
    begin: Second = 0.0

    def played(self, frequency: float, now: Second) -> int:
        """Return how many samples were due up to now."""
        return max(int((now - self.begin) * frequency + 1e-6), 0)

    def append(self, data: Array, frequency: float, now: Second) -> None:
        """Put samples behind those that are left; after a gap they begin now."""
        played = self.played(frequency, now)
        if played >= len(self.samples):
            self.samples, self.begin = data, max(now, self.begin)
        else:
            self.samples = np.concatenate([self.samples[played:], data])
            self.begin += played / frequency

    def steps(self, frequency: float, start: Second, end: Second) -> tuple[Array, Array]:
        """Return times in [start, end) at which a new sample is put out, and the samples."""
        first = min(self.played(frequency, start), len(self.samples) - 1)
        last = min(self.played(frequency, end), len(self.samples) - 1)
        times = self.begin + np.arange(first, last + 1) / frequency
        keep = times < end
        keep[0] = True
        times[0] = start
        return times[keep], self.samples[first : last + 1][keep]


def converted(values: Array, span: Volt, bits: int) -> Array:
    """Return what a converter of so many bits puts out in place of `values`, V, within ± `span`."""
    step = 2.0 * span / 2**bits
    codes: NDArray[np.float64] = np.clip(
        np.round(values / step), -(2 ** (bits - 1)), 2 ** (bits - 1)
    )
    volts: Array = codes * step
    return volts
