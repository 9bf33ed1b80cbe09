"""The 16 digital pins of the Analog Discovery 2: static levels, patterns, and who drives what."""

from collections.abc import Mapping, Sequence
from math import gcd
from types import MappingProxyType
from typing import Any, NamedTuple

from pydwf import DwfDigitalOutOutput, DwfDigitalOutType

from crossbar.backend import LimitError, Second
from instruments.discovery_devices import Capacity
from instruments.discovery_direct import Direct
from instruments.discovery_patterns import Pattern, Square
from instruments.discovery_scope import Trigger
from instruments.discovery_spi import SpiBus, send, take_pins

Plans = Mapping[int, Pattern | Square]

_N_PINS = 16
_ALL_PINS = (1 << _N_PINS) - 1
_MOST_TICKS = (1 << 31) - 1  # assumed: dividers are 32 bits wide, one is left for safety
_MOST_COUNTS = (1 << 15) - 1  # assumed: counters are 15 bits wide


class _Sequence(NamedTuple):
    """When and how often all patterns run."""

    trigger: Trigger
    wait: Second
    run: Second
    repeat: int
    each_trigger: bool


class Pins:
    """The digital pins of an open device, and what they are known to do.

    A pin whose static output is enabled obeys that; only where it is not, patterns and protocols
    drive (pydwf 1.1.19, DigitalOut).
    """

    def __init__(self, device: Any, capacity: Capacity) -> None:
        self._io = device.digitalIO
        self._out = device.digitalOut
        self._spi = device.protocol.spi
        self._direct = Direct(device)
        self._capacity = capacity
        self.forget()

    def forget(self) -> None:
        """Assume nothing of what the pins do."""
        self._mask: int | None = None
        self._levels: int | None = None
        self._patterns: dict[int, Pattern | Square] | None = None
        self._wanted = 0
        self._stated: Plans | None = None
        self._changing: frozenset[int] = frozenset()
        self._sequence: _Sequence | None = None
        self._unstarted = True
        self._serial: SpiBus | None = None

    def static(self, mask: int, levels: int) -> None:
        """Drive exactly these pins with static levels."""
        if not 0 <= mask <= _ALL_PINS or levels & ~mask:
            raise LimitError(f"levels {levels:#x} of pins {mask:#x}: pins are DIO 0 to 15")
        changed = False
        if levels != self._levels:
            self._io.outputSet(levels)
            self._levels = levels
            changed = True
        if mask != self._mask:
            self._end_exposed(mask)
            self._io.outputEnableSet(mask)
            self._mask = mask
            changed = True
        if changed:
            self._io.configure()

    def _end_exposed(self, mask: int) -> None:
        """End the patterns that nobody names any more and that `mask` no longer overrules."""
        held = self._patterns or {}
        exposed = [pin for pin in held if not (self._wanted | mask) >> pin & 1]
        if exposed:
            self._stated = None
        for pin in exposed:
            self._out.enableSet(pin, False)
            del held[pin]
        if exposed:
            self._out.configure(False)
            self._unstarted = True

    def prepare(self, wanted: Plans, changing: Plans) -> None:
        """Upload what differs from the patterns that the device holds."""
        held = self._patterns
        known = wanted is self._stated and changing.keys() == self._changing
        plans = changing if known else {**wanted, **changing}
        uploads = []
        for pin, plan in plans.items():
            before = None if held is None else held.get(pin)
            if before is not plan and before != plan:
                # Times that the device holds already were whole numbers of ticks.
                ticks = (0, 0) if _only_bits(before, plan) else self._ticks(pin, plan)
                uploads.append((pin, plan, ticks))
        if held is None:
            held = self._begin()
        if not known:
            self._name(plans, held)
            # Anything but a view could be another mapping by the next time.
            self._stated = wanted if isinstance(wanted, MappingProxyType) else None
            self._changing = frozenset(changing)
        for pin, plan, ticks in uploads:
            self._upload(pin, plan, held.get(pin), ticks)
            held[pin] = plan
            self._unstarted = True

    def _name(self, plans: Plans, held: dict[int, Pattern | Square]) -> None:
        """Take these pins for the patterns, and end what other pins do."""
        for pin in held.keys() - plans.keys():
            # A static level overrules the pattern; taking it up again later then costs nothing.
            if self._mask is None or not self._mask >> pin & 1:
                self._out.enableSet(pin, False)
                del held[pin]
                self._unstarted = True
        named = sum(1 << pin for pin in plans)
        self._unstarted |= named & ~self._wanted != 0
        self._wanted = named

    def _begin(self) -> dict[int, Pattern | Square]:
        """Take the pattern generator over, whatever used it before."""
        if self._serial is not None:
            self._spi.reset()
            self._serial = None
        self._out.reset()
        self._sequence = None
        self._wanted = 0
        self._stated = None
        self._patterns = {}
        return self._patterns

    def _ticks(self, pin: int, plan: Pattern | Square) -> tuple[int, int]:
        """Return a pattern's divider and first divider, or a square's low and high counts."""
        if not 0 <= pin < _N_PINS:
            raise LimitError(f"digital pins are DIO 0 to 15, not {pin}")
        if isinstance(plan, Square):
            low, high = self._whole(plan.low), self._whole(plan.high)
            if max(low, high) // gcd(low, high) > _MOST_COUNTS:
                raise LimitError(f"{plan.low} s low and {plan.high} s high have no common measure")
            return low, high
        if plan.length > self._capacity.pattern_bits:
            raise LimitError(
                f"a pattern of {plan.length} bits: a pin holds {self._capacity.pattern_bits} "
                "in this device configuration"
            )
        divider = self._whole(plan.interval)
        return divider, divider if plan.first is None else self._whole(plan.first)

    def _whole(self, duration: Second) -> int:
        """Return a duration as a number of ticks."""
        ticks = duration * self._capacity.pattern_clock
        if not 0.5 <= ticks <= _MOST_TICKS or abs(ticks - round(ticks)) > 1e-6 * ticks:
            raise LimitError(
                f"{duration} s is not a whole number of {1 / self._capacity.pattern_clock:g} s"
            )
        return round(ticks)

    def _upload(
        self,
        pin: int,
        plan: Pattern | Square,
        held: Pattern | Square | None,
        ticks: tuple[int, int],
    ) -> None:
        """Send what differs from what one pin holds."""
        out = self._out
        if _only_bits(held, plan):
            assert isinstance(plan, Pattern)  # noqa: S101  # for the type checker
            self._direct.pattern_data(pin, plan.octets, plan.length)
            return
        if type(plan) is not type(held):
            out.typeSet(
                pin,
                DwfDigitalOutType.Custom if isinstance(plan, Pattern) else DwfDigitalOutType.Pulse,
            )
        if held is None or held.idle is not plan.idle:
            out.idleSet(pin, plan.idle)
        if isinstance(plan, Square):
            if plan != held:
                divider = gcd(*ticks)
                counts = ticks[0] // divider, ticks[1] // divider
                out.dividerSet(pin, divider)
                out.dividerInitSet(pin, divider)
                out.counterSet(pin, *counts)
                out.counterInitSet(pin, plan.high_first, counts[int(plan.high_first)])
        else:
            known = held if isinstance(held, Pattern) else None
            if known is None or (known.interval, known.first) != (plan.interval, plan.first):
                out.dividerSet(pin, ticks[0])
                out.dividerInitSet(pin, ticks[1])
            if known is None or (known.octets, known.length) != (plan.octets, plan.length):
                self._direct.pattern_data(pin, plan.octets, plan.length)
        if held is None:
            out.outputSet(pin, DwfDigitalOutOutput.PushPull)
            out.enableSet(pin, True)

    def run(self, duration: Second) -> None:
        """Start all patterns together, once."""
        self._start(_Sequence(Trigger.NONE, 0.0, duration, 1, False))

    def follow(self, trigger: Trigger, delay: Second, duration: Second) -> None:
        """Let all patterns run once each time a trigger comes."""
        sequence = _Sequence(trigger, delay, duration, 0, True)
        if self._unstarted or sequence != self._sequence or self._overridden():
            self._start(sequence)

    def _start(self, wanted: "_Sequence") -> None:
        """Send what differs of when and how often to run, and start."""
        if self._patterns is None:
            raise LimitError("no patterns are prepared: call patterns() first")
        held = self._sequence
        if wanted != held:
            self._whole(wanted.run)
            if not 0 <= wanted.wait < float("inf"):
                raise LimitError(f"patterns cannot wait {wanted.wait} s")
            self._sequence = None
            self._schedule(held, wanted)
            self._sequence = wanted
        if self._overridden():
            # First the idle levels of the patterns, then the pins: none of them floats meanwhile.
            self._out.configure(False)
            self._withdraw(self._wanted)
        self._direct.pattern_configure(True)
        self._unstarted = False

    def _schedule(self, held: "_Sequence | None", wanted: "_Sequence") -> None:
        """Send what differs of when and how often to run."""
        out = self._out
        if held is None or held.trigger is not wanted.trigger:
            out.triggerSourceSet(wanted.trigger)
        if held is None or held.wait != wanted.wait:
            out.waitSet(wanted.wait)
        if held is None or held.run != wanted.run:
            out.runSet(wanted.run)
        if held is None or held.repeat != wanted.repeat:
            out.repeatSet(wanted.repeat)
        if held is None or held.each_trigger != wanted.each_trigger:
            out.repeatTriggerSet(wanted.each_trigger)

    def _overridden(self) -> bool:
        """Whether a static level may hold a pin that has a pattern."""
        return self._mask is None or self._mask & self._wanted != 0

    def send(self, bus: SpiBus, words: Sequence[int], bits: int) -> None:
        """Send words over SPI; it takes the pattern generator over."""
        bus.check(words, bits)
        if self._serial != bus:
            self._out.reset()
            self._out.configure(False)
            self._patterns = self._stated = self._sequence = self._serial = None
            take_pins(self._spi, bus)
            self._withdraw(bus.pins)
            self._serial = bus
        elif self._mask is None or self._mask & bus.pins:
            self._withdraw(bus.pins)
        send(self._spi, bus, words, bits)

    def _withdraw(self, pins: int) -> None:
        """Stop driving these pins with static levels."""
        mask = 0 if self._mask is None else self._mask & ~pins
        levels = 0 if self._levels is None else self._levels & mask
        self._io.outputSet(levels)
        self._io.outputEnableSet(mask)
        self._io.configure()
        self._mask, self._levels = mask, levels


def _only_bits(held: Pattern | Square | None, plan: Pattern | Square) -> bool:
    """Return whether a pattern differs from the one that is held in its bits alone."""
    return (
        type(held) is type(plan) is Pattern
        and held.length == plan.length
        and held.interval == plan.interval
        and held.first == plan.first
        and held.idle is plan.idle
    )
