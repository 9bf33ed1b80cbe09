"""One job on a source meter, played under one mishap, and what is to be said of it afterwards."""

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from crossbar.backend import CrossbarError, Flag, InstrumentError, Limits
from instruments.keithley2400 import Keithley2400
from instruments.keithley6487 import Keithley6487
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.k2400 import Virtual2400
from sim_backend.virtual.k6487 import Virtual6487
from sim_backend.virtual.lines import Line, LineFaults
from sim_backend.virtual.mishaps import USED, Mishap
from sim_backend.virtual.servers import PtyServer, TcpServer
from sim_backend.virtual.visa import library
from sim_backend.virtual.watched_resistor import Reading, Taken, Witness, is_true

EVERY_CALL = bool(os.environ.get("CROSSBAR_EVERY_CALL"))
"""Faults at every message on every transport; `make torture` sets it."""
RESOURCE = "GPIB0::22::INSTR"
TRANSPORTS = ("visa", *(("tcp", "pty") if hasattr(os, "openpty") else ("tcp",)))
RESISTANCE, LARGEST, COMPLIANCE, DWELL = 2e3, 0.8, 250e-6, 0.01
LEVELS = (0.2, 0.4, 0.8, 0.3, -0.4)
"""Up and down, V; at 0.8 V the limit is active."""
LIMITS = Limits(
    voltage=1.0,
    read_voltage=1.0,
    current=COMPLIANCE,
    width_min=1e-6,
    width_max=0.1,
    pulses=100,
    stress=100.0,
)
DRIVERS = {"2400": Keithley2400, "6487": Keithley6487}
VIRTUAL: dict[str, type[Virtual2400 | Virtual6487]] = {"2400": Virtual2400, "6487": Virtual6487}
DEADLINE = {"visa": 2.0, "tcp": 0.06, "pty": 0.06}
"""Longest wait for a reply, s: by virtual time, and by the wall."""
DEADLINES_AT_MOST = 7
"""That a run may wait for on top of what it takes; a safe-off that fails waits for two."""
SPARE = {"visa": 0.5, "tcp": 20.0, "pty": 20.0}
"""What a run may take on top of that, s; by the wall the processor is others' too."""
ARRIVING = {"visa": 0.0, "tcp": 0.3, "pty": 0.3}
"""Until the last thing that was sent has arrived, s; only what is still on then is left on."""
LIVE = "take it as live"
OUT_OF_REACH = {("visa", "unplugged"), ("pty", "unplugged"), ("tcp", "hang")}
"""Where nothing that is sent arrives any more: a plug is out, or nothing clears the device."""


@dataclass
class Datum:
    """What a driver gave for a level, and what was measured meanwhile."""

    level: float
    voltage: float
    current: float
    flags: int
    taken: list[Taken]


@dataclass
class Run:
    """What is left after a job."""

    transport: str
    data: list[Datum] = field(default_factory=list)
    error: CrossbarError | None = None
    messages: list[str] = field(default_factory=list)
    on: bool = False
    beyond: list[object] = field(default_factory=list)
    waited: float = 0.0


def play(meter: Any, witness: Witness, data: list[Datum]) -> None:
    """Measure a resistor point by point, asking once more where that fails, and sweep it."""

    def measured(level: float) -> Datum:
        before = len(witness.taken)
        voltage, current, flags = meter.measure()
        return Datum(level, voltage, current, int(flags), witness.taken[before:])

    with meter:
        meter.configure(LARGEST, COMPLIANCE, nplc=0.1)
        with meter.energised():
            for level in LEVELS:
                meter.source(level)
                try:
                    data.append(measured(level))
                except InstrumentError:
                    data.append(measured(level))
        before = len(witness.taken)
        swept = meter.internal_sweep(-LARGEST, LARGEST, 5, COMPLIANCE, DWELL, nplc=0.1)
        for k, level in enumerate((-0.8, -0.4, 0.0, 0.4, 0.8)):
            voltage, current = float(swept.voltage[k]), float(swept.current[k])
            taken = witness.taken[before:]
            data.append(Datum(level, voltage, current, int(swept.flags[k]), taken))


