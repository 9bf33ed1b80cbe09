"""Both source meters, real driver against virtual instrument, for the tests that concern both."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from crossbar.backend import Limits
from instruments.keithley2400 import Keithley2400
from instruments.keithley6487 import Keithley6487
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.k2400 import Virtual2400
from sim_backend.virtual.k6487 import Virtual6487
from sim_backend.virtual.visa import Instrument, library
from sim_backend.virtual.world import Resistor

LIMITS = Limits(
    voltage=20.0,
    read_voltage=0.5,
    current=3e-3,
    width_min=1e-6,
    width_max=0.1,
    pulses=100,
    stress=100.0,
)
RESOURCE = "GPIB0::22::INSTR"
RESISTANCE = 1e4

DRIVERS: dict[str, tuple[Any, Any]] = {
    "6487": (Keithley6487, Virtual6487),
    "2400": (Keithley2400, Virtual2400),
}


class Watched:
    """An instrument whose messages are written down, and disturbed from one message on.

    Parameters
    ----------
    instrument
        The one that answers.
    at
        Number of the first disturbed message; -1 disturbs none.
    disturb
        Called with the rest of the way, ``() -> reply``, in place of it.
    lasting
        True disturbs all that follow too.
    """

    def __init__(
        self,
        instrument: Instrument,
        at: int = -1,
        disturb: Callable[[Callable[[], str | None]], str | None] | None = None,
        *,
        lasting: bool = False,
    ) -> None:
        self.messages: list[str] = []
        self._instrument, self._at, self._disturb = instrument, at, disturb
        self._lasting = lasting

    def handle(self, line: str) -> str | None:
        number = len(self.messages)
        self.messages.append(line)
        hit = number == self._at or (self._lasting and 0 <= self._at < number)
        if self._disturb is None or not hit:
            return self._instrument.handle(line)
        return self._disturb(lambda: self._instrument.handle(line))


def lose_reply(rest: Callable[[], str | None]) -> None:
    """Do as told and say nothing."""
    rest()


def reset_before(rest: Callable[[], str | None]) -> None:
    """Break the link before the message arrives."""
    raise ConnectionResetError("planted")


def reset_after(rest: Callable[[], str | None]) -> None:
    """Break the link after the message arrived."""
    rest()
    raise ConnectionResetError("planted")


def interrupt_before(rest: Callable[[], str | None]) -> None:
    """Press Ctrl-C before the message arrives."""
    raise KeyboardInterrupt


def interrupt_after(rest: Callable[[], str | None]) -> None:
    """Press Ctrl-C after the message arrived."""
    rest()
    raise KeyboardInterrupt


@dataclass
class Desk:
    """A source meter, its driver and the resistor between its terminals."""

    model: str
    driver: Callable[..., Any] | None = None
    watch: Callable[[Instrument], Watched] = Watched
    clock: FastClock = field(default_factory=FastClock)

    def __post_init__(self) -> None:
        known, virtual = DRIVERS[self.model]
        self.virtual = virtual(Resistor(RESISTANCE, self.clock), self.clock)
        self.wire = self.watch(self.virtual)
        self.meter = (self.driver or known)(
            RESOURCE,
            LIMITS,
            timer=self.clock,
            library=library({RESOURCE: self.wire}, self.clock),
        )


def short_run(meter: Any) -> None:
    """Measure once, and sweep once."""
    with meter:
        meter.configure(2.0, 1e-3)
        with meter.energised():
            meter.source(1.0)
            meter.measure()
        meter.internal_sweep(0.5, -0.5, 3, 1e-3, 0.01)
