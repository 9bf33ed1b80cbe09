"""What a bench in the wiring `switched` or `mux` finds out about itself, one look after another.

Slow on purpose: static address pins, a constant level on W1, a scope record for each look. So a
fault in the fast patterns and one in the wiring cannot hide each other.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from crossbar.backend import Ampere, Array, Finding, Volt
from instruments.address_lines import explain_order, fitting_orders
from instruments.analog_discovery import Acquisition, AnalogDiscovery
from instruments.check_findings import GAIN, SCOPE_OFFSET, between
from instruments.settings import HardwareSettings, ReferenceTable, SwitchedTable

PROBE: Volt = 0.2
"""On W1 while a reference or a line is looked at: far below every threshold; assumed."""
LEVEL_ERROR: Volt = 0.02
"""Largest error of W1 at scope 1 that passes, beside the scope's offset; assumed."""
ALIKE = 0.15
"""How far a reading may be from a reference to be taken for it while addresses are searched."""
LOOK = Acquisition(rate=1e6, samples=256)


class Probe:
    """Address pins, W1 and the amplifier, set one by one.

    Parameters
    ----------
    ad2
        Open, the supplies on.
    settings
        Of the bench; the selection is by DIO.
    """

    def __init__(self, ad2: AnalogDiscovery, settings: HardwareSettings) -> None:
        wiring = settings.wiring
        assert isinstance(wiring, SwitchedTable)  # noqa: S101  # the caller chose by it
        self.ad2 = ad2
        self.settings = settings
        self.wiring = wiring
        ad2.scope(LOOK)

    def look(self, word: int, bit: int, *, enable: bool = True, low_gain: bool = False) -> Array:
        """Return what scope 1 and scope 2 see with these addresses selected, V."""
        wiring = self.wiring
        levels = [(pin, (word >> k) & 1) for k, pin in enumerate(wiring.word_address)]
        levels += [(pin, (bit >> k) & 1) for k, pin in enumerate(wiring.bit_address)]
        levels += [(wiring.enable, int(enable)), (self.settings.sense.gain_pin, int(low_gain))]
        if wiring.relay is not None:
            levels.append((wiring.relay, 0))
        mask = sum(1 << pin for pin, _ in levels)
        self.ad2.pins(mask, sum(level << pin for pin, level in levels))
        self.ad2.arm()
        volts: Array = self.ad2.record(LOOK.duration).mean(axis=1)
        return volts

    def current(self, word: int, bit: int, *, low_gain: bool = False) -> Ampere:
        """Return the amplifier's current with W1 at `PROBE` less that with W1 at 0 V, A."""
        feedback = self.settings.sense.feedback[int(low_gain)]
        quiet = self.look(word, bit, low_gain=low_gain)[1]
        self.ad2.level(0, PROBE)
        try:
            driven = self.look(word, bit, low_gain=low_gain)[1]
        finally:
            self.ad2.level(0, 0.0)
        return float(quiet - driven) / feedback


class Looks(Protocol):
    """What looks at W1 and the amplifier, whatever selects the lines."""

    ad2: AnalogDiscovery
    settings: HardwareSettings

    def look(self, word: int, bit: int, *, enable: bool = True, low_gain: bool = False) -> Array:
        """Return what scope 1 and scope 2 see with these lines selected, V."""
        ...


def check_switched(probe: Probe, progress: Callable[[str, int, int], None]) -> Iterator[Finding]:
    """Yield what is found; W1 is at 0 V between two looks of different kind.

    Parameters
    ----------
    probe
        On the open bench.
    progress
        Called with the part, how much of it is done, and of how much.
    """
    probe.ad2.level(1, 0.0)
    yield from drive_findings(probe)
    yield from offset_findings(probe)
    yield from _address_lines(probe, progress)
    yield from _references(probe)


def drive_findings(probe: Looks) -> Iterator[Finding]:
    """Compare W1 with what scope 1 sees of it, nothing selected."""
    for level in (0.0, PROBE, -PROBE):
        probe.ad2.level(0, level)
        seen = float(probe.look(0, 0, enable=False)[0])
        probe.ad2.level(0, 0.0)
        most = LEVEL_ERROR + SCOPE_OFFSET
        yield between("W1", f"level {level:g} V at scope 1", seen, level - most, level + most, "V")


