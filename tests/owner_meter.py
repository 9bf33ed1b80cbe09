"""A Keithley 6487 or 2400, virtual or the owner's."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from pyvisa.highlevel import VisaLibraryBase

from crossbar.backend import InstrumentError, Limits
from instruments.keithley2400 import Keithley2400
from instruments.keithley6487 import Keithley6487
from instruments.read_back import Setting, put
from instruments.timing import Monotonic, Timer
from instruments.visa import Link
from owner_bench import LARGEST, Place, place
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.visa import Instrument, library
from sim_backend.virtual.world import Resistor

RESOURCE = "GPIB0::22::INSTR"
RESISTANCE = 10e3
"""Of the virtual resistor, ohm."""
LIMITS = Limits(
    voltage=LARGEST,
    read_voltage=LARGEST,
    current=2.5e-4,
    width_min=1e-6,
    width_max=1.0,
    pulses=1,
    stress=1.0,
)


@dataclass(frozen=True, slots=True)
class Meter:
    """An open source meter.

    Parameters
    ----------
    place
        Virtual or real.
    link
        The way to it; below the driver, which would refuse much of what is tried here.
    timer
        Virtual or real time.
    resistor
        Between its terminals, ohm; None if they are open.
    measure_query
        True if MEAS? may be sent to a real one.
    library
        VISA library through which the link goes.
    """

    place: Place
    link: Link
    timer: Timer
    resistor: float | None
    measure_query: bool = False
    library: str | VisaLibraryBase = ""

    @contextmanager
    def handed_over(self) -> Iterator[str]:
        """Leave the instrument to a driver for a block; yield its VISA address."""
        self.link.close()
        try:
            yield self.link.name
        finally:
            self.link.open()

    def tell(self, *commands: str) -> None:
        """Send commands."""
        for command in commands:
            self.link.write(command)

    def ask(self, question: str, expected: float = 0.0) -> str:
        """Return the reply to a question."""
        return self.link.ask(question, expected)

    def numbers(self, question: str, expected: float = 0.0) -> list[float]:
        """Return the numbers of a reply."""
        return [float(part) for part in self.ask(question, expected).split(",")]

    def number(self, question: str, expected: float = 0.0) -> float:
        """Return a reply that is one number."""
        (only,) = self.numbers(question, expected)
        return only

    def resistance(self, below: float = float("inf")) -> float:
        """Return the resistor between the terminals, ohm; skip the test without a fitting one."""
        if self.resistor is None or not self.resistor < below:
            pytest.skip(f"needs a resistor below {below:g} ohm between the terminals: --resistor")
        return self.resistor


class BoundedResistor(Resistor):
    """A resistor that no test may put more than 1 V on."""

    def source(self, voltage: float, limit: float) -> None:
        assert abs(voltage) <= LARGEST
        super().source(voltage, limit)


@contextmanager
def meter(
    request: pytest.FixtureRequest,
    model: str,
    make: Callable[[Resistor, FastClock], Instrument],
    off: tuple[str, ...],
) -> Iterator[Meter]:
    """Open a meter at its *RST values, virtual or the owner's, with its output off."""
    where = place(request, None)
    if where.real:
        table = where.tables.get("keithley", {})
        if table.get("model") != model:
            pytest.skip(f"the bench file has no table [keithley] with model = {model!r}")
        given = request.config.getoption
        link = Link(table["resource"], deadline=5.0)
        opened = Meter(
            where, link, Monotonic(), given("--resistor"), bool(given("--measure-query"))
        )
    else:
        clock = FastClock()
        found = library({RESOURCE: make(BoundedResistor(RESISTANCE, clock), clock)}, clock)
        link = Link(RESOURCE, library=found)
        opened = Meter(where, link, clock, RESISTANCE, library=found)
    opened.link.open()
    try:
        opened.tell(*off, "*RST", "*CLS")
        yield opened
    finally:
        try:
            opened.tell(*off, "*RST", "*CLS")
        finally:
            opened.link.close()


def error(opened: Meter) -> int:
    """Take the oldest error out of the queue."""
    return int(opened.ask("SYST:ERR?").partition(",")[0])


def check_read_back(opened: Meter, settings: Sequence[Setting]) -> None:
    """Send settings, and fail with every one that does not read back as it was set."""
    put(opened.link, settings)
    # Of those with the same header the last one counts.
    listed = list({setting.header: setting for setting in settings}.values())
    replies = opened.link.ask_all([setting.question for setting in listed])
    wrong = {
        f"{setting.header} {setting.value}": reply
        for setting, reply in zip(listed, replies, strict=True)
        if not _holds(setting, reply)
    }
    opened.place.note(f"reads back otherwise: {wrong or 'nothing'}")
    assert wrong == {}
    assert error(opened) == 0


def _holds(setting: Setting, reply: str) -> bool:
    try:
        return setting.holds(reply)
    except InstrumentError:
        return False


def check_sweep(opened: Meter, driver: type[Keithley6487] | type[Keithley2400]) -> None:
    """Sweep the resistor both ways of a sweep, through our driver."""
    resistance = opened.resistance()
    levels = np.linspace(-0.5, 0.5, 11)
    with (
        opened.handed_over() as address,
        driver(address, LIMITS, timer=opened.timer, library=opened.library) as meter,
    ):
        stepped = meter.sweep(levels, 2.5e-4, 0.1)
        internal = meter.internal_sweep(-0.5, 0.5, 11, 2.5e-4, 0.1)
    for swept in (stepped, internal):
        assert swept.current == pytest.approx(levels / resistance, rel=0.01, abs=1e-8)
        assert not swept.flags.any()