@contextmanager
def served(
    transport: str, instrument: Any, clock: FastClock, faults: LineFaults
) -> Iterator[tuple[str, Any, Callable[[], list[str]]]]:
    """Yield resource name, VISA library and the messages so far of an instrument."""
    if transport == "visa":
        found = library({RESOURCE: instrument}, clock, {RESOURCE: faults})
        line: Line = found.line(RESOURCE)
        yield RESOURCE, found, lambda: line.messages
        return
    with (TcpServer if transport == "tcp" else PtyServer)(instrument, faults=faults) as server:
        yield server.resource, "@py", lambda: server.messages


def run(
    model: str,
    transport: str = "visa",
    mishap: Mishap | None = None,
    number: int = -1,
    driver: Callable[..., Any] | None = None,
    *,
    one_question: bool = False,
) -> Run:
    """Play the job on an instrument that somebody has used, with a mishap at one message."""
    clock, done = FastClock(), Run(transport)
    witness = Witness(RESISTANCE, clock)
    instrument = VIRTUAL[model](witness, clock, one_question=one_question)
    witness.source_meter = instrument
    for command in USED[type(instrument)]:
        instrument.panel(command)
    faults = {} if mishap is None else mishap.faults(instrument, number)
    with served(transport, instrument, clock, faults) as (resource, found, messages):
        meter = (driver or DRIVERS[model])(
            resource,
            LIMITS,
            timer=clock,
            # Where nothing goes wrong, a busy processor must not look as if.
            deadline=DEADLINE[transport] if mishap or transport == "visa" else 20.0,
            library=found,
            interlock=True,
        )
        began = _now(transport, clock)
        try:
            play(meter, witness, done.data)
        except CrossbarError as problem:
            done.error = problem
        done.waited = _now(transport, clock) - began
        until = time.monotonic() + ARRIVING[transport]
        while instrument.on and time.monotonic() < until:
            time.sleep(0.005)
    done.messages = list(messages())
    done.on = instrument.on
    done.beyond = list(witness.beyond(LARGEST, COMPLIANCE))
    return done


def _now(transport: str, clock: FastClock) -> float:
    return clock.now if transport == "visa" else time.monotonic()


def is_right(model: str, datum: Datum) -> bool:
    """Return whether a datum is one that was measured for its level, or says that it is none.

    A flag too many is no wrong datum, a flag too few is one.
    """
    if datum.flags & Flag.CLIPPED:
        return math.isnan(datum.current)
    limited = bool(datum.flags & Flag.COMPLIANCE)
    # A 6487 has no voltmeter.
    reading = Reading(datum.voltage, datum.current, limited, measured=model == "2400")
    return is_true(datum.taken, reading, level=datum.level, limit=COMPLIANCE)


def violations(model: str, name: str, mishap: Mishap, done: Run, calm: Run) -> list[str]:
    """Return what must not be said of a run and can be."""
    found = []
    wrong = [datum for datum in done.data if not is_right(model, datum)]
    if wrong:
        found.append(f"wrong datum: {wrong[0].level} V {wrong[0].current} A {wrong[0].flags}")
    if done.error is None and len(done.data) != len(calm.data):
        found.append("data missing, and no error")
    if done.on and not (
        (done.transport, name) in OUT_OF_REACH
        and done.error is not None
        and LIVE in str(done.error)
    ):
        found.append(f"left on: {done.error}")
    if done.beyond and not mishap.by_hand:
        found.append(f"beyond the envelope: {done.beyond[0]}")
    allowed = DEADLINES_AT_MOST * DEADLINE[done.transport] + SPARE[done.transport]
    if done.waited > calm.waited + allowed:
        found.append(f"took {done.waited - calm.waited} s more than without")
    return found


def numbers(mishap: Mishap, calm: Run) -> list[int]:
    """Return the messages at which a mishap can happen."""
    return [k for k, line in enumerate(calm.messages) if "?" in line or not mishap.replies]