def offset_findings(probe: Looks) -> Iterator[Finding]:
    """Look at the amplifier with nothing selected."""
    for low_gain, name in ((False, "offset, high gain"), (True, "offset, low gain")):
        feedback = probe.settings.sense.feedback[int(low_gain)]
        volts = float(probe.look(0, 0, enable=False, low_gain=low_gain)[1])
        most = 2e-7 + SCOPE_OFFSET / feedback  # assumed
        yield between("amplifier", name, -volts / feedback, -most, most, "A")


def _address_lines(probe: Probe, progress: Callable[[str, int, int], None]) -> Iterator[Finding]:
    """Look for every reference at every address, one selector at a time."""
    wiring, references = probe.wiring, _paired(probe.settings.references)
    if not references:
        note = "the bench file has no [[references]]: swapped address lines would go unnoticed"
        yield Finding("selectors", "address lines", False, note=note)
        return
    found = {}
    sides = len(wiring.word_address), len(wiring.bit_address)
    for done, reference in enumerate(references):
        progress("references", done, len(references))
        found[reference] = _search(probe, reference, sides)
    pins = {"word-line selector": wiring.word_address, "bit-line selector": wiring.bit_address}
    for side, (name, lines) in enumerate(pins.items()):
        answered = {}
        for reference, place in found.items():
            asked = (reference.word, reference.bit)[side]
            if place is not None and asked is not None:
                # The address that was sent is what the reference's own one arrived as.
                answered[place[side]] = asked
        missing = [r for r, place in found.items() if place is None]
        yield _order_finding(name, answered, lines, missing)


def _search(
    probe: Probe, reference: ReferenceTable, sides: tuple[int, int]
) -> tuple[int, int] | None:
    """Return the addresses at which a resistor like this one answers; its own ones first."""
    expected = PROBE / (reference.resistance + 2 * probe.wiring.r_on)
    own = (reference.word, int(reference.bit or 0))
    for word, bit in [own, *_permutations(own, sides, probe.wiring)]:
        if abs(probe.current(word, bit) / expected - 1) <= ALIKE:
            return word, bit
    return None


def _permutations(
    own: tuple[int, int], sides: tuple[int, int], wiring: SwitchedTable
) -> list[tuple[int, int]]:
    """Return what swapped lines could make of two addresses, cells of the array last.

    A cell that happens to conduct like the reference would be taken for it.
    """
    weights = own[0].bit_count(), own[1].bit_count()
    possible = [
        (word, bit)
        for word in range(1 << sides[0])
        for bit in range(1 << sides[1])
        if (word.bit_count(), bit.bit_count()) == weights and (word, bit) != own
    ]
    return sorted(
        possible, key=lambda at: at[0] in wiring.word_addresses and at[1] in wiring.bit_addresses
    )


def _order_finding(
    name: str, answered: dict[int, int], lines: Sequence[int], missing: list[ReferenceTable]
) -> Finding:
    if missing:
        gone = ", ".join(f"({r.word}, {r.bit})" for r in missing)
        note = f"reference {gone} answers at no address: not connected, or a line is broken"
        return Finding(name, "address lines", False, note=note)
    orders = fitting_orders(answered, len(lines))
    if not orders:
        note = "no order of the address lines explains where the references answered"
        return Finding(name, "address lines", False, note=note)
    right = orders[0] == tuple(range(len(lines)))
    return Finding(
        name, "address lines", right, note="" if right else explain_order(orders[0], lines)
    )


def _references(probe: Probe) -> Iterator[Finding]:
    """Compare each reference with Ohm's law at the gains that hold its current."""
    for reference in _paired(probe.settings.references):
        place = _search(probe, reference, (len(probe.wiring.word_address),) * 2)
        if place is None:
            continue  # told of with the address lines
        expected = PROBE / (reference.resistance + 2 * probe.wiring.r_on)
        for low_gain, name in ((False, "gain, high"), (True, "gain, low")):
            ratio = probe.current(*place, low_gain=low_gain) / expected
            part = f"reference ({reference.word}, {reference.bit})"
            yield between(part, name, ratio, 1 - GAIN, 1 + GAIN, "")


def _paired(references: Sequence[ReferenceTable]) -> list[ReferenceTable]:
    return [reference for reference in references if reference.bit is not None]
