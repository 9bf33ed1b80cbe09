"""What a bench in the parallel wiring finds out about itself, one static setting after another.

Slow on purpose: single words over the SPI engine, static address pins, a scope record for each
look. So a fault in the fast patterns and one in the wiring cannot hide each other.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from crossbar.backend import Ampere, Array, Finding, Ohm, Siemens, Volt
from instruments.address_lines import explain_order, fitting_orders
from instruments.analog_discovery import Acquisition, AnalogDiscovery, SpiBus
from instruments.check_findings import GAIN, SCOPE_OFFSET, between
from instruments.ltc2668 import Command, code, word
from instruments.settings import MUX_INPUTS, HardwareSettings, ParallelTable, ReferenceTable

PROBE: Volt = 0.2
"""On a bias or a reference: far below every threshold; assumed."""
OFFSET: Ampere = 2e-7
"""Largest offset of an amplifier that passes; assumed."""
DAC_ERROR: Volt = 0.01
"""Largest error of a DAC level at the monitor pin that passes; assumed."""
DAC_ZERO: Volt = 1e-3
"""What a line at 0 V may be away from it, and so drives through every cell; assumed."""
LEAKAGE: Siemens = 1e-7
"""Largest conductance between two bit lines that passes; assumed."""
WORD_LINE: Ohm = 20.0
"""From a DAC to its word line, with everything on the way; assumed, and more than it should be."""
LOOK = Acquisition(rate=1e6, samples=256)


@dataclass
class Probe:
    """DACs, multiplexers and scope of the parallel wiring, set one by one.

    Parameters
    ----------
    ad2
        Open, the DACs' spans set, the supplies on.
    settings
        Of the bench.
    """

    ad2: AnalogDiscovery
    settings: HardwareSettings

    def __post_init__(self) -> None:
        wiring = self.settings.wiring
        assert isinstance(wiring, ParallelTable)  # noqa: S101  # the caller chose by it
        self.wiring = wiring
        self.address = wiring.address
        bus = SpiBus(wiring.clock, wiring.data, wiring.word_select)
        self._word_bus = bus
        self._bit_bus = replace(bus, select=wiring.bit_select)

    def word(self, channel: int, voltage: Volt) -> None:
        """Put a channel of the word lines' DAC to a voltage."""
        self._send(self._word_bus, Command.WRITE_UPDATE, channel, voltage)

    def bit(self, channel: int, voltage: Volt) -> None:
        """Put a channel of the bit lines' DAC to a voltage."""
        self._send(self._bit_bus, Command.WRITE_UPDATE, channel, voltage)

    def zero(self) -> None:
        """Put every channel of both DACs to 0 V."""
        for bus in (self._word_bus, self._bit_bus):
            self._send(bus, Command.WRITE_TO_ALL_UPDATE_ALL, 0, 0.0)

    def monitor(self, channel: int) -> None:
        """Put this channel of both DACs on their monitor pins."""
        for bus in (self._word_bus, self._bit_bus):
            self.ad2.spi(bus, [word(Command.MONITOR, 0, 0x10 | channel)])

    def look(self, number: int, *, low_gain: bool) -> Array:
        """Return what both scope inputs see with this multiplexer input selected, V."""
        pins = (*self.address, self.settings.sense.gain_pin)
        bits = [(number >> k) & 1 for k in range(len(self.address))] + [int(low_gain)]
        levels = sum(bit << pin for pin, bit in zip(pins, bits, strict=True))
        self.ad2.pins(sum(1 << pin for pin in pins), levels)
        self.ad2.scope(LOOK)
        self.ad2.arm()
        volts: Array = self.ad2.record(LOOK.duration).mean(axis=1)
        return volts

    def looks(self, *, low_gain: bool) -> Array:
        """Return what both scope inputs see at every multiplexer input, V, shape ``(2, 8)``."""
        return np.array([self.look(k, low_gain=low_gain) for k in range(MUX_INPUTS)]).T

    def amplifiers(self, seen: Array) -> Array:
        """Return the amplifiers' outputs by bit line from what `looks` returned, V."""
        where = places(self.wiring, self.settings.array.bit_lines)
        return np.array([seen[mux, number] for mux, number in where])

    def currents(self, *, low_gain: bool, bias: Array | Volt = 0.0) -> Array:
        """Return the bit lines' currents, A, in order."""
        feedback = self.settings.sense.feedback[int(low_gain)]
        return (bias - self.amplifiers(self.looks(low_gain=low_gain))) / feedback

    def _send(self, bus: SpiBus, command: Command, channel: int, voltage: Volt) -> None:
        self.ad2.spi(bus, [word(command, channel, code(voltage, self.wiring.span))])


def places(wiring: ParallelTable, bit_lines: int) -> list[tuple[int, int]]:
    """Return multiplexer and input of each bit line."""
    found = {
        bit: (mux, number)
        for mux, bits in enumerate(wiring.multiplexers)
        for number, bit in enumerate(bits)
    }
    return [found[bit] for bit in range(bit_lines)]


def reference_voltage(probe: Probe, reference: ReferenceTable, *, low_gain: bool) -> Volt:
    """Return what to drive a reference with: resistors bear what no memristor does."""
    sense = probe.settings.sense
    half = sense.full_scale[int(low_gain)] / 2
    return min(half * reference.resistance, 0.8 * probe.wiring.span)


def check_parallel(probe: Probe, progress: Callable[[str, int, int], None]) -> Iterator[Finding]:
    """Yield what is found; every line is at 0 V between two looks of different kind.

    Parameters
    ----------
    probe
        On the open bench.
    progress
        Called with the part, how much of it is done, and of how much.
    """
    probe.zero()
    yield from _grounds(probe)
    yield from _address_lines(probe, progress)
    yield from _references(probe)
    yield from _dacs(probe, progress)
    probe.zero()


def _grounds(probe: Probe) -> Iterator[Finding]:
    seen = probe.look(probe.wiring.ground_input, low_gain=True)
    for mux, volts in enumerate(seen):
        yield between(f"scope {mux + 1}", "offset", float(volts), -SCOPE_OFFSET, SCOPE_OFFSET, "V")


def _address_lines(probe: Probe, progress: Callable[[str, int, int], None]) -> Iterator[Finding]:
    """Raise one amplifier's bias after the other, and see at which address it answers."""
    wiring, bit_lines = probe.wiring, probe.settings.array.bit_lines
    quiet = probe.looks(low_gain=True)
    answered: tuple[dict[int, int], dict[int, int]] = ({}, {})
    findings = []
    for bit, (mux, number) in enumerate(places(wiring, bit_lines)):
        progress("amplifiers", bit, bit_lines)
        channel = wiring.bit_channels[bit]
        probe.bit(channel, PROBE)
        moved = np.abs(probe.looks(low_gain=True) - quiet)
        probe.bit(channel, 0.0)
        moved[:, wiring.monitor_input] = 0.0  # follows a DAC, not an amplifier
        strongest = int(moved[mux].argmax())
        alive = bool(moved[mux, strongest] > PROBE / 2)
        note = "" if alive else "its amplifier does not follow its bias: broken, or not connected"
        elsewhere = moved[1 - mux].max() > PROBE / 2
        if elsewhere:
            note = "the other scope input answers: the multiplexers' outputs are exchanged"
        findings.append(
            Finding(
                f"bit line {bit}",
                "amplifier follows its bias",
                alive and not elsewhere,
                float(moved[mux, strongest]),
                PROBE / 2,
                unit="V",
                note=note,
            )
        )
        if alive:
            answered[mux][strongest] = number
    order = _order(answered, len(probe.address))
    right = tuple(range(len(probe.address)))
    if order is None:
        note = "no order of the address lines explains which bit line answered at which address"
        yield Finding("multiplexers", "address lines", False, note=note)
    else:
        note = "" if order == right else explain_order(order, probe.address)
        yield Finding("multiplexers", "address lines", order == right, note=note)
        # So that what follows speaks of the bit lines that it names.
        corrected = list(probe.address)
        for bit, line in enumerate(order):
            corrected[line] = probe.address[bit]
        probe.address = (corrected[0], corrected[1], corrected[2])
    yield from findings


def _order(answered: tuple[dict[int, int], dict[int, int]], width: int) -> tuple[int, ...] | None:
    """Return the order of address lines that both multiplexers agree with."""
    first, second = (fitting_orders(seen, width) for seen in answered)
    both = [order for order in first if order in second]
    return both[0] if both else None


def _references(probe: Probe) -> Iterator[Finding]:
    """Drive the reference row and compare the currents with Ohm's law, at both gains."""
    for reference in probe.settings.references:
        for low_gain, name in ((False, "gain, high"), (True, "gain, low")):
            voltage = reference_voltage(probe, reference, low_gain=low_gain)
            quiet = probe.currents(low_gain=low_gain)
            probe.word(reference.word, voltage)
            currents = probe.currents(low_gain=low_gain) - quiet
            probe.word(reference.word, 0.0)
            for bit, current in enumerate(currents):
                ratio = float(current) * reference.resistance / voltage
                note = "reference resistor, feedback resistor, or their wires"
                yield between(f"bit line {bit}", name, ratio, 1 - GAIN, 1 + GAIN, "", note)


def _dacs(probe: Probe, progress: Callable[[str, int, int], None]) -> Iterator[Finding]:
    """Put every line's channel to a level and look at it through the monitor pin."""
    wiring, (words, bits) = probe.wiring, probe.settings.array.shape
    for mux, (name, channels, drive) in enumerate(
        (
            ("word line", wiring.word_channels[:words], probe.word),
            ("bit line", wiring.bit_channels[:bits], probe.bit),
        )
    ):
        for line, channel in enumerate(channels):
            progress(f"{name}s", line, len(channels))
            probe.monitor(channel)
            drive(channel, PROBE)
            error = float(probe.look(wiring.monitor_input, low_gain=True)[mux]) - PROBE
            drive(channel, 0.0)
            most = DAC_ERROR + SCOPE_OFFSET
            yield between(f"{name} {line}", "error of DAC level", error, -most, most, "V")


def check_loaded(
    probe: Probe, conductances: Array, progress: Callable[[str, int, int], None]
) -> Iterator[Finding]:
    """Yield what is found of currents to which the cells add theirs: offsets and leakage.

    Parameters
    ----------
    probe
        The one that `check_parallel` was given: it knows the address lines by now.
    conductances
        Of the cells, S, shape ``(n_word_lines, n_bit_lines)``.
    progress
        As for `check_parallel`.
    """
    probe.zero()
    yield from _offsets(probe, conductances)
    yield from _leakage(probe, conductances, progress)
    probe.zero()


def _offsets(probe: Probe, conductances: Array) -> Iterator[Finding]:
    cells = DAC_ZERO * np.abs(conductances).sum(axis=0)
    for low_gain in (False, True):
        name = "offset, low gain" if low_gain else "offset, high gain"
        # The scope's own offset is the larger part at the low gain.
        own = OFFSET + SCOPE_OFFSET / probe.settings.sense.feedback[int(low_gain)]
        for bit, current in enumerate(probe.currents(low_gain=low_gain)):
            allowed = own + float(cells[bit])
            yield between(f"bit line {bit}", name, float(current), -allowed, allowed, "A")


def _leakage(
    probe: Probe, conductances: Array, progress: Callable[[str, int, int], None]
) -> Iterator[Finding]:
    """Raise one bit line against all others: what flows into another one has no business there.

    Some flows without a bridge: cells raise their word lines a little, which are not ideal.
    """
    array, wiring = probe.settings.array, probe.wiring
    bits = array.bit_lines
    ohms = WORD_LINE + 2 * array.line_resistance * bits
    allowed = LEAKAGE + ohms * np.abs(conductances).T @ np.abs(conductances)
    quiet = probe.currents(low_gain=False)
    for bit in range(bits):
        progress("leakage", bit, bits)
        probe.bit(wiring.bit_channels[bit], PROBE)
        leak = np.abs(probe.currents(low_gain=False) - quiet) / PROBE
        probe.bit(wiring.bit_channels[bit], 0.0)
        leak[bit] = 0.0
        worst = int((leak - allowed[bit]).argmax())
        note = f"a bridge to bit line {worst}"
        most = float(allowed[bit, worst])
        yield between(f"bit line {bit}", "leakage", float(leak[worst]), 0.0, most, "S", note)
